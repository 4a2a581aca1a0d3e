package energy_test

import (
	"math"
	"strings"
	"testing"

	"github.com/joule-ebm/joule/energy"
	"github.com/joule-ebm/joule/expr"
)

// TestEveryChoiceBuilds builds every network with every combination of options, its score included.
func TestEveryChoiceBuilds(t *testing.T) {
	for _, n := range energy.Networks() {
		for _, o := range combinations(n) {
			model, err := energy.New(n.Name, o)
			if err != nil {
				t.Errorf("%s %+v: %v", n.Name, o, err)
				continue
			}
			p, err := model.Params()
			if err != nil {
				t.Errorf("%s %+v: %v", n.Name, o, err)
				continue
			}
			has := func(part string) bool {
				for _, s := range p.Specs() {
					if strings.Contains(s.Name, part) {
						return true
					}
				}
				return false
			}
			for part, want := range map[string]bool{
				"self_attn":   o.Attention,
				"mid_res_1a.": o.MultiScale, "small_energy_map.": o.MultiScale,
				".latent_map_2.": o.Classes > 0,
				".bn2.":          o.Norm != energy.NoNorm,
				"conv1.":         true,
			} {
				if has(part) != want {
					t.Errorf("%s %+v: has parameters %s: %v, want %v", n.Name, o, part, !want, want)
				}
			}
			x := expr.Input("x", model.Image)
			var label *expr.Value
			if o.Classes > 0 {
				label = expr.Input("label", expr.Shape{1, 1, o.Classes})
			}
			scales := model.Build(p, x, label)
			if want := map[bool]int{false: 1, true: 3}[o.MultiScale]; len(scales) != want {
				t.Errorf("%s %+v: %d scales, want %d", n.Name, o, len(scales), want)
			}
			score := expr.Grad(energy.Sum(scales), x)[0]
			if err := expr.Err(score); err != nil || score.Shape() != model.Image {
				t.Errorf("%s %+v: score %v: %v", n.Name, o, score, err)
			}
		}
	}
}

func combinations(n energy.Network) (all []energy.Options) {
	bools := func(possible bool) []bool {
		if possible {
			return []bool{false, true}
		}
		return []bool{false}
	}
	for _, norm := range []energy.Norm{"", energy.ReferenceNorm, energy.LayerNorm, energy.NoNorm} {
		for _, kernel := range []energy.Kernel{"", energy.StandardisedKernel, energy.SpectralKernel, energy.PlainKernel} {
			for _, multi := range bools(n.MultiScale) {
				for _, attend := range []bool{false, true} {
					for _, classes := range []int{0, 10} {
						for _, channels := range []int{1, 3} {
							for _, side := range [][2]int{{n.Image[0], n.Image[1]}, {n.Image[0] - 3, n.Image[1] + 5}} {
								all = append(all, energy.Options{Filters: 16, MultiScale: multi, Attention: attend, Classes: classes,
									Norm: norm, Kernel: kernel, Image: expr.Shape{side[0], side[1], channels}})
							}
						}
					}
				}
			}
		}
	}
	return all
}

func TestNewRefuses(t *testing.T) {
	for _, c := range []struct {
		network string
		options energy.Options
		want    string
	}{
		{"resnet", energy.Options{}, "want one of quick, mnist, cifar10, celeba128"},
		{"mnist", energy.Options{Filters: -1}, "filters"},
		{"mnist", energy.Options{Filters: math.MaxInt}, "filters"},
		{"mnist", energy.Options{Classes: -1}, "classes"},
		{"mnist", energy.Options{Image: expr.Shape{28, 28, 0}}, "channels"},
		{"mnist", energy.Options{Image: expr.Shape{28, -28, 1}}, "width"},
		{"mnist", energy.Options{Image: expr.Shape{math.MaxInt, 28, 1}}, "height"},
		{"mnist", energy.Options{Norm: "batch"}, `no norm "batch": want reference, layer or none`},
		{"mnist", energy.Options{Kernel: "gaussian"}, `no kernel "gaussian": want standardised, spectral or plain`},
		{"mnist", energy.Options{MultiScale: true}, "one scale"},
		{"cifar10", energy.Options{Filters: 3, Attention: true}, "self_attn has 6 channels, attention needs 8"},
		{"cifar10", energy.Options{Filters: 36}, "res_4a has 144 channels"},
		{"celeba128", energy.Options{Filters: 7}, "even"},
		{"celeba128", energy.Options{Filters: 8, Image: expr.Shape{32, 32, 3}}, "res_4a sees one pixel"},
		{"celeba128", energy.Options{Filters: 8, MultiScale: true, Image: expr.Shape{32, 128, 3}, Norm: energy.LayerNorm}, ""},
		{"celeba128", energy.Options{Filters: 8, MultiScale: true, Image: expr.Shape{32, 32, 3}}, "small_res_2b sees one pixel"},
		{"cifar10", energy.Options{Filters: 8, Image: expr.Shape{8, 8, 3}}, "res_4a sees one pixel"},
		{"cifar10", energy.Options{Filters: 36, Norm: energy.LayerNorm}, ""},
		{"cifar10", energy.Options{Filters: 40}, ""},
		{"cifar10", energy.Options{Filters: 8, Image: expr.Shape{9, 9, 3}}, ""},
		{"cifar10", energy.Options{Filters: 8, Image: expr.Shape{1, 1, 3}, Norm: energy.NoNorm}, ""},
	} {
		model, err := energy.New(c.network, c.options)
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s %+v: %v", c.network, c.options, err)
		case c.want == "":
			if _, err := model.Params(); err != nil {
				t.Errorf("%s %+v: %v", c.network, c.options, err)
			}
		case err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), c.network):
			t.Errorf("%s %+v: error %v, want %q", c.network, c.options, err, c.want)
		}
	}
}

func TestNetworksNameWhatNewMakes(t *testing.T) {
	for _, n := range energy.Networks() {
		model, err := energy.New(n.Name, energy.Options{MultiScale: n.MultiScale, Attention: n.Attention})
		if err != nil {
			t.Error(err)
			continue
		}
		p, err := model.Params()
		if err != nil || model.Image != n.Image || n.About == "" {
			t.Errorf("%+v: images %v, %v", n, model.Image, err)
			continue
		}
		if first := p.Specs()[0]; first.Shape[2] != n.Filters {
			t.Errorf("%s: %s is %v, want %d filters", n.Name, first.Name, first.Shape, n.Filters)
		}
	}
}
