package mcmc

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/joule-ebm/joule/engine/rng"
)

// The results of torchvision for fixed parameters; see testdata/reference.py.
func TestTransformsMatchTorchvision(t *testing.T) {
	text, err := os.ReadFile("testdata/torchvision.json")
	if err != nil {
		t.Fatal(err)
	}
	var reference struct {
		Height, Width int
		Colour, Mono  []float32
		Cases         []struct {
			Name     string
			Channels int
			Want     []float32

			Box                                   [4]int // top, left, height, width
			Kernel                                int
			Factor                                float32
			Order                                 [4]adjustment
			Brightness, Contrast, Saturation, Hue float32
		}
	}
	if err := json.Unmarshal(text, &reference); err != nil {
		t.Fatal(err)
	}
	h, w := reference.Height, reference.Width
	for i, v := range reference.Cases {
		t.Run(fmt.Sprintf("%02d-%s", i, v.Name), func(t *testing.T) {
			x := slices.Clone(reference.Colour)
			if v.Channels == 1 {
				x = slices.Clone(reference.Mono)
			}
			g, err := NewAugmenter(Augmentation{BlurKernel: v.Kernel}, h, w, v.Channels)
			if err != nil {
				t.Fatal(err)
			}
			switch v.Name {
			case "crop":
				g.resize(x, slices.Clone(x), box{v.Box[0], v.Box[1], v.Box[2], v.Box[3]})
			case "flip":
				flip(x, w, v.Channels)
			case "blur":
				g.blur(x, v.Factor)
			case "grayscale":
				grayscale(x)
			default:
				j := jitter{[4]adjustment{brightness, contrast, saturation, hue}, 1, 1, 1, 0}
				switch v.Name {
				case "brightness":
					j.brightness = v.Factor
				case "contrast":
					j.contrast = v.Factor
				case "saturation":
					j.saturation = v.Factor
				case "hue":
					j.hue = v.Factor
				case "jitter":
					j = jitter{v.Order, v.Brightness, v.Contrast, v.Saturation, v.Hue}
				default:
					t.Fatal("unknown case")
				}
				j.apply(x, v.Channels)
			}
			tolerance := 1e-6
			if v.Name == "hue" || v.Name == "jitter" {
				tolerance = 5e-6
			}
			if len(x) != len(v.Want) {
				t.Fatalf("%d values, want %d", len(x), len(v.Want))
			}
			for k := range x {
				if d := math.Abs(float64(x[k] - v.Want[k])); !(d <= tolerance) {
					t.Fatalf("value %d is %v, torchvision has %v", k, x[k], v.Want[k])
				}
			}
		})
	}
}

// presets, and the shapes they are for.
var presets = []struct {
	name    string
	a       Augmentation
	h, w, c int
}{
	{"none", NoAugmentation, 28, 28, 1},
	{"cifar10", AugmentCIFAR10, 32, 32, 3},
	{"cifar10 on one channel", AugmentCIFAR10, 28, 28, 1},
	{"large", AugmentLarge, 40, 24, 3},
	{"imagenet", AugmentImageNet, 32, 32, 3},
	{"narrow", Augmentation{CropScale: 0.01, Flip: true, Jitter: 1.25, Grayscale: true, BlurKernel: 1}, 3, 50, 3},
	{"one pixel", Augmentation{CropScale: 0.01, Flip: true, Jitter: 1.25, Grayscale: true, BlurKernel: 1}, 1, 1, 3},
	{"two channels", Augmentation{CropScale: 0.5, Flip: true, BlurKernel: 3}, 9, 9, 2},
}

// testImages returns n images, with values at both ends of the range among them.
func testImages(n, size int) []float32 {
	x := make([]float32, n*size)
	s := rng.New(99)
	s.FillUniform(x)
	for i := 0; i < len(x); i += 7 {
		x[i] = float32(i/7%3) / 2
	}
	return x
}

func TestAugmentedImagesStayInRange(t *testing.T) {
	for _, p := range presets {
		const n = 200
		before := testImages(n, p.h*p.w*p.c)
		x := slices.Clone(before)
		s := rng.New(1)
		if err := p.a.ApplyBatch(x, n, p.h, p.w, p.c, 2, &s); err != nil {
			t.Fatalf("%s: %v", p.name, err)
		}
		for i, v := range x {
			if !(v >= 0 && v <= 1) {
				t.Fatalf("%s: element %d is %v", p.name, i, v)
			}
		}
		if same := slices.Equal(x, before); same != (p.a == NoAugmentation) {
			t.Errorf("%s: unchanged is %v", p.name, same)
		}
	}
}

// Where no number of threads is given, all cores are at work: two images wait for each other.
func TestAugmentationOnAllCores(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2))
	var both sync.WaitGroup
	both.Add(2)
	unused, done := rng.New(0), make(chan error, 1)
	go func() {
		done <- NoAugmentation.each(2, 1, 1, 1, 0, &unused, func(int, *Augmenter, *rng.Stream) error {
			both.Done()
			both.Wait()
			return nil
		})
	}()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(time.Minute):
		t.Fatal("the second image waits for the first")
	}
}

func TestAugmentationDoesNotDependOnThreads(t *testing.T) {
	const n = 37
	for _, p := range presets {
		size := p.h * p.w * p.c
		apply := func(threads int, seed uint64) []float32 {
			x := testImages(n, size)
			s := rng.New(seed)
			if err := p.a.ApplyBatch(x, n, p.h, p.w, p.c, threads, &s); err != nil {
				t.Fatal(err)
			}
			return x
		}
		one := apply(1, 5)
		for _, threads := range []int{0, 2, 3, 100} {
			if !slices.Equal(apply(threads, 5), one) {
				t.Errorf("%s: other images with %d threads", p.name, threads)
			}
		}
		if p.a != NoAugmentation && slices.Equal(apply(1, 6), one) {
			t.Errorf("%s: another stream gives the same images", p.name)
		}
		// In place or not is the same.
		g, err := NewAugmenter(p.a, p.h, p.w, p.c)
		if err != nil {
			t.Fatal(err)
		}
		src := testImages(1, size)
		dst, in := make([]float32, size), slices.Clone(src)
		a, b := rng.New(8), rng.New(8)
		for range 20 {
			if err := g.Apply(dst, in, &a); err != nil {
				t.Fatal(err)
			}
			if err := g.Apply(in, in, &b); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(dst, in) {
				t.Fatalf("%s: in place differs", p.name)
			}
		}
	}
}

// Where a transform must change nothing, and what no transform may change.
func TestIdentities(t *testing.T) {
	const h, w = 8, 11
	for _, c := range []int{1, 3} {
		src := testImages(1, h*w*c)
		g, err := NewAugmenter(Augmentation{BlurKernel: 5}, h, w, c)
		if err != nil {
			t.Fatal(err)
		}
		for name, transform := range map[string]func(x []float32){
			"crop of the whole": func(x []float32) { g.resize(x, src, box{0, 0, h, w}) },
			"two flips":         func(x []float32) { flip(x, w, c); flip(x, w, c) },
			"narrow blur":       func(x []float32) { g.blur(x, 0.1) },
			"no jitter": func(x []float32) {
				j := jitter{[4]adjustment{hue, contrast, saturation, brightness}, 1, 1, 1, 0}
				j.apply(x, c)
			},
			"a whole turn": func(x []float32) {
				if c == 3 {
					turnHue(x, 0.25)
					turnHue(x, -0.5)
					turnHue(x, 0.25)
				}
			},
		} {
			x := slices.Clone(src)
			transform(x)
			for i := range x {
				if d := x[i] - src[i]; !(d < 2e-6 && d > -2e-6) {
					t.Errorf("%d channels: %s: element %d is %v, was %v", c, name, i, x[i], src[i])
					break
				}
			}
		}
		flat := make([]float32, h*w*c)
		for i := range flat {
			flat[i] = 0.7
		}
		x := slices.Clone(flat)
		g.blur(x, 1.5)
		g.resize(x, slices.Clone(x), box{1, 2, 5, 3})
		for i := range x {
			if d := x[i] - 0.7; !(d < 1e-6 && d > -1e-6) {
				t.Fatalf("%d channels: crop and blur of a flat image: element %d is %v", c, i, x[i])
			}
		}
	}
}

// How often each transform comes, and over what range.
func TestAugmentationFrequencies(t *testing.T) {
	const n, h, w = 4000, 8, 8
	// A bright left column, coloured; nothing at the borders of the range.
	image := make([]float32, h*w*3)
	for i := range image {
		image[i] = 0.4
		if i/3%w == 0 {
			image[i] = 0.5 + 0.05*float32(i%3)
		}
	}
	for _, v := range []struct {
		name    string
		a       Augmentation
		changed float64
	}{
		{"flip", Augmentation{Flip: true}, 0.5},
		{"jitter", Augmentation{Jitter: 0.5}, 0.8},
		{"grayscale", Augmentation{Grayscale: true}, 0.2},
		{"blur", Augmentation{BlurKernel: 3}, 0.5},
	} {
		g, err := NewAugmenter(v.a, h, w, 3)
		if err != nil {
			t.Fatal(err)
		}
		s := rng.New(3)
		x := make([]float32, len(image))
		changed := 0
		for range n {
			if err := g.Apply(x, image, &s); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(x, image) {
				changed++
			}
		}
		// A blur of 0.1 pixels changes nothing that float32 shows: below
		// 0.19 pixels, a twentieth of the range, exp(-1/2σ²) is under 1e-6.
		slack := 0.0
		if v.name == "blur" {
			slack = 0.5 * 0.05
		}
		rate := float64(changed) / n
		if e := 4 * math.Sqrt(v.changed*(1-v.changed)/n); rate > v.changed+e || rate < v.changed-e-slack {
			t.Errorf("%s: changed %.3f of the images, want %.3f", v.name, rate, v.changed)
		}
	}
}

// Factors are uniform over their ranges, and all 24 orders are equally likely.
func TestRandomJitter(t *testing.T) {
	const n = 24_000
	for _, strength := range []float32{0.5, 1.25} {
		s := rng.New(5)
		orders := map[[4]adjustment]int{}
		factors := make([][]float32, 4)
		for range n {
			j := randomJitter(strength, &s)
			orders[j.order]++
			for k, f := range []float32{j.brightness, j.contrast, j.saturation, j.hue} {
				factors[k] = append(factors[k], f)
			}
		}
		for k, f := range factors {
			low, high := max(0, 1-0.8*strength), 1+0.8*strength
			if k == 3 {
				low, high = -0.4*strength, 0.4*strength
			}
			slices.Sort(f)
			for q, at := range map[float32]int{0: 0, 0.25: n / 4, 0.5: n / 2, 0.75: 3 * n / 4, 1: n - 1} {
				if want := low + q*(high-low); math.Abs(float64(f[at]-want)) > 0.012*float64(high-low) {
					t.Errorf("strength %v: factor %d: quantile %v is %v, want %v", strength, k, q, f[at], want)
				}
			}
		}
		for order, k := range orders {
			if k < n/24-130 || k > n/24+130 {
				t.Errorf("strength %v: order %v came %d times of %d", strength, order, k, n)
			}
		}
		if len(orders) != 24 {
			t.Errorf("strength %v: %d orders, want 24", strength, len(orders))
		}
	}
}

func TestRandomBox(t *testing.T) {
	for _, v := range []struct {
		h, w  int
		scale float32
	}{{32, 32, 0.08}, {128, 128, 0.6}, {32, 32, 1}, {5, 100, 0.5}, {100, 5, 0.9}, {1, 1, 0.1}} {
		s := rng.New(4)
		const n = 5000
		var area, above, beside float64
		ends := map[string]int{}
		for range n {
			b := randomBox(v.h, v.w, v.scale, &s)
			if b.top < 0 || b.left < 0 || b.height < 1 || b.width < 1 || b.top+b.height > v.h || b.left+b.width > v.w {
				t.Fatalf("%+v: box %+v", v, b)
			}
			area += float64(b.height*b.width) / float64(v.h*v.w) / n
			above += (float64(b.top) + float64(b.height)/2) / float64(v.h) / n
			beside += (float64(b.left) + float64(b.width)/2) / float64(v.w) / n
			for end, at := range map[string]bool{
				"top": b.top == 0, "left": b.left == 0,
				"bottom": b.top+b.height == v.h, "right": b.left+b.width == v.w,
			} {
				if at {
					ends[end]++
				}
			}
			aspect := float64(b.width) / float64(b.height)
			if v.h >= 32 && v.w >= 32 && (aspect < 0.75/1.2 || aspect > 1.2/0.75) {
				t.Fatalf("%+v: box %+v has aspect ratio %v", v, b, aspect)
			}
		}
		if math.Abs(above-0.5) > 0.02 || math.Abs(beside-0.5) > 0.02 {
			t.Errorf("%+v: boxes are centred at %.3f of the height, %.3f of the width", v, above, beside)
		}
		// As often at one end as at the other.
		for _, pair := range [][2]string{{"top", "bottom"}, {"left", "right"}} {
			a, b := float64(ends[pair[0]]), float64(ends[pair[1]])
			if math.Abs(a-b) > 5*math.Sqrt(a+b) || v.h == v.w && a == 0 {
				t.Errorf("%+v: %v boxes at the %s, %v at the %s", v, a, pair[0], b, pair[1])
			}
		}
		// torchvision's own mean over 40,000 boxes; large boxes fit less often.
		if want := map[float32]float64{0.08: 0.490, 0.6: 0.747}[v.scale]; want > 0 && math.Abs(area-want) > 0.012 {
			t.Errorf("%+v: mean area %.3f, want %.3f", v, area, want)
		}
	}
	// With nothing to choose, the largest box of the nearest aspect ratio.
	for _, v := range []struct {
		h, w int
		want box
	}{
		{100, 10, box{43, 0, 13, 10}},
		{10, 100, box{0, 43, 10, 13}},
	} {
		s := rng.New(1)
		if got := randomBox(v.h, v.w, 1, &s); got != v.want {
			t.Errorf("fallback for %dx%d: %+v, want %+v", v.h, v.w, got, v.want)
		}
	}
}

func TestAugmentationErrors(t *testing.T) {
	s := rng.New(1)
	nan := float32(math.NaN())
	for _, v := range []struct {
		a       Augmentation
		h, w, c int
	}{
		{Augmentation{}, 0, 8, 3},
		{Augmentation{}, 8, 8, -1},
		{Augmentation{CropScale: 1.5}, 8, 8, 3},
		{Augmentation{CropScale: nan}, 8, 8, 3},
		{Augmentation{CropScale: -0.1}, 8, 8, 3},
		{Augmentation{Jitter: 2}, 8, 8, 3},
		{Augmentation{Jitter: nan}, 8, 8, 3},
		{Augmentation{Jitter: 1}, 8, 8, 4},
		{Augmentation{Grayscale: true}, 8, 8, 2},
		{Augmentation{BlurKernel: 4}, 8, 8, 3},
		{Augmentation{BlurKernel: -3}, 8, 8, 3},
		{AugmentImageNet, 5, 8, 3},
	} {
		if _, err := NewAugmenter(v.a, v.h, v.w, v.c); err == nil {
			t.Errorf("%+v on %dx%dx%d: no error", v.a, v.h, v.w, v.c)
		}
	}
	g, err := NewAugmenter(AugmentCIFAR10, 8, 8, 3)
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Apply(make([]float32, 191), make([]float32, 192), &s); err == nil {
		t.Error("Apply to a short image: no error")
	}
	if err := AugmentCIFAR10.ApplyBatch(make([]float32, 192), 2, 8, 8, 3, 2, &s); err == nil {
		t.Error("ApplyBatch to half the images: no error")
	}
	if err := AugmentCIFAR10.ApplyBatch(nil, 0, 8, 8, 3, 2, &s); err != nil {
		t.Errorf("ApplyBatch to no images: %v", err)
	}
}

func TestApplyAllocatesNothing(t *testing.T) {
	g, err := NewAugmenter(AugmentImageNet, 32, 32, 3)
	if err != nil {
		t.Fatal(err)
	}
	x := testImages(1, 32*32*3)
	s := rng.New(1)
	if n := testing.AllocsPerRun(100, func() { err = g.Apply(x, x, &s) }); n > 0 || err != nil {
		t.Errorf("%v allocations, error %v", n, err)
	}
}

func BenchmarkApply(b *testing.B) {
	for _, p := range []struct {
		name string
		a    Augmentation
		size int
	}{{"cifar10-32", AugmentCIFAR10, 32}, {"large-128", AugmentLarge, 128}, {"imagenet-128", AugmentImageNet, 128}} {
		b.Run(p.name, func(b *testing.B) {
			g, err := NewAugmenter(p.a, p.size, p.size, 3)
			if err != nil {
				b.Fatal(err)
			}
			src := testImages(1, p.size*p.size*3)
			dst := make([]float32, len(src))
			s := rng.New(1)
			b.ReportAllocs()
			for b.Loop() {
				if err := g.Apply(dst, src, &s); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
