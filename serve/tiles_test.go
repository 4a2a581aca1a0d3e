package serve_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/joule-ebm/joule/dataset"
	"github.com/joule-ebm/joule/detect"
	"github.com/joule-ebm/joule/energy"
	"github.com/joule-ebm/joule/engine/cpu"
	"github.com/joule-ebm/joule/model"
	"github.com/joule-ebm/joule/serve"
)

// ofTiles is a small untrained model of tiles.
func ofTiles(t *testing.T) *model.Model {
	t.Helper()
	c := model.Paper()
	c.Network.Filters, c.Network.Image, c.Tiles = 4, []int{side, side, 1}, model.Tiles{Side: side, Stride: side / 2}
	c.Sampler.Steps = 2
	e, err := c.NewEnergy(0)
	if err != nil {
		t.Fatal(err)
	}
	params, err := e.Params()
	if err != nil {
		t.Fatal(err)
	}
	m, err := model.New(c, nil, energy.InitialValues(params.Specs(), 1))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// A model of tiles takes pictures of any size that holds one, and says the same of them as a judge: over the own API and the Open Inference
// Protocol. Smaller ones are the client's fault.
func TestTiles(t *testing.T) {
	m := ofTiles(t)
	const h, w = 17, 29
	good := &dataset.Set{Name: "good", Height: h, Width: w, Channels: 1, Pixels: pixels(3, 200)[:20*h*w]}
	calibration, err := detect.CalibrateSet(t.Context(), &cpu.Engine{Threads: 1}, m, good, nil)
	if err == nil {
		err = detect.Attach(m, calibration)
	}
	path := filepath.Join(t.TempDir(), "parts.safetensors")
	if err == nil {
		err = m.Save(path)
	}
	if err != nil {
		t.Fatal(err)
	}
	server, _ := serving(t, serve.Options{Models: []serve.Source{{Name: "parts", Path: path}}, Threads: 1, Version: "test", Limits: serve.Limits{Pixels: 2*h*w + 1}})

	size := dataset.Size{Height: h, Width: w, Channels: 1}
	one := pixels(4, 20)[:h*w]
	judge, err := detect.NewJudge(&cpu.Engine{Threads: 1}, m, "", detect.Rule{})
	if err != nil {
		t.Fatal(err)
	}
	want, err := judge.Pictures(t.Context(), []dataset.Image{{Size: size, Pixels: one}}, model.AnyLabel)
	if err != nil {
		t.Fatal(err)
	}
	encoded := func(pixels []uint8, h, w int) []byte {
		var file bytes.Buffer
		if err := png.Encode(&file, &image.Gray{Pix: pixels, Stride: w, Rect: image.Rect(0, 0, w, h)}); err != nil {
			t.Fatal(err)
		}
		return file.Bytes()
	}
	var explained struct{ Images []serve.ExplainedBody }
	code, body, _ := ask(t, "POST", server.URL+"/v1/models/parts/explain", "image/png", encoded(one, h, w))
	if err := json.Unmarshal([]byte(body), &explained); code != 200 || err != nil || len(explained.Images) != 1 {
		t.Fatalf("%d %s (%v)", code, body, err)
	}
	if x := explained.Images[0]; x.Resized || x.Score != want[0].Score || *x.P != *want[0].P || x.Height != h || x.Width != w || len(x.Heat) != h*w {
		t.Errorf("score %v, want %v; %dx%d, resized %v", x.Score, want[0].Score, x.Height, x.Width, x.Resized)
	}
	// The regions are those at the rate of the request.
	for _, rate := range []float64{*want[0].P, *want[0].P / 2} {
		strict, err := detect.NewJudge(&cpu.Engine{Threads: 1}, m, "", detect.Rule{FalseAlarms: rate})
		if err != nil {
			t.Fatal(err)
		}
		_, judged, err := strict.Map(t.Context(), dataset.Image{Size: size, Pixels: one}, model.AnyLabel)
		if err != nil {
			t.Fatal(err)
		}
		var scored struct{ Images []serve.ScoredBody }
		code, body, _ := ask(t, "POST", fmt.Sprintf("%s/v1/models/parts/score?false_alarm=%v", server.URL, rate), "image/png", encoded(one, h, w))
		if err := json.Unmarshal([]byte(body), &scored); code != 200 || err != nil || len(scored.Images) != 1 {
			t.Fatalf("%d %s (%v)", code, body, err)
		}
		if x := scored.Images[0]; *x.OutOfDistribution != (rate == *want[0].P) || (len(x.Regions) > 0) != *x.OutOfDistribution || !slices.Equal(x.Regions, judged.Regions) {
			t.Errorf("at %v: out of distribution %v, regions %v, want %v", rate, *x.OutOfDistribution, x.Regions, judged.Regions)
		}
	}
	if code, body, _ := ask(t, "POST", server.URL+"/v1/models/parts/score", "image/png", encoded(one[:7*9], 7, 9)); code != 400 || !strings.Contains(body, "smaller than a tile") {
		t.Errorf("a picture that is smaller than a tile: %d %s", code, body)
	}
	// All pictures of a request are kept as they are: the limit of pixels is one of all of them.
	for n, want := range map[int]int{2: 200, 3: 422} {
		data, err := json.Marshal(map[string]any{"images": slices.Repeat([]any{map[string]any{"data": encoded(one, h, w)}}, n)})
		if err != nil {
			t.Fatal(err)
		}
		code, body, _ := ask(t, "POST", server.URL+"/v1/models/parts/score", "application/json", data)
		if code != want || (code != 200) != strings.Contains(body, fmt.Sprintf(`\"picture 3\": 29×17 pixels are more than the 1 left of the %d allowed in a request`, 2*h*w+1)) {
			t.Errorf("%d pictures: %d %s, want %d", n, code, body, want)
		}
	}
	infer := func(h, w int) (int, string) {
		data, err := json.Marshal(map[string]any{"inputs": []any{map[string]any{"name": "image", "datatype": "UINT8", "shape": []int{1, h, w, 1}, "data": ints(one[:min(h*w, len(one))])}}})
		if err != nil {
			t.Fatal(err)
		}
		code, body, _ := ask(t, "POST", server.URL+"/v2/models/parts/infer", "application/json", data)
		return code, body
	}
	if code, body := infer(h, w); code != 200 || !strings.Contains(body, fmt.Sprintf("%v", *want[0].P)) {
		t.Errorf("inference: %d %s, want p %v", code, body, *want[0].P)
	}
	for _, size := range [][2]int{{7, 9}, {1 << 20, 1 << 20}, {0, 12}} {
		if code, body := infer(size[0], size[1]); code != 400 {
			t.Errorf("inference of %v: %d %s", size, code, body)
		}
	}
}

// What nobody waits for any more is not judged: who asks for more than there is time for takes the model from nobody else.
func TestTooMuchForTheTime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "parts.safetensors")
	if err := ofTiles(t).Save(path); err != nil {
		t.Fatal(err)
	}
	server, _ := serving(t, serve.Options{Models: []serve.Source{{Name: "parts", Path: path}}, Threads: 1, Limits: serve.Limits{Time: time.Second}})
	score := func(side int) (int, string) {
		var file bytes.Buffer
		if err := png.Encode(&file, image.NewGray(image.Rect(0, 0, side, side))); err != nil {
			t.Fatal(err)
		}
		code, body, _ := ask(t, "POST", server.URL+"/v1/models/parts/score", "image/png", file.Bytes())
		return code, body
	}
	if code, body := score(3000); code != 503 || !strings.Contains(body, "longer than allowed") {
		t.Fatalf("9 million pixels: %d %s", code, body)
	}
	if code, body := score(side); code != 200 {
		t.Errorf("a tile, after that: %d %s", code, body)
	}
}

func ints(bytes []uint8) (numbers []int) {
	for _, b := range bytes {
		numbers = append(numbers, int(b))
	}
	return numbers
}
