package explain_test

import (
	"context"
	"image"
	"math"
	"testing"

	"github.com/joule-ebm/joule/dataset"
	"github.com/joule-ebm/joule/detect/explain"
	"github.com/joule-ebm/joule/energy"
	"github.com/joule-ebm/joule/engine/cpu"
	"github.com/joule-ebm/joule/expr"
	"github.com/joule-ebm/joule/model"
)

const side = 16

// levels has two scales and two classes: E_1 = ½ Σ (x - t)² over the left half, E_2 = 2 Σ (x - t)² over the right half, where the
// class says which grey t the energy wants. The parameters are the two halves.
func levels() (*energy.Energy, map[string][]float32) {
	half := expr.Shape{side, side, 1}
	e := &energy.Energy{Image: half, Classes: 2, Build: func(p *energy.Params, x, label *expr.Value) []*expr.Value {
		want := expr.Affine(expr.Slice(label, 1, 2), 0.5, 0.25) // class 0: ¼, class 1: ¾
		d := expr.Sub(x, want)
		squares := expr.Mul(d, d)
		left := p.Get("left", half, energy.Init{})
		right := p.Get("right", half, energy.Init{})
		return []*expr.Value{
			expr.Affine(expr.Total(expr.Mul(squares, left)), 0.5, 0),
			expr.Affine(expr.Total(expr.Mul(squares, right)), 2, 0),
		}
	}}
	params := map[string][]float32{"left": make([]float32, side*side), "right": make([]float32, side*side)}
	for i := range side * side {
		if i%side < side/2 {
			params["left"][i] = 1
		} else {
			params["right"][i] = 1
		}
	}
	return e, params
}

// trained is a model of the energy whose chains make 100 steps of size 0.1.
func trained(e *energy.Energy, params map[string][]float32) *model.Model {
	m := &model.Model{Config: model.Paper(), Energy: e, Params: params}
	m.Config.Sampler.StepSize, m.Config.Sampler.Steps = 0.1, 100
	return m
}

// grey is an image of the grey 64, which class 0 wants, with a spot.
func spotted(spot uint8, x, y int) []uint8 {
	pixels := make([]uint8, side*side)
	for i := range pixels {
		pixels[i] = 64
	}
	pixels[y*side+x] = spot
	return pixels
}

// The heat is where the image is wrong, in the map of the scale that sees it; the energy would rather see it right.
func TestExplain(t *testing.T) {
	e, params := levels()
	x, err := explain.New(&cpu.Engine{Threads: 1}, trained(e, params))
	if err != nil {
		t.Fatal(err)
	}
	pixels := append(spotted(200, 3, 5), spotted(0, 12, 9)...)
	explanations, err := x.Explain(context.Background(), pixels, model.AnyLabel)
	if err != nil {
		t.Fatal(err)
	}
	if len(explanations) != 2 {
		t.Fatalf("%d explanations", len(explanations))
	}
	for i, at := range []struct{ x, y, scale int }{{3, 5, 1}, {12, 9, 2}} {
		got := explanations[i]
		if len(got.Heat) != 3 {
			t.Fatalf("%d maps of heat, want one of the energy and two of its scales", len(got.Heat))
		}
		for _, k := range []int{0, at.scale} {
			if p := hottest(got.Heat[k]); p != at.y*side+at.x {
				t.Errorf("image %d: map %d is hottest at %d,%d, want %d,%d", i, k, p%side, p/side, at.x, at.y)
			}
		}
		if other := got.Heat[3-at.scale]; other[hottest(other)] > got.Heat[0][hottest(got.Heat[0])]/10 {
			t.Errorf("image %d: the scale that does not see the spot has heat %v", i, other[hottest(other)])
		}
		for p, u := range got.Preferred {
			if u != 64 && u != 63 {
				t.Fatalf("image %d: the energy would rather see %d at %d, want 64", i, u, p)
			}
		}
	}

	// The square of the heat has the same sum as that of the gradient, but for what the border keeps in.
	var sum float64
	for _, v := range explanations[0].Heat[1] {
		sum += v * v
	}
	if want := math.Pow((200.5-64)/256, 2); math.Abs(sum-want) > 0.05*want {
		t.Errorf("squares of the heat add up to %v, those of the gradient to %v", sum, want)
	}

	// Given the other class, all of the image is wrong.
	explanations, err = x.Explain(context.Background(), pixels[:side*side], 1)
	if err != nil {
		t.Fatal(err)
	}
	if u := explanations[0].Preferred[0]; u < 190 || u > 193 {
		t.Errorf("class 1 would rather see %d, want 192", u)
	}
}

func hottest(heat []float64) (at int) {
	for p, v := range heat {
		if v > heat[at] {
			at = p
		}
	}
	return at
}

// Panels are in order, and colours do not depend on the image's own heat where the typical one is known.
func TestPicture(t *testing.T) {
	e := explain.Explanation{Size: dataset.Size{Height: 2, Width: 2, Channels: 1}, Typical: 1,
		Pixels: []uint8{10, 20, 30, 40}, Heat: [][]float64{{0, 1, 6, 100}, {0, 0, 0, 3}}, Preferred: []uint8{10, 20, 255, 0}}
	picture, err := e.Picture()
	if err != nil {
		t.Fatal(err)
	}
	rgba := picture.(*image.RGBA)
	const scale, gap = 70, 2
	at := func(panel, p int) [3]uint8 {
		c := rgba.RGBAAt(gap+panel*(2*scale+gap)+p%2*scale+scale/2, gap+p/2*scale+scale/2)
		return [3]uint8{c.R, c.G, c.B}
	}
	if size := rgba.Bounds().Size(); size != (image.Point{5*(2*scale+gap) + gap, 2*scale + 2*gap}) {
		t.Errorf("size %v", size)
	}
	white, black := [3]uint8{252, 255, 164}, [3]uint8{0, 0, 4}
	for _, c := range []struct {
		panel, p int
		want     [3]uint8
	}{
		{0, 1, [3]uint8{20, 20, 20}}, {1, 0, black}, {1, 2, white}, {1, 3, white}, {2, 0, black}, {3, 2, [3]uint8{255, 255, 255}},
		{4, 0, [3]uint8{0, 0, 0}}, {4, 2, [3]uint8{86, 180, 233}}, {4, 3, [3]uint8{72, 50, 0}},
	} {
		if got := at(c.panel, c.p); got != c.want {
			t.Errorf("panel %d, pixel %d has colour %v, want %v", c.panel, c.p, got, c.want)
		}
	}
	e.Typical = 0
	unknown, err := e.Picture()
	if err != nil {
		t.Fatal(err)
	}
	if unknown.At(gap+2*scale+gap+scale+scale/2, gap+scale/2) == picture.At(gap+2*scale+gap+scale+scale/2, gap+scale/2) {
		t.Error("without a typical heat the image's own is not the measure")
	}
}
