package chains

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/joule-ebm/joule/dataset"
	"github.com/joule-ebm/joule/energy"
	"github.com/joule-ebm/joule/engine/cpu"
	"github.com/joule-ebm/joule/engine/rng"
	"github.com/joule-ebm/joule/expr"
	"github.com/joule-ebm/joule/model"
)

// A model whose energy has a well at each image of training, and none elsewhere, copies and has memorised: both are found. One whose
// energy is a bowl around gray remembers no image, and no memory is found.
func TestExamineFindsCopies(t *testing.T) {
	image := expr.Shape{4, 4, 1}
	s := rng.New(3)
	random := func(n int) *dataset.Set {
		set := &dataset.Set{Height: 4, Width: 4, Channels: 1, Pixels: make([]uint8, n*image.Size())}
		for i := range set.Pixels {
			set.Pixels[i] = uint8(64 + s.IntN(128))
		}
		return set
	}
	training, heldOut := random(12), random(30)
	// distance is ‖x - centre‖², the centre being a parameter.
	distance := func(p *energy.Params, x *expr.Value, centre string) *expr.Value {
		d := expr.Sub(x, p.Get(centre, image, energy.Constant(0, energy.Array)))
		return expr.Total(expr.Mul(d, d))
	}
	examine := func(params map[string][]float32, build func(p *energy.Params, x *expr.Value) *expr.Value, threads int) *Report {
		t.Helper()
		c := model.Paper()
		c.Network.Image = image[:]
		c.Sampler.Steps, c.Sampler.StepSize, c.Sampler.Noise, c.Generation = 20, 0.02, 0.001, model.Generation{Plain: 4}
		m := &model.Model{Config: c, Params: params, Energy: &energy.Energy{Image: image,
			Build: func(p *energy.Params, x, _ *expr.Value) []*expr.Value { return []*expr.Value{build(p, x)} }}}
		o := Defaults()
		o.Samples, o.Draws, o.Neighbours, o.Threads = 30, 8, 2, threads
		r, err := Examine(context.Background(), &cpu.Engine{Threads: threads}, m, training, heldOut, o)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	centres := map[string][]float32{}
	for i := range training.Len() {
		centres[fmt.Sprint("image", i)] = dataset.Intensities(training.Image(i))
	}
	// -log Σ exp(-4‖x - xᵢ‖²), a mixture of Gaussians around the images of training.
	wells := func(p *energy.Params, x *expr.Value) *expr.Value {
		sum := expr.Const(0)
		for i := range training.Len() {
			sum = expr.Add(sum, expr.Exp(expr.Affine(distance(p, x, fmt.Sprint("image", i)), -4, 0)))
		}
		return expr.Affine(expr.Log(sum), -1, 0)
	}
	r := examine(centres, wells, 1)
	if !r.Copying.Found() || !r.Memory.Found() || r.Copying.Samples >= r.Copying.HeldOut || r.Memory.Training >= r.Memory.HeldOut {
		t.Errorf("a model that copies: %+v, %+v", r.Copying.SamplesAbove, r.Memory)
	}
	if r.Samples != 30 || r.Steps != 100 || r.Every != 10 || len(r.Copying.Neighbours) != 30 || r.ImageDistance <= 0 || r.Classes != nil {
		t.Errorf("%+v", r)
	}
	if again := examine(centres, wells, 3); !reflect.DeepEqual(again, r) {
		t.Errorf("three threads give %+v\none %+v", again, r)
	}
	if img, err := r.Picture(); err != nil || img.Bounds().Dx() < 100 {
		t.Errorf("the picture: %v", err)
	}
	gray := map[string][]float32{"gray": slices.Repeat([]float32{0.5}, image.Size())}
	bowl := examine(gray, func(p *energy.Params, x *expr.Value) *expr.Value { return distance(p, x, "gray") }, 1)
	if bowl.Memory.Found() {
		t.Errorf("a model that knows no image: %+v", bowl.Memory)
	}
}

// Chains that start from images held out need to know what these are of. A composition knows the numbers that it fixes.
func TestExamineRefuses(t *testing.T) {
	c := model.Paper()
	c.Network.Filters, c.Network.Image, c.Network.Conditional, c.Sampler.Steps, c.Generation = 4, []int{12, 12, 1}, true, 3, model.Generation{Plain: 2}
	conditional := func(classes []string, numbers []model.Number) *model.Model {
		e, err := c.NewEnergy(len(classes) + len(numbers))
		if err != nil {
			t.Fatal(err)
		}
		p, err := e.Params()
		if err != nil {
			t.Fatal(err)
		}
		return &model.Model{Config: c, Classes: classes, Numbers: numbers, Energy: e, Params: energy.InitialValues(p.Specs(), 5)}
	}
	images := func(n int, classes ...string) *dataset.Set {
		set := &dataset.Set{Height: 12, Width: 12, Channels: 1, Pixels: make([]uint8, n*144), Classes: classes}
		for i := range set.Pixels {
			set.Pixels[i] = uint8(i * i)
		}
		for i := range n * min(1, len(classes)) {
			set.Labels = append(set.Labels, int32(i%len(classes)))
		}
		return set
	}
	at := conditional(nil, []model.Number{{Name: "x", Max: 39}})
	fixed, err := model.Compose("a:x=10", model.DefaultMixture, map[string]*model.Model{"a": at})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		model   *model.Model
		heldOut *dataset.Set
		words   string // of the error
	}{
		"numbers":              {at, images(10), "fix them"},
		"numbers, and classes": {at, images(10, "a", "b"), "fix them"},
		"fixed numbers":        {fixed, images(10, "a", "b"), ""},
		"classes":              {conditional([]string{"a", "b"}, nil), images(10, "a", "b"), ""},
		"no classes":           {conditional([]string{"a", "b"}, nil), images(10), "0 classes"},
		"more classes":         {conditional([]string{"a", "b"}, nil), images(10, "a", "b", "c"), "3 classes"},
	} {
		o := Defaults()
		o.Samples, o.Draws = 4, 8
		if _, err := Examine(t.Context(), &cpu.Engine{}, c.model, images(20), c.heldOut, o); (err == nil) != (c.words == "") ||
			err != nil && !strings.Contains(err.Error(), c.words) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
