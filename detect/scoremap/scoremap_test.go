package scoremap_test

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/joule-ebm/joule/dataset"
	"github.com/joule-ebm/joule/detect/scoremap"
	"github.com/joule-ebm/joule/energy"
	"github.com/joule-ebm/joule/engine/cpu"
	"github.com/joule-ebm/joule/engine/rng"
	"github.com/joule-ebm/joule/expr"
	"github.com/joule-ebm/joule/model"
)

// bright is a model of tiles whose energy is the mean over places of swish(x), of places as fine as pixels: E = mean_p swish(x[p]). With
// positions it is (1 + tile_x) times that.
func bright(positions bool) *model.Model {
	image := expr.Shape{8, 8, 1}
	c := model.Paper()
	c.Tiles, c.Network.Image = model.Tiles{Side: 8, Stride: 4}, image[:]
	c.Sampler.Steps, c.Sampler.StepSize = 5, 0.5
	m := &model.Model{Config: c, Params: map[string][]float32{"head.weight": {1}, "head.bias": {0}},
		Energy: &energy.Energy{Image: image, Build: func(p *energy.Params, x, label *expr.Value) []*expr.Value {
			return []*expr.Value{energy.Head(p, "head", x)}
		}}}
	if positions {
		m.Numbers = []model.Number{{Name: dataset.TileX, Max: 1}, {Name: dataset.TileY, Max: 1}}
		m.Energy.Classes = 2
		build := m.Energy.Build
		m.Energy.Build = func(p *energy.Params, x, label *expr.Value) []*expr.Value {
			return build(p, expr.Add(x, expr.Slice(label, 0, 1)), nil) // label is -1 at the left and 1 at the right
		}
	}
	return m
}

func noise(h, w int) []uint8 {
	s := rng.New(5, uint64(h), uint64(w))
	pixels := make([]uint8, h*w)
	for i := range pixels {
		pixels[i] = uint8(s.IntN(256))
	}
	return pixels
}

func mustMap(t *testing.T, m *model.Model, kind string, pixels []uint8, h, w int) *scoremap.Map {
	t.Helper()
	mapper, err := scoremap.New(&cpu.Engine{Threads: 2}, m, kind)
	if err != nil {
		t.Fatal(err)
	}
	scores, err := mapper.Map(t.Context(), pixels, dataset.Size{Height: h, Width: w, Channels: 1}, model.AnyLabel)
	if err != nil {
		t.Fatal(err)
	}
	return scores
}

func swish(x float64) float64 { return x / (1 + math.Exp(-x)) }

// Tiles that say the same of a pixel come to what they say, wherever they lie: pictures of whole tiles, of some and a bit, of one.
func TestOverlappingTilesAgree(t *testing.T) {
	for _, size := range [][2]int{{8, 8}, {16, 24}, {13, 19}, {8, 30}} {
		h, w := size[0], size[1]
		pixels := noise(h, w)
		scores := mustMap(t, bright(false), scoremap.Energy, pixels, h, w)
		for i, u := range pixels {
			if want := swish((float64(u) + 0.5) / 256); math.Abs(float64(scores.Values[i])-want) > 1e-5 {
				t.Fatalf("%dx%d: pixel %d has score %v, want %v", h, w, i, scores.Values[i], want)
			}
		}
		most, at := scores.Max()
		if pixels[at] != slices.Max(pixels) || math.Abs(most-swish((float64(pixels[at])+0.5)/256)) > 1e-5 {
			t.Errorf("%dx%d: the highest score is %v at %d, of byte %d", h, w, most, at, pixels[at])
		}
		var highest float64 // mean over a tile
		tiles, err := dataset.Tiling{Side: 8, Stride: 4}.Of(dataset.Size{Height: h, Width: w, Channels: 1})
		if err != nil {
			t.Fatal(err)
		}
		for _, tile := range tiles {
			var sum float64
			for p := range 64 {
				sum += swish((float64(pixels[(tile.Top+p/8)*w+tile.Left+p%8]) + 0.5) / 256)
			}
			highest = max(highest, sum/64)
		}
		if math.Abs(scores.Energy-highest) > 1e-5 {
			t.Errorf("%dx%d: the highest energy is %v, want %v", h, w, scores.Energy, highest)
		}
	}
}

// The gradient is as steep as swish is at each pixel, over 64 places; a descent makes bright pixels darker, and those the most whose slope
// is the steepest.
func TestGradientAndDifference(t *testing.T) {
	const h, w = 20, 16
	dark := make([]uint8, h*w)
	for i := range dark {
		dark[i] = 20
	}
	for y := 5; y < 8; y++ {
		for x := 9; x < 12; x++ {
			dark[y*w+x] = 250
		}
	}
	for _, kind := range []string{scoremap.GradientNorm, scoremap.Difference} {
		scores := mustMap(t, bright(false), kind, dark, h, w)
		if _, at := scores.Max(); at/w < 4 || at/w > 8 || at%w < 8 || at%w > 12 {
			t.Errorf("%s: the highest score is at %d,%d", kind, at%w, at/w)
		}
	}
	slope := func(x float64) float64 { return 1/(1+math.Exp(-x)) + x*math.Exp(-x)/math.Pow(1+math.Exp(-x), 2) }
	flat := mustMap(t, bright(false), scoremap.GradientNorm, slices.Repeat([]uint8{20}, h*w), h, w)
	for i, v := range flat.Values {
		if want := slope(20.5/256) / 64; math.Abs(float64(v)-want) > 1e-6 {
			t.Fatalf("pixel %d has gradient %v, want %v", i, v, want)
		}
	}
}

// An energy that knows where a tile is is told.
func TestPositions(t *testing.T) {
	const h, w = 8, 24 // tiles at 0, 4, ... 16: x of -1, -0.5, ... 1
	scores := mustMap(t, bright(true), scoremap.Energy, make([]uint8, h*w), h, w)
	for column, want := range map[int]float64{0: swish(-1 + 0.5/256), w - 1: swish(1 + 0.5/256)} {
		if got := float64(scores.Values[3*w+column]); math.Abs(got-want) > 1e-5 {
			t.Errorf("column %d has score %v, want %v", column, got, want)
		}
	}
}

func TestRegions(t *testing.T) {
	m := &scoremap.Map{Height: 4, Width: 6, Values: []float32{
		9, 0, 0, 0, 0, 5,
		0, 8, 0, 0, 0, 5,
		0, 0, 0, 0, 0, 0,
		3, 3, 0, 7, 7, 0,
	}}
	want := []scoremap.Region{{0, 0, 2, 2, 2, 9}, {3, 3, 2, 1, 2, 7}, {5, 0, 1, 2, 2, 5}}
	if got := m.Regions(3); !slices.Equal(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
	if got := m.Regions(9); len(got) != 0 {
		t.Errorf("above all: %+v", got)
	}
}

func TestRefuses(t *testing.T) {
	mapper, err := scoremap.New(&cpu.Engine{}, bright(false), scoremap.Energy)
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []dataset.Size{{Height: 7, Width: 30, Channels: 1}, {Height: 8, Width: 8, Channels: 3}} {
		if _, err := mapper.Map(t.Context(), make([]uint8, size.Len()), size, model.AnyLabel); err == nil {
			t.Errorf("%v: no error", size)
		}
	}
	if _, err := scoremap.New(&cpu.Engine{}, bright(false), "magic"); err == nil {
		t.Error("a map of magic: no error")
	}
	headless := bright(false)
	headless.Energy.Build = func(_ *energy.Params, x, _ *expr.Value) []*expr.Value { return []*expr.Value{expr.Total(x)} }
	if _, err := scoremap.New(&cpu.Engine{}, headless, scoremap.Energy); err == nil || !strings.Contains(err.Error(), "take another, such as "+scoremap.Default) {
		t.Errorf("an energy without places: %v", err)
	}
}
