package attributes_test

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/joule-ebm/joule/dataset"
	"github.com/joule-ebm/joule/dataset/objects"
	"github.com/joule-ebm/joule/energy"
	"github.com/joule-ebm/joule/engine/cpu"
	"github.com/joule-ebm/joule/eval/attributes"
	"github.com/joule-ebm/joule/expr"
	"github.com/joule-ebm/joule/model"
)

// memory is a model that has learnt some images by heart: chains from noise go to the one of their label.
func memory(t *testing.T, size dataset.Size, images ...[]uint8) *model.Model {
	t.Helper()
	shape := expr.Shape{size.Height, size.Width, size.Channels}
	params := map[string][]float32{}
	for i, image := range images {
		params[name(i)] = dataset.Intensities(image)
	}
	c := model.Paper()
	c.Network.Image = shape[:]
	c.Sampler.StepSize, c.Sampler.Noise, c.Sampler.Steps, c.Generation = 0.5, 0, 10, model.Generation{}
	return &model.Model{Config: c, Params: params, Classes: make([]string, len(images)), Energy: &energy.Energy{Image: shape, Classes: len(images),
		Build: func(p *energy.Params, x, label *expr.Value) []*expr.Value {
			var scales []*expr.Value
			for i := range images {
				d := expr.Sub(x, p.Get(name(i), shape, energy.Init{}))
				scales = append(scales, expr.Mul(expr.Slice(label, i, i+1), expr.Total(expr.Mul(d, d))))
			}
			return scales
		}}}
}

func name(i int) string { return string(rune('a' + i)) }

func parse(t *testing.T, text string) dataset.Combinations {
	t.Helper()
	c, err := dataset.ParseCombinations(text)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Samples that are renders are read as what was rendered.
func TestMeasureObjects(t *testing.T) {
	const side = 32
	pixels, scenes, err := objects.Draw(t.Context(), 5, 0, 8, side)
	if err != nil {
		t.Fatal(err)
	}
	size := dataset.Size{Height: side, Width: side, Channels: 3}
	set := &dataset.Set{Name: "objects", Height: side, Width: side, Channels: 3, Pixels: pixels, Subject: dataset.Objects}
	var images [][]uint8
	for i := range 4 {
		images = append(images, set.Image(i))
	}
	value := func(i, attribute int) string {
		return objects.Attributes[attribute].Values[scenes[i].Labels[attribute]]
	}
	want := parse(t, "shape="+value(0, objects.Shape)+"&colour="+value(0, objects.Colour))
	r, err := attributes.Measure(t.Context(), &cpu.Engine{Threads: 2}, memory(t, size, images...), attributes.Options{
		Want: want, Images: set, Sampling: model.Sampling{Images: 8, Seed: 1}})
	if err != nil {
		t.Fatal(err)
	}
	expected := map[string]int{}
	shown := 0
	for i := range 4 {
		expected[value(i, objects.Shape)] += 2
		if value(i, objects.Shape) == value(0, objects.Shape) && value(i, objects.Colour) == value(0, objects.Colour) {
			shown += 2
		}
	}
	if !maps.Equal(r.Counts["shape"], expected) || r.Shown.Count != shown || r.Shown.Of != 8 || r.Samples != 8 || r.Steps != 10 {
		t.Errorf("shapes %v, want %v; %+v shown", r.Counts["shape"], expected, r.Shown)
	}
	if *r.Likeliest != *r.Shown {
		t.Errorf("%+v are likeliest, %+v shown", r.Likeliest, r.Shown)
	}
	if r.Chance.Of != 8 || r.Chance.Count < 1 || !(r.Shown.Low < r.Shown.Value && r.Shown.Value <= r.Shown.High) {
		t.Errorf("chance %+v, shown %+v", r.Chance, r.Shown)
	}
	var text bytes.Buffer
	if err := r.Text(&text); err != nil || !strings.Contains(text.String(), "show "+want.String()+": ") || !strings.Contains(text.String(), "the shape alone: ") {
		t.Errorf("%s, %v", &text, err)
	}
	for wrong, words := range map[string]string{"digit=3": "want one of shape, colour", "shape=egg": "want one of cube"} {
		_, err := attributes.Measure(t.Context(), &cpu.Engine{}, memory(t, size, images...), attributes.Options{Want: parse(t, wrong), Images: set})
		if err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%s: %v", wrong, err)
		}
	}
}

// Samples of a conditional model are counted by the class that they were drawn for.
func TestMeasureAsked(t *testing.T) {
	set, err := dataset.Open(t.Context(), "mnist:test", dataset.Size{})
	if err != nil {
		t.Fatal(err)
	}
	set = set.AtMost(20, 1)
	nine := slices.Index(set.Labels, 9)
	two := slices.Index(set.Labels, 2)
	m := memory(t, set.Size(), set.Image(two), set.Image(nine), set.Image(two))
	measure := func(s model.Sampling, classes ...string) *attributes.Report {
		t.Helper()
		m.Classes = classes
		r, err := attributes.Measure(t.Context(), &cpu.Engine{Threads: 2}, m, attributes.Options{Images: set, Sampling: s})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	r := measure(model.Sampling{Images: 7, Seed: 1}, "2", "9", "3") // the third class shows a 2
	if a := r.Asked; a == nil || a.Attribute != "digit" || a.Count != 5 || a.Share.Of != 7 || a.Of["2"].Count != 3 || a.Of["9"].Value != 1 ||
		a.Of["3"].Count != 0 || a.Of["3"].Of != 2 || !(a.Low < a.Value && a.Value < a.High) {
		t.Errorf("%+v", r.Asked)
	}
	var text bytes.Buffer
	if err := r.Text(&text); err != nil || !strings.Contains(text.String(), "show the digit that they were drawn for: 71.4% (95% 29.0 to 96.3)\n  2 100.0% 3 0.0% 9 100.0%\n") {
		t.Errorf("%s, %v", &text, err)
	}
	var read map[string]any
	written, err := json.Marshal(r.Asked)
	if err == nil {
		err = json.Unmarshal(written, &read)
	}
	if of, ok := read["of"].(map[string]any); err != nil || read["count"] != 5. || read["samples"] != 7. || !ok || len(of) != 3 {
		t.Errorf("%s, %v", written, err)
	}
	if a := measure(model.Sampling{Images: 4, Seed: 1, Labels: []int32{2}}, "2", "9", "3").Asked; a == nil || a.Count != 0 || len(a.Of) != 1 {
		t.Errorf("of one class: %+v", a)
	}
	if a := measure(model.Sampling{Images: 2, Seed: 1}, "2", "9", "trousers").Asked; a != nil {
		t.Errorf("of classes that nothing reads: %+v", a)
	}
}

// Digits are read as what their labels say, nearly all.
func TestReadDigits(t *testing.T) {
	set, err := dataset.Open(context.Background(), "mnist:test", dataset.Size{})
	if err != nil {
		t.Fatal(err)
	}
	set = set.AtMost(300, 1)
	reader, err := attributes.NewReader(&cpu.Engine{Threads: 2}, set.Subject)
	if err != nil {
		t.Fatal(err)
	}
	shown, _, err := reader.Read(t.Context(), set.Pixels, set.Size())
	if err != nil {
		t.Fatal(err)
	}
	right := 0
	slant, err := set.AttributeNamed(attributes.Slant)
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range shown {
		if want := slant.Values[slant.Labels[i]]; v[attributes.Slant] != want {
			t.Fatalf("digit %d: slant %s, want %s", i, v[attributes.Slant], want)
		}
		if v[attributes.Digit] == set.Classes[set.Labels[i]] {
			right++
		}
	}
	if len(shown) != 300 || right < 290 {
		t.Errorf("%d of %d digits are read right", right, len(shown))
	}
	if _, err := attributes.NewReader(&cpu.Engine{}, "clothes"); err == nil || !slices.Contains(reader.Attributes[0].Values, "9") {
		t.Errorf("a reader of clothes: %v", err)
	}
}
