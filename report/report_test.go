package report_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/joule-ebm/joule/detect/benchmark"
	"github.com/joule-ebm/joule/engine/rng"
	"github.com/joule-ebm/joule/internal/metrics"
	"github.com/joule-ebm/joule/internal/picture"
	"github.com/joule-ebm/joule/report"
	"github.com/joule-ebm/joule/run"
)

// newRun writes a run directory as training leaves it, with so many iterations.
func newRun(t *testing.T, iterations int) string {
	t.Helper()
	dir := t.TempDir()
	c, err := run.PresetConfig(run.DefaultPreset)
	if err != nil {
		t.Fatal(err)
	}
	text, err := c.Text()
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "config.yaml"), []byte(text))
	log, err := metrics.Open(filepath.Join(dir, "metrics.jsonl"), 0)
	if err != nil {
		t.Fatal(err)
	}
	s := rng.New(1)
	for i := 1; i <= iterations; i++ {
		near := func(v, spread float64) float64 { return v + spread*float64(s.Normal()) }
		r := metrics.Record{Iteration: i, Fields: []metrics.Field{
			{Name: "loss_total", Value: near(-0.6, 0.1)}, {Name: "loss_cd", Value: near(0, 0.01)}, {Name: "loss_ent", Value: -2},
			{Name: "energy_data", Value: near(0, 0.01)}, {Name: "energy_spread_data", Value: 0.01}, {Name: "energy_samples", Value: near(0, 0.01)},
			{Name: "energy_gap", Value: near(0, 0.01)}, {Name: "gradient_norm", Value: math.Exp(near(-2, 1))}, {Name: "chain_moved", Value: near(0.2, 0.02)},
			{Name: "chain_acceptance", Value: 1}, {Name: "update_learning_rate", Value: 0.001}, {Name: "time_seconds", Value: near(2, 0.1)}}}
		if i%10 == 0 {
			r.Fields = append(r.Fields, metrics.Field{Name: "held_out_energy", Value: near(0, 0.01)}, metrics.Field{Name: "held_out_spread", Value: 0.02})
			write(t, filepath.Join(dir, "samples", fmt.Sprintf("%06d.png", i)), grid(t, uint64(i)))
		}
		if err := log.Append(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "samples.png"), grid(t, 0))
	return dir
}

func write(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o777), os.WriteFile(path, content, 0o666)); err != nil {
		t.Fatal(err)
	}
}

// grid is a picture of some noise.
func grid(t *testing.T, seed uint64) []byte {
	t.Helper()
	s, pixels := rng.New(seed), make([]uint8, 16*8*8)
	for i := range pixels {
		pixels[i] = uint8(s.Uint32())
	}
	img, err := picture.Grid(pixels, 16, 8, 8, 1, 4, 4)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := picture.EncodePNG(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func read(t *testing.T, dir string) *report.Report {
	t.Helper()
	r, err := report.Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func page(t *testing.T, r *report.Report) string {
	t.Helper()
	var b strings.Builder
	if err := r.Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// whole is a report with everything in it, and names that mean something to HTML.
func whole(t *testing.T) *report.Report {
	t.Helper()
	r := read(t, newRun(t, 300))
	r.Name, r.Program = `a "run" & <script>alert(1)</script>`, "joule v0"
	r.Facts = []report.Fact{{Name: "Iterations", Value: "300", About: "all"}, {Name: "Trained on", Value: strings.Repeat("long", 40)}}
	s := rng.New(2)
	normals := func(n int, mean float64) []float64 {
		v := make([]float64, n)
		for i := range v {
			v[i] = mean + float64(s.Normal())
		}
		return v
	}
	d := &benchmark.Result{In: benchmark.Scores{Name: "mnist:test", Values: normals(300, 0)}}
	for i, name := range []string{"noise", "<img src=x>", "c", "d", "e", "f", "g", strings.Repeat("long-name", 20)} {
		out := benchmark.Scores{Name: name, Values: normals(200, float64(i))}
		detection, err := benchmark.Detect(d.In.Values, out.Values)
		if err != nil {
			t.Fatal(err)
		}
		d.Out = append(d.Out, out)
		d.Comparisons = append(d.Comparisons, benchmark.Comparison{In: d.In.Name, Out: name, Detection: detection, Intervals: &benchmark.Intervals{Level: 0.95}})
	}
	r.Detection = d
	r.Chains = &report.Chains{Picture: report.Picture{Caption: "chains", PNG: grid(t, 5), Width: 100, Height: 50}, PictureSteps: []int{0, 1, 4},
		InDistribution: d.In.Values}
	for step := range 5 {
		r.Chains.Steps, r.Chains.Energy = append(r.Chains.Steps, step), append(r.Chains.Energy, normals(3, 10/float64(1+step)))
	}
	r.Calibration = &report.Calibration{Data: "mnist", Images: 1000, In: "mnist:test"}
	for range 500 {
		r.Calibration.PValues = append(r.Calibration.PValues, float64(s.Float32()))
	}
	return r
}

var sections = []string{"samples", "detection", "calibration", "chains", "curves", "timings", "configuration"}

func TestPage(t *testing.T) {
	text := page(t, whole(t))
	for _, id := range sections {
		if strings.Count(text, `id="`+id+`"`) != 1 || !strings.Contains(text, `href="#`+id+`"`) {
			t.Errorf("no section %s, or no way to it", id)
		}
	}
	for _, title := range []string{"Loss", "Energies", "Gap", "Images held out", "Gradient norms", "Chain movement", "Time of an iteration",
		"ROC curves", "False alarms", "Energies of chains", "Energies: noise"} {
		if !strings.Contains(text, "<h3>"+title+"</h3>") {
			t.Errorf("no chart %q", title)
		}
	}
	for _, not := range []string{"<h3>Acceptance</h3>", "<h3>Learning rate</h3>", "What is missing", "<script", "<img src=x>", "ZgotmplZ", "NaN"} {
		if strings.Contains(text, not) {
			t.Errorf("the page has %q", not)
		}
	}
	if !strings.Contains(text, "&lt;script&gt;") {
		t.Error("the name of the run is not there")
	}
	if page(t, whole(t)) != text {
		t.Error("one report, two pages")
	}

	// Well-formed, as far as HTML is XML.
	decoder := xml.NewDecoder(strings.NewReader(text))
	decoder.Strict, decoder.AutoClose, decoder.Entity = false, xml.HTMLAutoClose, xml.HTMLEntity
	pictures := 0
	for {
		token, err := decoder.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		start, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		attributes := map[string]string{}
		for _, a := range start.Attr {
			attributes[a.Name.Local] = a.Value
			switch name := a.Name.Local; {
			case strings.HasPrefix(name, "on"), name == "style":
				t.Errorf("<%s> has %s, which the policy forbids", start.Name.Local, name)
			case (name == "src" || name == "href") && !strings.HasPrefix(a.Value, "data:") && !strings.HasPrefix(a.Value, "#"):
				t.Errorf("<%s %s=%.60q> leads out of the page", start.Name.Local, name, a.Value)
			}
		}
		switch start.Name.Local {
		case "img":
			pictures++
			if attributes["alt"] == "" || attributes["width"] == "" {
				t.Errorf("an img with alt %q, width %q", attributes["alt"], attributes["width"])
			}
		case "svg":
			if attributes["aria-hidden"] == "" && (attributes["role"] != "img" || len(attributes["aria-label"]) < 20) {
				t.Errorf("a drawing without words: %v", attributes)
			}
		}
	}
	if pictures != 1+8+1 { // the last samples, those of the buffer, the chains
		t.Errorf("%d pictures", pictures)
	}
}

// The policy allows exactly the style sheet that is there.
func TestPolicy(t *testing.T) {
	text := page(t, whole(t))
	style := regexp.MustCompile(`(?s)<style>(.*)</style>`).FindStringSubmatch(text)
	if style == nil {
		t.Fatal("no style sheet")
	}
	sum := sha256.Sum256([]byte(style[1]))
	want := "style-src &#39;sha256-" + strings.ReplaceAll(base64.StdEncoding.EncodeToString(sum[:]), "+", "&#43;") + "&#39;"
	if !strings.Contains(text, want) || !strings.Contains(text, "default-src &#39;none&#39;") {
		t.Errorf("the policy lacks %q", want)
	}
	for _, outside := range []string{"url(", "@import", "http"} {
		if strings.Contains(style[1], outside) {
			t.Errorf("the style sheet has %s", outside)
		}
	}
}

// Whatever is missing or damaged, there is a page of the rest, which says so.
func TestIncompleteRuns(t *testing.T) {
	for _, test := range []struct {
		name    string
		damage  func(dir string)
		missing string
		left    []string
	}{
		{"no numbers", func(dir string) { os.Remove(filepath.Join(dir, "metrics.jsonl")) }, "metrics.jsonl: no such file", []string{"samples", "configuration"}},
		{"empty numbers", func(dir string) { write(t, filepath.Join(dir, "metrics.jsonl"), nil) }, "no numbers of iterations yet", []string{"samples"}},
		{"damaged numbers", func(dir string) {
			path := filepath.Join(dir, "metrics.jsonl")
			text, _ := os.ReadFile(path)
			write(t, path, append(text[:len(text)/2], "\n\x00\n"...))
		}, "metrics.jsonl: line ", []string{"curves", "timings"}},
		{"numbers cut short", func(dir string) {
			path := filepath.Join(dir, "metrics.jsonl")
			text, _ := os.ReadFile(path)
			write(t, path, text[:len(text)-7])
		}, "", []string{"curves"}},
		{"damaged picture", func(dir string) {
			path := filepath.Join(dir, "samples", "000010.png")
			text, _ := os.ReadFile(path)
			write(t, path, text[:len(text)/2])
		}, "000010.png is damaged", []string{"samples", "curves"}},
		{"no pictures", func(dir string) {
			os.RemoveAll(filepath.Join(dir, "samples"))
			os.Remove(filepath.Join(dir, "samples.png"))
		}, "no samples from noise", []string{"curves"}},
		{"other files", func(dir string) { write(t, filepath.Join(dir, "samples", "cat.png"), []byte("meow")) }, "", sections[:1]},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := newRun(t, 40)
			test.damage(dir)
			text := page(t, read(t, dir))
			if said := strings.Contains(text, `id="missing"`); said != (test.missing != "") || !strings.Contains(text, test.missing) {
				t.Errorf("want %q among what is missing:\n%.3000s", test.missing, text[strings.Index(text, "<main>"):])
			}
			if strings.Contains(text, filepath.Dir(dir)) {
				t.Error("the page has a path of this machine")
			}
			for _, id := range test.left {
				if !strings.Contains(text, `id="`+id+`"`) {
					t.Errorf("no section %s", id)
				}
			}
		})
	}
	for name, dir := range map[string]string{"nothing": t.TempDir(), "missing": filepath.Join(t.TempDir(), "missing")} {
		if _, err := report.Read(dir); err == nil || !strings.Contains(err.Error(), "holds no run") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: error %v", name, err)
		}
	}
	if text := page(t, &report.Report{Name: "empty"}); !strings.Contains(text, "<h1>empty</h1>") {
		t.Errorf("got %s", text)
	}
}

// Curves with whatever numbers can be drawn, inside the drawing.
func TestCurvesOfAnyNumbers(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	coordinates := regexp.MustCompile(`[A-Za-z ](-?[0-9.e+-]+) (-?[0-9.]+)`)
	for name, values := range map[string][]float64{
		"gaps": {1, nan, 2, 3, inf, -inf, 4}, "one": {5}, "constant": {7, 7, 7}, "zeros": {0, 0}, "huge": {1e99, -1e99, 0}, "tiny": {1e-300, 2e-300},
		"nothing to draw": {nan, inf}, "diverging": {1, 2, 1e10, 1e38},
		"long": append(make([]float64, 1000), 1e6, nan), "negative": {-1, -2},
	} {
		r := &report.Report{Name: name}
		for i, v := range values {
			r.Records = append(r.Records, metrics.Record{Iteration: i + 1, Fields: []metrics.Field{{Name: "loss_total", Value: v},
				{Name: "gradient_norm", Value: v}, {Name: "energy_data", Value: v}, {Name: "energy_spread_data", Value: v}, {Name: "time_seconds", Value: v}}})
		}
		text := page(t, r)
		drawn := strings.Contains(text, `class="line c0"`)
		if drawn == (name == "nothing to draw") {
			t.Errorf("%s: drawn: %v", name, drawn)
		}
		for _, path := range regexp.MustCompile(` d="([^"]*)"`).FindAllStringSubmatch(text, -1) {
			if strings.ContainsAny(path[1], "NIe") && !strings.HasPrefix(path[1], "M1 5") {
				t.Errorf("%s: a path %.80s", name, path[1])
			}
			for _, at := range coordinates.FindAllStringSubmatch(path[1], -1) {
				x, errX := strconv.ParseFloat(at[1], 64)
				y, errY := strconv.ParseFloat(at[2], 64)
				if errX != nil || errY != nil || x < 0 || x > 360 || y < 0 || y > 330 {
					t.Fatalf("%s: drawn at %s of %.200s", name, at[0], path[1])
				}
			}
		}
	}
}

// Colours of words and curves stand out from what is behind them: contrast (W3C, WCAG 2.2, 1.4.3 and 1.4.11) of 4.5 and 3 at least.
func TestContrast(t *testing.T) {
	css, err := os.ReadFile("style.css")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile(`(?s):root \{(.*?)\}`).FindAllStringSubmatch(string(css), -1)
	if len(blocks) != 3 {
		t.Fatalf("%d sets of colours, want light, dark and paper", len(blocks))
	}
	luminance := func(hex string) float64 {
		if len(hex) == 3 {
			hex = string([]byte{hex[0], hex[0], hex[1], hex[1], hex[2], hex[2]})
		}
		v, err := strconv.ParseUint(hex, 16, 32)
		if err != nil || len(hex) != 6 {
			t.Fatalf("colour %s: %v", hex, err)
		}
		linear := func(u uint64) float64 {
			if c := float64(u&255) / 255; c > 0.04045 {
				return math.Pow((c+0.055)/1.055, 2.4)
			} else {
				return c / 12.92
			}
		}
		return 0.2126*linear(v>>16) + 0.7152*linear(v>>8) + 0.0722*linear(v)
	}
	for _, block := range blocks {
		light := map[string]float64{}
		for _, c := range regexp.MustCompile(`--(\w+): #([0-9a-f]+);`).FindAllStringSubmatch(block[1], -1) {
			light[c[1]] = luminance(c[2])
		}
		check := func(front, back string, least float64) {
			a, b := max(light[front], light[back]), min(light[front], light[back])
			if contrast := (a + 0.05) / (b + 0.05); contrast < least {
				t.Errorf("%s on %s: contrast %.2f, want %v", front, back, contrast, least)
			}
		}
		for _, back := range []string{"page", "card"} {
			check("text", back, 7)
			check("soft", back, 4.5)
			check("accent", back, 4.5)
			for c := range 6 {
				check("c"+strconv.Itoa(c), back, 3)
			}
		}
		check("text", "warn", 4.5)
	}
}
