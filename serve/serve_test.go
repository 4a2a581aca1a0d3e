package serve_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"math"
	"mime/multipart"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/joule-ebm/joule/detect"
	"github.com/joule-ebm/joule/energy"
	"github.com/joule-ebm/joule/engine/cpu"
	"github.com/joule-ebm/joule/engine/rng"
	grid "github.com/joule-ebm/joule/internal/picture"
	"github.com/joule-ebm/joule/model"
	"github.com/joule-ebm/joule/serve"
)

const side = 12

func pixels(seed uint64, n int) []uint8 {
	p, s := make([]uint8, n*side*side), rng.New(seed)
	for i := range p {
		p[i] = uint8(s.IntN(256))
	}
	return p
}

// save writes a small untrained model to path, calibrated or not.
func save(t *testing.T, path string, seed uint64, calibrated bool, classes ...string) *model.Model {
	t.Helper()
	c := model.Paper()
	c.Network.Filters, c.Network.Image, c.Network.Conditional = 4, []int{side, side, 1}, len(classes) > 0
	c.Sampler.Steps, c.Generation = 3, model.Generation{Plain: 2}
	e, err := c.NewEnergy(len(classes))
	if err != nil {
		t.Fatal(err)
	}
	p, err := e.Params()
	if err != nil {
		t.Fatal(err)
	}
	m, err := model.New(c, classes, energy.InitialValues(p.Specs(), seed))
	if err != nil {
		t.Fatal(err)
	}
	m.Iterations = int64(seed)
	if err := m.Save(path); err != nil {
		t.Fatal(err)
	}
	if m, err = model.Open(path); err != nil {
		t.Fatal(err)
	}
	if calibrated {
		calibration, err := detect.Calibrate(t.Context(), &cpu.Engine{Threads: 1}, m, "noise", pixels(99, 199), func(int) {})
		if err == nil {
			err = detect.Save(m, calibration)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return m
}

// start serves a calibrated model, digits, and one that is conditional and not calibrated, classes.
func start(t *testing.T, change func(*serve.Options)) (*httptest.Server, *serve.Server, *model.Model) {
	t.Helper()
	dir := t.TempDir()
	m := save(t, filepath.Join(dir, "a.safetensors"), 1, true)
	save(t, filepath.Join(dir, "b.safetensors"), 2, false, "off", "on")
	o := serve.Options{Models: []serve.Source{{Name: "digits", Path: filepath.Join(dir, "a.safetensors")}, {Name: "classes", Path: filepath.Join(dir, "b.safetensors")}},
		Threads: 2, Version: "test"}
	if change != nil {
		change(&o)
	}
	h, s := serving(t, o)
	return h, s, m
}

// serving is a server with such options, until the test ends.
func serving(t testing.TB, o serve.Options) (*httptest.Server, *serve.Server) {
	t.Helper()
	s, err := serve.New(o)
	if err != nil {
		t.Fatal(err)
	}
	h := httptest.NewServer(s.Handler())
	t.Cleanup(func() {
		h.Close()
		s.Close()
	})
	return h, s
}

func picture(p []uint8) []byte {
	img := image.NewGray(image.Rect(0, 0, side, side))
	copy(img.Pix, p)
	var out bytes.Buffer
	_ = png.Encode(&out, img)
	return out.Bytes()
}

// ask sends a request and reads the answer.
func ask(t *testing.T, method, url, kind string, body []byte, headers ...string) (int, string, http.Header) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if kind != "" {
		r.Header.Set("Content-Type", kind)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		if r.Header.Set(headers[i], headers[i+1]); headers[i] == "Host" {
			r.Host = headers[i+1]
		}
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(text), answer.Header
}

type scored struct {
	Images []struct {
		Image             string
		Resized           bool
		Energy            float32
		P                 *float64
		Warnings          []string
		OutOfDistribution *bool `json:"out_of_distribution"`
		Heat              []float64
		Preferred         []byte
	}
	Error string
}

func scores(t *testing.T, url, kind string, body []byte) scored {
	t.Helper()
	code, text, _ := ask(t, "POST", url, kind, body)
	var s scored
	if err := json.Unmarshal([]byte(text), &s); err != nil || code != 200 {
		t.Fatalf("%s: status %d, %s", url, code, text)
	}
	return s
}

// A picture has the judgement that the library gives it, however it is sent.
func TestScore(t *testing.T) {
	h, _, m := start(t, nil)
	p := pixels(5, 2)
	judge, err := detect.NewJudge(&cpu.Engine{Threads: 1}, m, "energy", detect.Rule{FalseAlarms: 0.5})
	if err != nil {
		t.Fatal(err)
	}
	want, err := judge.Images(t.Context(), p, model.AnyLabel)
	if err != nil {
		t.Fatal(err)
	}
	a, b := picture(p[:side*side]), picture(p[side*side:])
	var form bytes.Buffer
	w := multipart.NewWriter(&form)
	for name, data := range map[string][]byte{"a.png": a} {
		f, _ := w.CreateFormFile("image", name)
		_, _ = f.Write(data)
	}
	f, _ := w.CreateFormFile("other", "b.png")
	_, _ = f.Write(b)
	w.Close()
	body := fmt.Sprintf(`{"images":[{"name":"a.png","data":%q},{"name":"b.png","data":%q}]}`, base64.StdEncoding.EncodeToString(a), base64.StdEncoding.EncodeToString(b))
	url := h.URL + "/v1/models/digits/score?false_alarm=0.5"
	for what, got := range map[string]scored{"form": scores(t, url, w.FormDataContentType(), form.Bytes()), "JSON": scores(t, url, "application/json", []byte(body))} {
		if len(got.Images) != 2 {
			t.Fatalf("%s: %d answers", what, len(got.Images))
		}
		for i, g := range got.Images {
			if g.Energy != want[i].Energy || *g.P != *want[i].P || *g.OutOfDistribution != *want[i].OutOfDistribution || g.Image != []string{"a.png", "b.png"}[i] || g.Resized {
				t.Errorf("%s: %+v, want %+v", what, g, want[i])
			}
		}
	}
	if got := scores(t, url, "image/png", a); got.Images[0].Energy != want[0].Energy {
		t.Errorf("energy %v, want %v", got.Images[0].Energy, want[0].Energy)
	}
	dark := image.NewGray16(image.Rect(0, 0, side, side))
	dark.Pix[0] = 15 // of 255, as cameras of 12 bits write
	var file bytes.Buffer
	_ = png.Encode(&file, dark)
	if got := scores(t, url, "image/png", file.Bytes()).Images[0].Warnings; len(got) != 1 || !strings.Contains(got[0], "nearly black") {
		t.Errorf("warnings %q", got)
	}
	if got := scores(t, h.URL+"/v1/models/classes/score?label=on", "", a); got.Images[0].P != nil || got.Images[0].OutOfDistribution != nil {
		t.Error("p-values of a model that is not calibrated")
	}
	got := scores(t, h.URL+"/v1/models/digits/explain", "image/png", a)
	if g := got.Images[0]; g.Energy != want[0].Energy || len(g.Heat) != side*side || g.P == nil {
		t.Errorf("an explanation %+v", g)
	}
	if _, err := png.Decode(bytes.NewReader(got.Images[0].Preferred)); err != nil {
		t.Error(err)
	}
}

// What cannot be answered is refused with a line of JSON that says why.
func TestRefuses(t *testing.T) {
	h, _, _ := start(t, func(o *serve.Options) { o.Limits.Body, o.Limits.Images, o.Limits.Pixels = 60_000, 3, 1000 })
	big := image.NewGray(image.Rect(0, 0, 100, 100))
	big.Set(1, 1, color.White)
	var bigPNG bytes.Buffer
	_ = png.Encode(&bigPNG, big)
	zero := base64.StdEncoding.EncodeToString(picture(pixels(1, 1)))
	one := fmt.Sprintf(`{"data":%q}`, zero)
	tensor := func(more string) string { return fmt.Sprintf(`{"inputs":[{"name":"image",%s}]}`, more) }
	const score, infer = "/v1/models/digits/score", "/v2/models/digits/infer"
	for what, c := range map[string]struct {
		path, kind, body string
		code             int
		want             string
	}{
		"no model":            {"/v1/models/cats/score", "image/png", "x", 404, "no model"},
		"no picture":          {score, "image/png", "hello", 422, "picture 1"},
		"nothing":             {score, "image/png", "", 400, "body is required"},
		"a type of nonsense":  {score, "a/b; c", "x", 400, "Content-Type"},
		"no JSON":             {score, "application/json", "{", 400, "no JSON"},
		"no images":           {score, "application/json", "{}", 400, "no pictures"},
		"no form":             {score, "multipart/form-data; boundary=x", "--x\r\n", 400, "form"},
		"no such setting":     {score + "?false_alarms=0.5", "image/png", "x", 422, "unknown query parameter"},
		"a rate of none":      {score + "?false_alarm=0", "image/png", "x", 422, "expected number > 0"},
		"a rate by a label":   {"/v1/models/classes/score?label=on&false_alarm=0.5", "image/png", "x", 400, "leave it out"},
		"a setting in JSON":   {score, "application/json", `{"images":[` + one + `],"label":"7"}`, 400, "unknown field"},
		"JSON twice":          {score, "application/json", `{"images":[` + one + `]} {}`, 400, "something comes after it"},
		"a setting in a form": {score, "multipart/form-data; boundary=x", "--x\r\nContent-Disposition: form-data; name=\"label\"\r\n\r\n7\r\n--x--\r\n", 400, "is no file"},
		"too many":            {score, "application/json", `{"images":[` + one + "," + one + "," + one + "," + one + "]}", 400, "more than the 3 allowed"},
		"too many pixels":     {score, "image/png", bigPNG.String(), 422, "more than the 1000 allowed"},
		"of a bitmap":         {score, "image/x-portable-bitmap", "P4 100 100\n" + strings.Repeat("\x00", 1300), 422, "more than the 1000 allowed"},
		"of a huge bitmap":    {score, "", "P4 2000000000 2000000000\n", 422, "picture 1"},
		"of a mask":           {"/v1/models/digits/edit", "application/json", `{"images":[` + one + `],"mask":"` + base64.StdEncoding.EncodeToString(append([]byte("P4 100 100\n"), make([]byte, 1300)...)) + `"}`, 422, "more than the 1000 allowed"},
		"too large":           {score, "image/png", strings.Repeat("x", 70_000), 413, "too large"},
		"a rate of 2":         {score + "?false_alarm=2", "image/png", "x", 422, "expected number < 1"},
		"no such class":       {"/v1/models/classes/score?label=maybe", "image/png", "x", 400, "label"},
		"too many samples":    {"/v1/models/digits/sample?images=1000", "", "", 422, "images"},
		"no tensors":          {infer, "application/json", "{}", 400, "one input"},
		"another input":       {infer, "application/json", `{"inputs":[{"name":"x"}]}`, 400, "one input"},
		"another shape":       {infer, "application/json", tensor(`"shape":[1,3,3,1],"datatype":"UINT8","data":[]`), 400, "[N,12,12,1]"},
		"a huge shape":        {infer, "application/json", tensor(`"shape":[9223372036854775807,12,12,1],"datatype":"UINT8","data":[]`), 400, "1 to 3"},
		"another type":        {infer, "application/json", tensor(`"shape":[1,12,12,1],"datatype":"BYTES","data":["a"]`), 400, "UINT8 or FP32"},
		"too few numbers":     {infer, "application/json", tensor(`"shape":[1,12,12,1],"datatype":"UINT8","data":[1,2]`), 400, "2 numbers"},
		"words":               {infer, "application/json", tensor(`"shape":[1,12,12,1],"datatype":"UINT8","data":["a"]`), 400, "no numbers"},
		"another output":      {infer, "application/json", `{"inputs":[],"outputs":[{"name":"x"}]}`, 400, "no output"},
		"an output twice":     {infer, "application/json", `{"inputs":[],"outputs":[{"name":"energy"},{"name":"p_value"},{"name":"energy"}]}`, 400, "twice"},
		"p without":           {"/v2/models/classes/infer", "application/json", `{"inputs":[],"outputs":[{"name":"p_value"}]}`, 400, "not calibrated"},
		"another version":     {"/v2/models/digits/versions/7/infer", "application/json", "{}", 404, "no version"},
		"a number out of 0-1": {infer, "application/json", tensor(`"shape":[1,12,12,1],"datatype":"FP32","data":[` + strings.Repeat("1.5,", 143) + "1]"), 400, "want 0 to 1"},
	} {
		code, text, _ := ask(t, "POST", h.URL+c.path, c.kind, []byte(c.body))
		if code != c.code || !strings.HasPrefix(text, `{"error":"`) || !strings.Contains(text, c.want) || strings.Contains(strings.TrimSpace(text), "\n") {
			t.Errorf("%s: status %d, %s; want %d and %q", what, code, text, c.code, c.want)
		}
	}
	for _, headers := range [][]string{{"Inference-Header-Content-Length", "99"}, {"Inference-Header-Content-Length", "-1"}, {"Content-Encoding", "gzip"}} {
		if code, text, _ := ask(t, "POST", h.URL+infer, "application/json", []byte("{}"), headers...); code != 400 && code != 415 {
			t.Errorf("%q: status %d, %s", headers, code, text)
		}
	}
}

// A shape takes no memory until its numbers come.
func TestShapeAlone(t *testing.T) {
	h, _, _ := start(t, nil)
	const requests, most = 20, 500_000 // bytes each: the numbers of the shape would be 1.2 MB
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range requests {
		code, text, _ := ask(t, "POST", h.URL+"/v2/models/digits/infer", "application/json", []byte(`{"inputs":[{"name":"image","shape":[1024,12,12,1],"datatype":"UINT8","data":[]}]}`))
		if code != 400 || !strings.Contains(text, "0 numbers") {
			t.Fatalf("status %d, %s", code, text)
		}
	}
	if runtime.ReadMemStats(&after); after.TotalAlloc-before.TotalAlloc > requests*most {
		t.Errorf("%d bytes for a request without numbers", (after.TotalAlloc-before.TotalAlloc)/requests)
	}
}

// The protocol of KServe and Triton, with numbers as JSON and as bytes.
func TestInference(t *testing.T) {
	h, _, m := start(t, nil)
	p := pixels(6, 3)
	energies, err := m.Energies(t.Context(), &cpu.Engine{Threads: 1}, p, model.AnyLabel)
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"/v2/health/live": "", "/v2/health/ready": "", "/v2/models/digits/ready": "", "/v2/models/digits/versions/1/ready": "",
		"/v2":               `"extensions":["binary_tensor_data"]`,
		"/v2/models/digits": `"inputs":[{"name":"image","datatype":"UINT8","shape":[-1,12,12,1]}],"outputs":[{"name":"energy","datatype":"FP64","shape":[-1]},{"name":"p_value","datatype":"FP64","shape":[-1]}]`,
	} {
		if code, text, _ := ask(t, "GET", h.URL+path, "", nil); code != 200 || !strings.Contains(text, want) {
			t.Errorf("%s: status %d, %s", path, code, text)
		}
	}
	var nested, flat strings.Builder
	var floats []byte
	for i, u := range p {
		fmt.Fprintf(&flat, "%s%d", map[bool]string{true: ","}[i > 0], u)
		floats = binary.LittleEndian.AppendUint32(floats, math.Float32bits((float32(u)+0.5)/256))
	}
	for n := range 3 {
		fmt.Fprintf(&nested, "%s[[%s]]", map[bool]string{true: ","}[n > 0], strings.Join(strings.Split(flat.String(), ",")[n*144:][:144], " , "))
	}
	header := func(kind, more string) string {
		return fmt.Sprintf(`{"id":"7","inputs":[{"name":"image","datatype":%q,"shape":[3,12,12,1],%s}]}`, kind, more)
	}
	binaryHeader := strings.TrimSuffix(header("FP32", fmt.Sprintf(`"parameters":{"binary_data_size":%d}`, len(floats))), "}") + `,"parameters":{"binary_data_output":true}}`
	for what, c := range map[string]struct {
		body    string
		headers []string
	}{
		"flat":   {header("UINT8", `"data":[`+flat.String()+"]"), nil},
		"nested": {header("UINT8", `"data":[`+nested.String()+"]"), nil},
		"binary": {binaryHeader + string(floats), []string{"Inference-Header-Content-Length", fmt.Sprint(len(binaryHeader))}},
	} {
		code, text, headers := ask(t, "POST", h.URL+"/v2/models/digits/infer", "application/json", []byte(c.body), c.headers...)
		if code != 200 {
			t.Fatalf("%s: status %d, %s", what, code, text)
		}
		var tail []byte
		if n := headers.Get("Inference-Header-Content-Length"); n != "" {
			var length int
			fmt.Sscan(n, &length)
			text, tail = text[:length], []byte(text[length:])
		}
		var answer struct {
			ID      string
			Outputs []struct {
				Name string
				Data []float64
			}
		}
		if err := json.Unmarshal([]byte(text), &answer); err != nil {
			t.Fatal(err)
		}
		got := answer.Outputs[0].Data
		for i := 0; i < 3 && tail != nil; i++ {
			got = append(got, math.Float64frombits(binary.LittleEndian.Uint64(tail[8*i:])))
		}
		if !slices.Equal(got, energies) || answer.ID != "7" || answer.Outputs[1].Name != "p_value" || (tail != nil && len(tail) != 48) {
			t.Errorf("%s: energies %v, want %v; %s", what, got, energies, text)
		}
	}
}

func TestSampling(t *testing.T) {
	h, _, m := start(t, nil)
	code, text, _ := ask(t, "POST", h.URL+"/v1/models/digits/sample?images=4&seed=3", "", nil)
	img, err := png.Decode(strings.NewReader(text))
	if code != 200 || err != nil {
		t.Fatalf("status %d, %v", code, err)
	}
	samples, err := m.Sample(t.Context(), &cpu.Engine{Threads: 1}, model.Sampling{Images: 4, Seed: 3})
	if err != nil {
		t.Fatal(err)
	}
	want, err := grid.Grid(samples, 4, side, side, 1, 2, 1)
	if err != nil {
		t.Fatal(err)
	}
	for y := range want.Bounds().Dy() {
		for x := range want.Bounds().Dx() {
			if color.GrayModel.Convert(img.At(x, y)) != color.GrayModel.Convert(want.At(x, y)) {
				t.Fatalf("pixel %d,%d is %v, want %v", x, y, img.At(x, y), want.At(x, y))
			}
		}
	}
	code, text, headers := ask(t, "POST", h.URL+"/v1/models/classes/sample/stream?images=2&label=on&every=2", "", nil)
	if code != 200 || headers.Get("Content-Type") != "text/event-stream" {
		t.Errorf("status %d, %v", code, headers)
	}
	if frames := strings.Count(text, "event: frame"); frames < 4 || !strings.Contains(text, `"step":9,"steps":9`) || !strings.HasSuffix(text, "event: done\ndata: {\"images\":2}\n\n") {
		t.Errorf("%d frames: %.300s", frames, text)
	}
	if _, text, _ = ask(t, "POST", h.URL+"/v1/models/classes/sample/stream?label=maybe", "", nil); !strings.Contains(text, "event: problem") {
		t.Errorf("a class that there is not: %s", text)
	}
}

// Who has no token, comes from another page, or by another name, gets nothing.
func TestGuard(t *testing.T) {
	h, _, _ := start(t, nil)
	if code, _, _ := ask(t, "GET", h.URL+"/v1/models", "", nil, "Host", "evil.example"); code != 403 {
		t.Errorf("another host: status %d", code)
	}
	for _, host := range []string{"localhost:1", "[::1]:8080", "127.0.0.1"} {
		if code, _, _ := ask(t, "GET", h.URL+"/v1/models", "", nil, "Host", host); code != 200 {
			t.Errorf("%s: status %d", host, code)
		}
	}
	if code, _, _ := ask(t, "POST", h.URL+"/v1/models/digits/score", "image/png", picture(pixels(1, 1)), "Origin", "http://evil.example", "Sec-Fetch-Site", "cross-site"); code != 403 {
		t.Errorf("another origin: status %d", code)
	}
	h, s, _ := start(t, func(o *serve.Options) { o.Token = "0123456789abcdef" })
	for token, want := range map[string]int{"": 401, "Bearer": 401, "Bearer 0123456789abcde": 401, "Basic 0123456789abcdef": 401, "Bearer 0123456789abcdef": 200} {
		for _, path := range []string{"/v1/models", "/metrics", "/openapi.json", "/v2/models/digits"} {
			if code, _, _ := ask(t, "GET", h.URL+path, "", nil, "Authorization", token, "Host", "my.example"); code != want {
				t.Errorf("%s with %q: status %d, want %d", path, token, code, want)
			}
		}
	}
	if code, _, _ := ask(t, "GET", h.URL+"/v2/health/ready", "", nil); code != 200 {
		t.Errorf("health needs a token: status %d", code)
	}
	_ = s
	open, _ := net.Listen("tcp", "0.0.0.0:0")
	_, without, _ := start(t, nil)
	if err := without.Serve(t.Context(), open); err == nil || !strings.Contains(err.Error(), "token") {
		t.Errorf("listening to everybody without a token: %v", err)
	}
}

// Models change under load, and every request is answered, by the old one or the new.
func TestReloadUnderLoad(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "m.safetensors")
	old := save(t, path, 1, true)
	s, err := serve.New(serve.Options{Models: []serve.Source{{Name: "m", Path: path}}, Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	h := httptest.NewServer(s.Handler())
	defer h.Close()
	defer s.Close()
	next := save(t, filepath.Join(dir, "next.safetensors"), 2, true)
	p := pixels(8, 1)
	energyOf := func(m *model.Model) float32 {
		e, err := m.Energies(t.Context(), &cpu.Engine{Threads: 1}, p, model.AnyLabel)
		if err != nil {
			t.Fatal(err)
		}
		return float32(e[0])
	}
	before, after, body := energyOf(old), energyOf(next), picture(p)
	var stop atomic.Bool
	var answered, changed atomic.Int64
	var clients sync.WaitGroup
	for range 8 {
		clients.Go(func() {
			for !stop.Load() {
				answer, err := http.Post(h.URL+"/v1/models/m/score", "image/png", bytes.NewReader(body))
				if err != nil {
					t.Error(err)
					return
				}
				var got scored
				err = json.NewDecoder(answer.Body).Decode(&got)
				answer.Body.Close()
				switch {
				case err != nil || answer.StatusCode != 200:
					t.Errorf("status %d, %v %s", answer.StatusCode, err, got.Error)
					return
				case got.Images[0].Energy == after:
					changed.Add(1)
				case got.Images[0].Energy != before:
					t.Errorf("an energy of %v, want %v or %v", got.Images[0].Energy, before, after)
				}
				answered.Add(1)
			}
		})
	}
	for i := range 6 {
		save(t, path, uint64(2-i%2), true)
		if err := s.Reload(); err != nil {
			t.Error(err)
		}
	}
	// What cannot be read changes nothing.
	writeFile(t, path, "no model")
	if err := s.Reload(); err == nil || !strings.Contains(err.Error(), "stays as it was") {
		t.Errorf("reloading what is no model: %v", err)
	}
	stop.Store(true)
	clients.Wait()
	if answered.Load() == 0 || changed.Load() == 0 {
		t.Errorf("%d answers, %d of the new model", answered.Load(), changed.Load())
	}
	_, text, _ := ask(t, "GET", h.URL+"/metrics", "", nil)
	for _, want := range []string{`joule_reloads_total{model="m",result="done"} 6`, `joule_reloads_total{model="m",result="failed"} 1`, `joule_drift_ratio{model="m"}`,
		`joule_requests_total{code="200",route="POST /v1/models/{model}/score"}`, `joule_batch_images_sum{model="m"}`} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s in the metrics", want)
		}
	}
}

// The alarm of drift, and what it rests on, lasts until the model is read again; a model that is not calibrated then has none.
func TestDriftAlarmEnds(t *testing.T) {
	path := filepath.Join(t.TempDir(), "m.safetensors")
	save(t, path, 1, true)
	h, s := serving(t, serve.Options{Models: []serve.Source{{Name: "m", Path: path}}, Threads: 1})
	drift := func() (lines []string) {
		_, text, _ := ask(t, "GET", h.URL+"/metrics", "", nil)
		for line := range strings.Lines(text) {
			if strings.HasPrefix(line, "joule_drift_") {
				lines = append(lines, strings.TrimSpace(line))
			}
		}
		return lines
	}
	none := []string{`joule_drift_alarm{model="m"} 0`, `joule_drift_ratio{model="m"} 0`, `joule_drift_uniformity_p{model="m"} 1`}
	if got := drift(); !slices.Equal(got, none) {
		t.Errorf("before the first image: %q", got)
	}
	const black = 1000 // images
	tensor := fmt.Sprintf(`{"inputs":[{"name":"image","shape":[%d,12,12,1],"datatype":"UINT8","data":[0%s]}]}`, black, strings.Repeat(",0", black*side*side-1))
	if code, text, _ := ask(t, "POST", h.URL+"/v2/models/m/infer", "application/json", []byte(tensor)); code != 200 {
		t.Fatalf("status %d, %s", code, text)
	}
	if got := drift(); !slices.Contains(got, `joule_drift_alarm{model="m"} 1`) {
		t.Fatalf("after %d black images: %q", black, got)
	}
	if err := s.Reload(); err != nil {
		t.Fatal(err)
	}
	if got := drift(); !slices.Equal(got, none) {
		t.Errorf("read again: %q", got)
	}
	save(t, path, 1, false)
	if err := s.Reload(); err != nil {
		t.Fatal(err)
	}
	if got := drift(); got != nil {
		t.Errorf("read again without a calibration: %q", got)
	}
}

// Clients that send slowly, go away or ask for too much harm nobody else; those at work when the server stops are answered.
func TestSlowAndVanishingClients(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "m.safetensors")
	save(t, path, 1, true)
	s, err := serve.New(serve.Options{Models: []serve.Source{{Name: "m", Path: path}}, Threads: 2,
		Limits: serve.Limits{Requests: 2, Time: time.Second, Grace: 5 * time.Second}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx, l) }()
	url, body := "http://"+l.Addr().String(), picture(pixels(8, 1))
	var slow []net.Conn
	for i := range 20 {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		fmt.Fprintf(c, "POST /v1/models/m/score HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\nContent-Length: %d\r\n\r\n", len(body))
		switch i % 3 {
		case 0: // sends nothing more
			slow = append(slow, c)
		case 1: // goes away in the middle
			_, _ = c.Write(body[:10])
			c.Close()
		case 2: // goes away before the answer
			_, _ = c.Write(body)
			c.Close()
		}
	}
	deadline := time.Now().Add(30 * time.Second)
	for { // those that have gone may still have the two places for a moment
		code, text, headers := ask(t, "POST", url+"/v1/models/m/score", "image/png", body)
		if code == 200 {
			break
		}
		if code != 503 || headers.Get("Retry-After") == "" || time.Now().After(deadline) {
			t.Fatalf("beside slow clients: status %d, %s", code, text)
		}
	}
	for _, c := range slow { // is cut off
		_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
		if _, err := io.ReadAll(c); err != nil {
			t.Errorf("a slow client is not cut off: %v", err)
		}
	}
	cancel()
	if err := <-served; err != nil {
		t.Error(err)
	}
	if _, err := http.Get(url + "/v2/health/live"); err == nil {
		t.Error("the server still answers")
	}
}

func TestPagesAndReference(t *testing.T) {
	h, _, _ := start(t, nil)
	for path, want := range map[string]string{"/": "<html", "/page.js": "score", "/page.css": "{", "/reference": "/v1/models/{model}/score", "/openapi.json": `"/v2/models/{model}/infer"`} {
		if code, text, _ := ask(t, "GET", h.URL+path, "", nil); code != 200 || !strings.Contains(text, want) {
			t.Errorf("%s: status %d, %.100s", path, code, text)
		}
	}
	if code, text, _ := ask(t, "GET", h.URL+"/gone", "", nil); code != 404 || !strings.HasPrefix(text, `{"error":"`) {
		t.Errorf("status %d of what there is not, %s", code, text)
	}
	if code, text, header := ask(t, "GET", h.URL+"/v1/models/digits/score", "", nil); code != 405 || header.Get("Allow") != "POST" || !strings.HasPrefix(text, `{"error":"`) {
		t.Errorf("status %d of another method, %s, %v", code, text, header)
	}
}

func TestNewRefuses(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "m.safetensors")
	save(t, path, 1, false)
	for what, c := range map[string]struct {
		o    serve.Options
		want string
	}{
		"no models":     {serve.Options{}, "no models"},
		"a name":        {serve.Options{Models: []serve.Source{{Name: "a/b", Path: path}}}, "no name"},
		"twice a name":  {serve.Options{Models: []serve.Source{{Name: "a", Path: path}, {Name: "a", Path: path}}}, "two models"},
		"no file":       {serve.Options{Models: []serve.Source{{Name: "a", Path: path + "x"}}}, "no such run"},
		"a detector":    {serve.Options{Models: []serve.Source{{Name: "a", Path: path}}, Detector: "x"}, "no detector"},
		"no calibrated": {serve.Options{Models: []serve.Source{{Name: "a", Path: path}}, Detector: "combined"}, "not calibrated"},
	} {
		if _, err := serve.New(c.o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", what, err, c.want)
		}
	}
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
}
