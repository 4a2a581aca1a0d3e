//go:build xla

package xla

// This file holds the engine, on the plugin that JOULE_PJRT_PLUGIN names, to package enginetest and to the recorded cases. XLA's CPU
// plugin will do: docs/accelerators.md says where it is had.

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/expr"
	"github.com/joule-ebm/joule/internal/conform"
	"github.com/joule-ebm/joule/internal/enginetest"
)

// quick has XLA's CPU plugin leave out what LLVM could make of a program: compiling takes half the time, and this engine's text is what it
// is. Operations, the recorded cases in float32 and a training are compiled as users' programs are.
var quick = map[string]any{"xla_backend_optimization_level": 0}

// plugin starts the plugin on so many devices, compiling quickly; the test is skipped if there is none.
func plugin(t testing.TB, devices int) *Engine {
	t.Helper()
	path := os.Getenv("JOULE_PJRT_PLUGIN")
	if path == "" {
		t.Skip("JOULE_PJRT_PLUGIN names no PJRT plugin to test with")
	}
	e, err := start(path, map[string]int64{"cpu_device_count": int64(devices)})
	if err != nil && devices == 1 { // a plugin that does not know the option
		e, err = start(path, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	e.Devices = devices
	if e.client.Platform == "cpu" {
		e.flags = quick
	}
	if dir, err := os.UserCacheDir(); err == nil { // so that only what has changed is compiled
		e.Cache = filepath.Join(dir, "joule", "xla-tests")
	}
	return e
}

func TestContract(t *testing.T) { enginetest.Contract(t, plugin(t, 1), 1e-5) }

// TestDevices: a batch that several devices share gives what one gives, whether it is divided evenly or not.
func TestDevices(t *testing.T) {
	e := plugin(t, 3)
	enginetest.Contract(t, e, 1e-5)
	for seed := range uint64(2) {
		enginetest.RandomProgram(t.Context(), t, seed, map[string]engine.Engine{"three devices": e})
	}
}

// TestOperations computes each operation as the reference does. Those on leaves of equal shapes make one program: compiling is what
// takes the time.
func TestOperations(t *testing.T) {
	const batch, tolerance, atATime = 3, 5e-6, 60
	e := plugin(t, 1)
	e.flags = nil
	worst, list := map[expr.Op]float64{}, enginetest.Operations()
	var group []enginetest.Operation
	shapes := map[string]expr.Shape{}
	run := func(seed uint64) {
		outputs := make([]*expr.Value, len(group))
		for i, o := range group {
			outputs[i] = o.Value
		}
		n := enginetest.Random(seed, batch, outputs...)
		want := enginetest.Reference(t, batch, n.Wide(), outputs...)
		for i, got := range enginetest.Compute(t, e, batch, n, outputs...) {
			d := enginetest.Distance(got, want[i]) / max(enginetest.Largest(want[i]), 1e-30)
			if op := outputs[i].Op(); !(d <= worst[op]) {
				worst[op] = d
			}
			if !(d <= tolerance) {
				t.Errorf("%s: off by %.2g of the largest number", group[i].Name, d)
			}
		}
		group = nil
		clear(shapes)
	}
	for i, o := range list {
		fits := len(group) < atATime
		for _, v := range expr.Order(o.Value) {
			if name := v.Attr().Name; name != "" {
				key := name + v.Op().String()
				s, known := shapes[name]
				_, other := shapes[key]
				fits = fits && (!known || s == v.Shape() && other)
			}
		}
		if !fits {
			run(uint64(i))
		}
		for _, v := range expr.Order(o.Value) {
			if name := v.Attr().Name; name != "" {
				shapes[name], shapes[name+v.Op().String()] = v.Shape(), v.Shape()
			}
		}
		group = append(group, o)
	}
	run(uint64(len(list)))
	for op := expr.OpInvalid; op.String() != "unknown"; op++ {
		if d, ok := worst[op]; ok {
			t.Logf("%-12v %.1e", op, d)
		}
	}
	t.Logf("%d operations", len(list))
}

// TestPrecision: factors are rounded as the precision says.
func TestPrecision(t *testing.T) {
	for _, p := range []engine.Precision{engine.Split, engine.TF32, engine.BF16} {
		rounded := plugin(t, 1)
		rounded.Precision = p
		enginetest.Precision(t, plugin(t, 1), rounded, p)
	}
}

// TestStep: a step of a chain has no loop of its own, and rounds what varies and nothing else: the factors of kernels are made once. On a GPU
// each would be more kernels to start in every step. And a plugin may take fewer bits of factors where it is told so, and nowhere else.
func TestStep(t *testing.T) {
	next, energy := enginetest.Langevin()
	kernel := regexp.MustCompile(`%\w+ = stablehlo\.(convert|reduce_precision) .*tensor<9x\d+x\d+x\w+>`)
	convolution := regexp.MustCompile(`stablehlo\.convolution.*<precision (\w+)>.* -> tensor<\w+x(\w+)>`)
	for p, want := range map[engine.Precision]struct {
		rounded           bool
		precision, result string
	}{
		"":             {false, "HIGHEST", "f32"}, // which keeps all bits of float32 factors, where DEFAULT lets a GPU take its matrix units
		engine.Auto:    {false, "HIGHEST", "f32"},
		engine.Float32: {false, "HIGHEST", "f32"},
		engine.Split:   {true, "DEFAULT", "f32"},
		engine.TF32:    {true, "HIGHEST", "f32"}, // as plugins without TF32 have it
		engine.BF16:    {true, "DEFAULT", "bf16"},
	} {
		e := plugin(t, 1)
		e.Precision = p
		var text string
		e.Compiled = func(c Compilation) { text = c.Text }
		n := enginetest.Random(1, 2, next)
		enginetest.Run(t, enginetest.Compile(t, e, n, next, energy), 2, n, engine.Chain{Steps: 2, Feedback: map[string]int{"x": 0}, Seed: 5}, next, energy)
		before, step, ok := strings.Cut(text, "stablehlo.while")
		if !ok || strings.Contains(step, "stablehlo.while") {
			t.Errorf("%q: %d loops, want one", p, strings.Count(text, "stablehlo.while"))
		}
		if again := kernel.FindString(step); again != "" {
			t.Errorf("%q: a kernel is rounded in each step: %s", p, again)
		}
		if made := kernel.MatchString(before); made != want.rounded {
			t.Errorf("%q: kernels are rounded before the loop: %v", p, made)
		}
		for _, c := range convolution.FindAllStringSubmatch(step, -1) {
			if c[1] != want.precision || c[2] != want.result {
				t.Errorf("%q: a convolution of precision %s that gives %s, want %s and %s", p, c[1], c[2], want.precision, want.result)
			}
		}
	}
}

// TestRecordedCases holds the engine to the recorded cases, as joule conform does. Compiling takes a minute a case, and more for the large
// ones.
func TestRecordedCases(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("..", "..", "testdata", "golden", "*.safetensors"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no recorded cases: %v", err)
	}
	for _, file := range files {
		for _, p := range []engine.Precision{engine.Float32, engine.Split, engine.TF32, engine.BF16} {
			t.Run(filepath.Base(file)+"/"+string(p), func(t *testing.T) {
				t.Parallel() // a program compiles on one core for the most part
				if small := strings.HasPrefix(filepath.Base(file), "mnist"); os.Getenv("JOULE_LONG") != "1" && !(small && p == engine.Float32) || !small && p != engine.Float32 {
					t.Skip("takes minutes; JOULE_LONG=1 runs the small case in all precisions, and the others in float32")
				}
				checkCase(t, file, p)
			})
		}
	}
}

func checkCase(t *testing.T, file string, p engine.Precision) {
	c, err := conform.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	e := plugin(t, 1)
	e.Precision = p
	if p == engine.Float32 { // what LLVM leaves out is vectors too, in which sums are more exact
		e.flags = nil
	}
	var mutex sync.Mutex
	var compiling time.Duration
	var programs, cached int
	e.Compiled = func(c Compilation) {
		mutex.Lock()
		defer mutex.Unlock()
		if programs++; c.Cached {
			cached++
		}
		compiling += c.Took
	}
	results, err := c.Check(t.Context(), e, p)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d programs, %d of them from the cache, ready in %v", programs, cached, compiling.Round(time.Millisecond))
	for _, r := range results {
		if r.OK {
			t.Logf("%-24s %.2g", r.Quantity, r.Error)
		} else {
			t.Errorf("%-24s %.2g, want at most %.0g (worst: %s)", r.Quantity, r.Error, r.Tolerance, r.Worst)
		}
	}
}
