package run_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/joule-ebm/joule/energy"
	"github.com/joule-ebm/joule/expr"
	"github.com/joule-ebm/joule/model"
	"github.com/joule-ebm/joule/run"
)

// collapsing is the name of an energy that takes chains to one and the same image: three tenths of the way in a step of size 1.
const collapsing = "a test's pit"

func init() {
	err := model.Register(collapsing, func(o energy.Options) (*energy.Energy, error) {
		return &energy.Energy{Image: o.Image, Build: func(p *energy.Params, x, _ *expr.Value) []*expr.Value {
			d := expr.Sub(x, p.Get("image", x.Shape(), energy.Constant(0.5, energy.Array)))
			return []*expr.Value{expr.Affine(expr.Total(expr.Mul(d, d)), 0.15, 0)}
		}}, nil
	})
	if err != nil {
		panic(err)
	}
}

// A model that sends all chains from noise to one image, while its replay buffer, of chains of one step, holds images as far apart as those
// of the data, is noticed, once. Looking changes nothing of what is learnt.
func TestCollapse(t *testing.T) {
	dir := t.TempDir()
	changes := []string{"network.name=" + collapsing, "network.filters=0", "buffer.size=1000", "buffer.restart=1", "sampler.steps=1",
		"sampler.step_size=1", "optimiser.learning_rate=1e-3", "loss.reg=0", "loss.opt=0", "loss.ent=0", "output.noise=5", "generation.plain=7"}
	data := stripes(t, dir, 300, 1)
	at := filepath.Join(dir, "run")
	options, log := logged()
	if _, err := run.Start(t.Context(), at, config(t, data, changes...), options); err != nil {
		t.Fatal(err)
	}
	const said = "samples from noise have collapsed"
	if n := strings.Count(log.String(), said); n != 1 {
		t.Errorf("said %d times, want once:\n%s", n, log)
	}
	spacing := map[string][]float64{}
	for _, m := range records(t, at) {
		for _, name := range []string{"noise_spacing", "buffer_spacing", "data_spacing"} {
			if v, ok := m.Value(name); ok {
				spacing[name] = append(spacing[name], v)
			}
		}
	}
	if noise, buffer := spacing["noise_spacing"], spacing["buffer_spacing"]; len(noise) != 6 || noise[5] > 0.04 || buffer[5] < 0.15 {
		t.Errorf("the images lie %v apart", spacing)
	}

	blind := filepath.Join(dir, "blind")
	start(t, blind, config(t, data, append(changes, "output.noise=0")...))
	params := func(at string) string {
		m, err := model.Open(at)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(m.Params)
	}
	if params(at) != params(blind) {
		t.Error("looking at samples from noise changes what is learnt")
	}
}
