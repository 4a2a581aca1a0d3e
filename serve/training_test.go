package serve_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/joule-ebm/joule/serve"
)

// newRun is a run directory with a model and so many iterations.
func newRun(t *testing.T, iterations int) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "digits")
	if err := os.MkdirAll(filepath.Join(dir, "samples"), 0o777); err != nil {
		t.Fatal(err)
	}
	save(t, filepath.Join(dir, "model.safetensors"), 1, true)
	writeFile(t, filepath.Join(dir, "config.yaml"), "limits:\n  iterations: 9000\n")
	makeIterations(t, dir, 1, iterations)
	writeFile(t, filepath.Join(dir, "samples", "000010.png"), string(picture(pixels(1, 1))))
	return dir
}

// makeIterations adds lines to the metrics.
func makeIterations(t *testing.T, dir string, first, last int) {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(dir, "metrics.jsonl"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o666)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for i := first; i <= last; i++ {
		norm := fmt.Sprint(i)
		if i == 2 {
			norm = `"NaN"`
		}
		fmt.Fprintf(f, `{"iteration":%d,"loss_total":%d,"energy_data":1.5,"energy_samples":-2.5,"gradient_norm":%s}`+"\n", i, 2*i, norm)
	}
}

// A training is followed: what there is, thinned, what comes, and the beginning again where a resumed run has cut its file.
func TestTraining(t *testing.T) {
	dir := newRun(t, 1000)
	s, err := serve.New(serve.Options{Models: []serve.Source{{Name: "digits", Path: dir}}, Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	h := httptest.NewServer(s.Handler())
	defer h.Close()
	if _, text, _ := ask(t, "GET", h.URL+"/v1/models", "", nil); !strings.Contains(text, `"training":true`) {
		t.Errorf("the run is none: %s", text)
	}
	answer, err := http.Get(h.URL + "/v1/models/digits/training")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	lines := bufio.NewScanner(answer.Body)
	lines.Buffer(nil, 1<<20)
	type body struct {
		Iteration, Iterations int
		At                    []int
		Values                map[string][]*float32
		PNG                   []byte
	}
	next := func(event string) (b body) {
		t.Helper()
		for lines.Scan() {
			if name, ok := strings.CutPrefix(lines.Text(), "event: "); ok {
				if name != event || !lines.Scan() {
					t.Fatalf("%s, want %s", lines.Text(), event)
				}
				if err := json.Unmarshal([]byte(strings.TrimPrefix(lines.Text(), "data: ")), &b); err != nil {
					t.Fatal(err)
				}
				return b
			}
		}
		t.Fatal(lines.Err())
		return b
	}
	b := next("curves")
	last := len(b.At) - 1
	if b.Iteration != 1000 || b.Iterations != 9000 || last < 100 || last >= 400 || b.At[last] != 1000 || len(b.Values["loss_total"]) != last+1 {
		t.Errorf("%d points, to iteration %d of %d", last+1, b.Iteration, b.Iterations)
	}
	// Points of four: the first is the mean of iterations 1 to 4, of which one has no gradient norm.
	if v := b.Values["loss_total"][0]; b.At[0] != 4 || v == nil || *v != 5 || b.Values["gradient_norm"][0] != nil || *b.Values["gradient_norm"][1] != 6.5 {
		t.Errorf("the first point is at %d: %v", b.At[0], v)
	}
	if p := next("samples"); p.Iteration != 10 || len(p.PNG) == 0 {
		t.Errorf("samples after %d", p.Iteration)
	}
	makeIterations(t, dir, 1001, 1003)
	if b := next("curves"); b.Iteration != 1003 {
		t.Errorf("iteration %d, want 1003", b.Iteration)
	}
	if err := os.Remove(filepath.Join(dir, "metrics.jsonl")); err != nil {
		t.Fatal(err)
	}
	makeIterations(t, dir, 1, 3)
	if b := next("curves"); b.Iteration != 3 || len(b.At) != 3 {
		t.Errorf("iteration %d and %d points, want 3", b.Iteration, len(b.At))
	}
	h2, _, _ := start(t, nil)
	for path, want := range map[string]string{"digits": "a file of its own", "cats": "no model"} {
		if _, text, _ := ask(t, "GET", h2.URL+"/v1/models/"+path+"/training", "", nil); !strings.Contains(text, "event: problem") || !strings.Contains(text, want) {
			t.Errorf("%s: %s", path, text)
		}
	}
}
