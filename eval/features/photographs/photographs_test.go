package photographs_test

import (
	"context"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/joule-ebm/joule/dataset"
	"github.com/joule-ebm/joule/dataset/objects"
	"github.com/joule-ebm/joule/engine/cpu"
	"github.com/joule-ebm/joule/eval/features"
	"github.com/joule-ebm/joule/eval/features/photographs"
	"github.com/joule-ebm/joule/internal/kernels"
	"github.com/joule-ebm/joule/internal/safetensors"
)

var size = dataset.Size{Height: 32, Width: 32, Channels: 3}

func newClassifier(t *testing.T, e *cpu.Engine) *photographs.Classifier {
	t.Helper()
	c, err := photographs.New(e)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// It tells more than 85% of CIFAR-10's test images right, where these are: JOULE_CIFAR10 names them, in any format that Joule reads.
func TestAccuracy(t *testing.T) {
	name := os.Getenv("JOULE_CIFAR10")
	if name == "" {
		t.Skip("JOULE_CIFAR10 does not name CIFAR-10's test images")
	}
	set, err := dataset.Open(context.Background(), name, size)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(set.Classes, photographs.Names) {
		t.Fatalf("classes %q", set.Classes)
	}
	d, err := features.Describe(context.Background(), newClassifier(t, &cpu.Engine{}), set, nil)
	if err != nil {
		t.Fatal(err)
	}
	right := 0
	for i, y := range set.Labels {
		p := d.Probabilities[i*photographs.Classes:][:photographs.Classes]
		if p[y] == slices.Max(p) {
			right++
		}
	}
	t.Logf("%d of %d right", right, set.Len())
	if right < set.Len()*85/100 {
		t.Errorf("%d of %d right, want 85%%", right, set.Len())
	}
}

// Every set of kernels and grouping of images gives the same features, up to rounding, and probabilities that sum to 1.
func TestKernels(t *testing.T) {
	ctx := context.Background()
	images, _, err := objects.Draw(ctx, 1, 0, 6, 32)
	if err != nil {
		t.Fatal(err)
	}
	want, err := newClassifier(t, &cpu.Engine{Kernels: kernels.Portable()}).Describe(ctx, images, size)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(want.Probabilities); i += photographs.Classes {
		sum := 0.0
		for _, p := range want.Probabilities[i:][:photographs.Classes] {
			sum += float64(p)
		}
		if math.Abs(sum-1) > 1e-5 {
			t.Errorf("probabilities that sum to %v", sum)
		}
	}
	for _, set := range kernels.All() {
		got, err := newClassifier(t, &cpu.Engine{Kernels: set, Threads: 2}).Describe(ctx, images[size.Len():], size)
		if err != nil {
			t.Fatal(err)
		}
		for i, f := range got.Features {
			if math.Abs(float64(f-want.Features[photographs.Dim+i])) > 1e-3 {
				t.Fatalf("%s: feature %d is %v, portable %v", set.Name, i, f, want.Features[photographs.Dim+i])
			}
		}
	}
}

func TestRefuses(t *testing.T) {
	c := newClassifier(t, &cpu.Engine{})
	_, err := c.Describe(context.Background(), make([]uint8, 28*28), dataset.Size{Height: 28, Width: 28, Channels: 1})
	if err == nil || !strings.Contains(err.Error(), "takes 32x32x3 only") {
		t.Errorf("images of another size: %v", err)
	}
	if _, err := c.Describe(context.Background(), make([]uint8, 100), size); err == nil {
		t.Error("a part of an image is taken")
	}
	if d, err := c.Describe(context.Background(), nil, size); err != nil || len(d.Features) != 0 {
		t.Errorf("no images: %v, %v", d, err)
	}
	if _, err := photographs.With(&cpu.Engine{}, []byte("weights")); err == nil {
		t.Error("a text is taken for weights")
	}
}

// The file is small and says what its figures do not compare with.
func TestFile(t *testing.T) {
	const path = "weights.safetensors"
	file, err := safetensors.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Size() > 1<<20 {
		t.Errorf("%v, %d bytes", err, info.Size())
	}
	if !strings.Contains(file.Metadata["about"], "do not compare with Inception FID") {
		t.Errorf("metadata %v", file.Metadata)
	}
}
