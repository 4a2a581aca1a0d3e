package scenes_test

import (
	"context"
	"fmt"
	"log"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/joule-ebm/joule/dataset"
	"github.com/joule-ebm/joule/dataset/objects"
	"github.com/joule-ebm/joule/engine/cpu"
	"github.com/joule-ebm/joule/engine/rng"
	"github.com/joule-ebm/joule/eval/features/scenes"
	"github.com/joule-ebm/joule/internal/kernels"
	"github.com/joule-ebm/joule/internal/safetensors"
)

func newReader(t *testing.T, e *cpu.Engine) *scenes.Reader {
	t.Helper()
	r, err := scenes.New(e)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func colour(side int) dataset.Size { return dataset.Size{Height: side, Width: side, Channels: 3} }

func read(t *testing.T, pixels []uint8, side int) []scenes.Reading {
	t.Helper()
	readings, err := newReader(t, &cpu.Engine{}).Read(context.Background(), pixels, colour(side))
	if err != nil {
		t.Fatal(err)
	}
	return readings
}

// It reads the test scenes, which it was not trained on: names right, numbers within their errors, and as sure as it is right.
func TestAccuracy(t *testing.T) {
	sets := map[int]int{32: 2000, 64: 300}
	if os.Getenv("JOULE_LONG") != "" {
		sets = map[int]int{32: objects.Test, 64: 2000, 128: 1000}
	}
	for side, n := range sets {
		pixels, drawn, err := objects.Draw(context.Background(), 0, objects.FirstTest, n, side)
		if err != nil {
			t.Fatal(err)
		}
		readings := read(t, pixels, side)
		for k, a := range objects.Attributes {
			right, sure, loss := 0, 0.0, 0.0
			for i, r := range readings {
				label, p := r.Label(k)
				if label == drawn[i].Labels[k] {
					right++
				}
				sure += p / float64(n)
				loss -= math.Log(r.Probabilities[k][drawn[i].Labels[k]]) / float64(n)
			}
			accuracy := float64(right) / float64(n)
			t.Logf("side %d, %s: %.2f%% right, %.2f%% sure, cross-entropy %.4f", side, a.Name, 100*accuracy, 100*sure, loss)
			if accuracy < 0.99 {
				t.Errorf("side %d: %s is right in %.2f%%, want 99%%", side, a.Name, 100*accuracy)
			}
			if math.Abs(sure-accuracy) > 0.01 {
				t.Errorf("side %d: %s is right in %.2f%% but %.2f%% sure", side, a.Name, 100*accuracy, 100*sure)
			}
		}
		for k, number := range objects.Numbers {
			square, scaled := 0.0, 0.0
			for i, r := range readings {
				off := r.Numbers[k] - drawn[i].Numbers[k]
				square += off * off / float64(n)
				scaled += off * off / (r.Errors[k] * r.Errors[k]) / float64(n)
			}
			t.Logf("side %d, %s: off by %.4f (%.1f%% of the range), %.2f of what it says", side, number.Name, math.Sqrt(square),
				100*math.Sqrt(square)/(number.Max-number.Min), math.Sqrt(scaled))
			if share := math.Sqrt(square) / (number.Max - number.Min); share > 0.12 {
				t.Errorf("side %d: %s is off by %.1f%% of its range", side, number.Name, 100*share)
			}
			if scaled < 0.4 || scaled > 2.5 {
				t.Errorf("side %d: %s is off by %.2f of the errors given", side, number.Name, math.Sqrt(scaled))
			}
		}
		lost := 0
		for _, r := range readings {
			if r.Object < 0.5 {
				lost++
			}
		}
		t.Logf("side %d: of %d pictures with an object %d are said to have none", side, n, lost)
		if lost > n/100 {
			t.Errorf("side %d: of %d pictures with an object %d are said to have none", side, n, lost)
		}
	}
}

// What is no object is said to be none, whether it was learnt as that or not.
func TestNoObject(t *testing.T) {
	const n = 300
	size := colour(scenes.Side).Len()
	kinds := map[string][]uint8{}
	stream := rng.New(1)
	noise := make([]uint8, n*size)
	for i := range noise {
		noise[i] = uint8(stream.Uint32() >> 24)
	}
	kinds["noise"] = noise
	floors := make([]uint8, n*size)
	for i := range n {
		bare := objects.At(9, uint64(i))
		bare.Numbers[objects.X] = -9
		bare.Draw(floors[i*size:][:size], scenes.Side)
	}
	kinds["floors"] = floors
	clothes, err := dataset.Open(context.Background(), "fashion-mnist", colour(scenes.Side))
	if err != nil {
		t.Fatal(err)
	}
	kinds["clothes"] = clothes.Pixels[:n*size]
	for name, pixels := range kinds {
		taken := 0
		for _, r := range read(t, pixels, scenes.Side) {
			if r.Object > 0.5 {
				taken++
			}
		}
		t.Logf("%s: %d of %d are taken for an object", name, taken, n)
		if taken > n/20 {
			t.Errorf("%s: %d of %d are taken for an object", name, taken, n)
		}
	}
}

// The noisier a picture the less sure it is, and what it is sure of stays right.
func TestSureness(t *testing.T) {
	const n = 500
	pixels, drawn, err := objects.Draw(context.Background(), 2, 0, n, scenes.Side)
	if err != nil {
		t.Fatal(err)
	}
	before := 2.0
	for _, sigma := range []float32{0, 20, 40, 80} {
		noisy, stream := make([]uint8, len(pixels)), rng.New(3)
		for i, u := range pixels {
			noisy[i] = uint8(max(0, min(255, float32(u)+sigma*stream.Normal())))
		}
		mean, sure, right := 0.0, 0, 0
		for i, r := range read(t, noisy, scenes.Side) {
			label, p := r.Label(objects.Shape)
			if p *= r.Object; p > 0.9 {
				sure++
				if label == drawn[i].Labels[objects.Shape] {
					right++
				}
			}
			mean += p / n
		}
		t.Logf("noise of %v levels: %.2f sure; of %d above 0.9 %d right", sigma, mean, sure, right)
		if mean >= before {
			t.Errorf("with noise of %v levels it is more sure, %.3f, than with less, %.3f", sigma, mean, before)
		}
		if before = mean; sure > 50 && float64(right) < 0.9*float64(sure) {
			t.Errorf("noise of %v levels: of %d above 0.9 only %d are right", sigma, sure, right)
		}
	}
}

// Every set of kernels and grouping of images reads the same, up to rounding.
func TestKernels(t *testing.T) {
	ctx := context.Background()
	pixels, _, err := objects.Draw(ctx, 4, 0, 50, 32)
	if err != nil {
		t.Fatal(err)
	}
	want, err := newReader(t, &cpu.Engine{Kernels: kernels.Portable()}).Describe(ctx, pixels, colour(32))
	if err != nil {
		t.Fatal(err)
	}
	for _, set := range kernels.All() {
		r := newReader(t, &cpu.Engine{Kernels: set, Threads: 2})
		got, err := r.Describe(ctx, pixels[32*32*3:], colour(32))
		if err != nil {
			t.Fatal(err)
		}
		for i, f := range got.Features {
			if math.Abs(float64(f-want.Features[r.Dim()+i])) > 1e-3 {
				t.Fatalf("%s: feature %d is %v, portable %v", set.Name, i, f, want.Features[r.Dim()+i])
			}
		}
	}
}

// What was asked for is looked up in readings as in data.
func ExampleReading_Value() {
	ctx := context.Background()
	reader, err := scenes.New(&cpu.Engine{})
	if err != nil {
		log.Fatal(err)
	}
	asked, err := dataset.ParseCombinations("shape=sphere&colour=red")
	if err != nil {
		log.Fatal(err)
	}
	pixels, _, err := objects.Draw(ctx, 0, 3, 3, 32)
	if err != nil {
		log.Fatal(err)
	}
	readings, err := reader.Read(ctx, pixels, dataset.Size{Height: 32, Width: 32, Channels: 3})
	if err != nil {
		log.Fatal(err)
	}
	for _, r := range readings {
		fmt.Println(r.Value("colour"), r.Value("shape"), asked.Hold(r.Value))
	}
	// Output:
	// yellow sphere false
	// red sphere true
	// yellow cube false
}

func TestRefuses(t *testing.T) {
	r := newReader(t, &cpu.Engine{})
	ctx := context.Background()
	for _, size := range []dataset.Size{{Height: 28, Width: 28, Channels: 1}, {Height: 32, Width: 64, Channels: 3}, {Height: 40, Width: 40, Channels: 3}, {}} {
		if _, err := r.Read(ctx, make([]uint8, max(1, size.Len())), size); err == nil || !strings.Contains(err.Error(), "multiples of 32") {
			t.Errorf("images of %v: %v", size, err)
		}
	}
	if _, err := r.Read(ctx, make([]uint8, 100), colour(32)); err == nil {
		t.Error("a part of an image is taken")
	}
	if all, err := r.Read(ctx, nil, colour(32)); err != nil || len(all) != 0 {
		t.Errorf("no images: %v, %v", all, err)
	}
}

// The file is small and says what its figures do not compare with.
func TestFile(t *testing.T) {
	const path = "weights.safetensors"
	file, err := safetensors.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Size() > 300_000 {
		t.Errorf("%v, %d bytes", err, info.Size())
	}
	if !strings.Contains(file.Metadata["about"], "do not compare with Inception FID") {
		t.Errorf("metadata %v", file.Metadata)
	}
}
