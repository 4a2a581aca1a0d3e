package digits_test

import (
	"context"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/joule-ebm/joule/dataset"
	"github.com/joule-ebm/joule/engine/cpu"
	"github.com/joule-ebm/joule/eval/features"
	"github.com/joule-ebm/joule/eval/features/digits"
	"github.com/joule-ebm/joule/internal/kernels"
	"github.com/joule-ebm/joule/internal/safetensors"
)

func testImages(t *testing.T) *dataset.Set {
	t.Helper()
	set, err := dataset.Open(context.Background(), "mnist:test", dataset.Size{})
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func newClassifier(t *testing.T, e *cpu.Engine) *digits.Classifier {
	t.Helper()
	c, err := digits.New(e)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// It tells more than 99% of MNIST's test images right (the weights shipped: 99.45%), and means its probabilities.
func TestAccuracy(t *testing.T) {
	set := testImages(t)
	seen := 0
	d, err := features.Describe(context.Background(), newClassifier(t, &cpu.Engine{}), set, func(n int64) { seen += int(n) })
	if err != nil {
		t.Fatal(err)
	}
	if seen != 10_000 || len(d.Features) != seen*digits.Dim || len(d.Probabilities) != seen*digits.Classes {
		t.Fatalf("%d images, %d features, %d probabilities", seen, len(d.Features), len(d.Probabilities))
	}
	right, loss := 0, 0.0
	for i, y := range set.Labels {
		p := d.Probabilities[i*digits.Classes:][:digits.Classes]
		sum := 0.0
		for _, v := range p {
			sum += float64(v)
		}
		if math.Abs(sum-1) > 1e-5 {
			t.Fatalf("the probabilities of image %d sum to %v", i, sum)
		}
		if p[y] == slices.Max(p) {
			right++
		}
		loss -= math.Log(float64(p[y])) / float64(seen)
	}
	t.Logf("%d of %d right, cross-entropy %.4f", right, seen, loss)
	if right < 9_930 || loss > 0.025 {
		t.Errorf("%d of %d right, cross-entropy %.4f; want 9930 and 0.025", right, seen, loss)
	}
}

// Every set of kernels and grouping of images gives the same features, up to rounding.
func TestKernels(t *testing.T) {
	ctx, images := context.Background(), testImages(t).Pixels[:300*28*28]
	want, err := newClassifier(t, &cpu.Engine{Kernels: kernels.Portable()}).Classify(ctx, images)
	if err != nil {
		t.Fatal(err)
	}
	for _, set := range kernels.All() {
		got, err := newClassifier(t, &cpu.Engine{Kernels: set, Threads: 2}).Classify(ctx, images[28*28:])
		if err != nil {
			t.Fatal(err)
		}
		for i, f := range got.Features {
			if math.Abs(float64(f-want.Features[digits.Dim+i])) > 1e-4 {
				t.Fatalf("%s: feature %d is %v, portable %v", set.Name, i, f, want.Features[digits.Dim+i])
			}
		}
	}
}

func TestRefuses(t *testing.T) {
	c := newClassifier(t, &cpu.Engine{})
	_, err := c.Describe(context.Background(), make([]uint8, 32*32*3), dataset.Size{Height: 32, Width: 32, Channels: 3})
	if err == nil || !strings.Contains(err.Error(), "takes 28x28x1 only") {
		t.Errorf("images of another size: %v", err)
	}
	if _, err := c.Classify(context.Background(), make([]uint8, 100)); err == nil {
		t.Error("a part of an image is taken")
	}
	if d, err := c.Classify(context.Background(), nil); err != nil || len(d.Features) != 0 {
		t.Errorf("no images: %v, %v", d, err)
	}
}

// The file is small and says what its figures do not compare with.
func TestFile(t *testing.T) {
	const path = "weights.safetensors"
	file, err := safetensors.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Size() > 300<<10 {
		t.Errorf("%v, %d bytes", err, info.Size())
	}
	if !strings.Contains(file.Metadata["about"], "do not compare with Inception FID") {
		t.Errorf("metadata %v", file.Metadata)
	}
}
