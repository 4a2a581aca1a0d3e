package inception

import (
	"bytes"
	"context"
	"fmt"
	"hash/fnv"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/joule-ebm/joule/dataset"
	"github.com/joule-ebm/joule/eval/features/inception/forward"
	"github.com/joule-ebm/joule/internal/kernels"
	"github.com/joule-ebm/joule/internal/safetensors"
)

// bits is the i-th number of a stream as testdata/make_inception.py makes it: splitmix64 of a counter.
func bits(key uint32, i int) uint64 {
	z := uint64(key)<<32 + uint64(i) + 0x9E3779B97F4A7C15
	z = (z ^ z>>30) * 0xBF58476D1CE4E5B9
	z = (z ^ z>>27) * 0x94D049BB133111EB
	return z ^ z>>31
}

func key(name string) uint32 {
	h := fnv.New32a()
	h.Write([]byte(name))
	return h.Sum32()
}

// hashed are the weights that make_inception.py gives the network of PyTorch.
func hashed(name string, shape ...int) ([]float32, error) {
	n, inputs := shape[0], 1
	for _, s := range shape[1:] {
		n, inputs = n*s, inputs*s
	}
	k, v := key(name), make([]float32, n)
	scale := math.Sqrt(6 / float64(inputs))
	for i := range v {
		u := float64(bits(k, i)>>40) / (1 << 24)
		switch {
		case strings.HasSuffix(name, "bn.weight"), strings.HasSuffix(name, "running_var"):
			u = 0.5 + u
		case strings.HasSuffix(name, "bn.bias"), strings.HasSuffix(name, "running_mean"):
			u = 0.4*u - 0.2
		default:
			u = (2*u - 1) * scale
		}
		v[i] = float32(u)
	}
	return v, nil
}

// hashedImage is an image that make_inception.py makes too.
func hashedImage(height, width int) ([]uint8, dataset.Size) {
	size := dataset.Size{Height: height, Width: width, Channels: 3}
	pixels := make([]uint8, size.Len())
	for i := range pixels {
		pixels[i] = uint8(bits(key("image"), i) >> 56)
	}
	return pixels, size
}

// recorded are the numbers that pytorch-fid's network computed.
var recorded = sync.OnceValues(func() (*safetensors.File, error) { return safetensors.ReadFile("testdata/inception.safetensors") })

func record(t *testing.T, name string) []float32 {
	t.Helper()
	file, err := recorded()
	if err != nil {
		t.Fatal(err)
	}
	tensor, ok := file.Lookup(name)
	if !ok {
		t.Fatalf("no %s was recorded", name)
	}
	v, err := tensor.Float32s()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// near holds that two vectors are within a part of the second's root mean square everywhere.
func near(t *testing.T, what string, got, want []float32, tolerance float64) {
	t.Helper()
	if len(got) != len(want) || len(want) == 0 {
		t.Fatalf("%s: %d numbers, want %d", what, len(got), len(want))
	}
	size, worst := 0.0, 0.0
	for _, v := range want {
		size += float64(v) * float64(v) / float64(len(want))
	}
	for i, v := range want {
		worst = max(worst, math.Abs(float64(got[i])-float64(v)))
	}
	if !(worst <= tolerance*math.Sqrt(size)) {
		t.Errorf("%s: off by %.3g of a root mean square of %.3g", what, worst, math.Sqrt(size))
	}
}

func rms(v []float32) float64 {
	sum := 0.0
	for _, x := range v {
		sum += float64(x) * float64(x)
	}
	return math.Sqrt(sum / float64(len(v)))
}

// newHashed makes the network with hashed weights.
func newHashed(t *testing.T, side int, o Options) *Network {
	t.Helper()
	n, err := build(hashed, side, o)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// Every block's result, the features and the classes are those of pytorch-fid's network in float64: at a small size with every set of
// kernels, and at the network's own with the best.
func TestAgreesWithPyTorch(t *testing.T) {
	const tolerance = 1e-4 // float32 through 94 layers
	check := func(side int, set *kernels.Set) {
		t.Run(fmt.Sprint(side, " ", set.Name), func(t *testing.T) {
			n := newHashed(t, side, Options{Threads: 1, Kernels: set})
			pixels, size := hashedImage(41, 32)
			blocks := 0
			features, logits := n.describe(n.workers[0], pixels, size, func(block string, x forward.Image) {
				want := record(t, fmt.Sprintf("%d/%s", side, block))
				samples := want[:len(want)-1]
				got := make([]float32, len(samples))
				for i := range got {
					got[i] = x.Pixels()[int(bits(key(block), i)>>32)%len(x.Pixels())]
				}
				near(t, block, got, samples, tolerance)
				if all, wanted := rms(x.Pixels()), float64(want[len(want)-1]); math.Abs(all-wanted) > tolerance*wanted {
					t.Errorf("%s: root mean square %v, want %v", block, all, wanted)
				}
				blocks++
			})
			near(t, "features", features, record(t, fmt.Sprintf("%d/features", side)), tolerance)
			near(t, "logits", logits, record(t, fmt.Sprintf("%d/logits", side)), tolerance)
			if blocks != 18 {
				t.Errorf("%d blocks", blocks)
			}
		})
	}
	for _, set := range kernels.All() {
		check(107, set)
	}
	check(side, kernels.Best())
}

// Images are resized and scaled as pytorch-fid and as torch-fidelity do it.
func TestInput(t *testing.T) {
	for _, side := range []int{107, 299} {
		for _, c := range []struct {
			record        string
			in            Input
			height, width int
		}{{"pytorch", PyTorch, 41, 32}, {"smaller", PyTorch, 150, 400}, {"tensorflow", TensorFlow, 41, 32}} {
			pixels, size := hashedImage(c.height, c.width)
			x := c.in.image(new(forward.Memory), pixels, size, side)
			var got []float32
			for i := 0; i < side; i += 9 {
				for j := 0; j < side; j += 7 {
					got = append(got, x.Data[(i*side+j)*3:][:3]...)
				}
			}
			near(t, c.record, got, record(t, fmt.Sprintf("%d/%s", side, c.record)), 1e-5)
		}
	}
	// Grey images have three equal channels.
	grey, size := []uint8{0, 255, 128, 64}, dataset.Size{Height: 2, Width: 2, Channels: 1}
	x := PyTorch.image(new(forward.Memory), grey, size, 2)
	near(t, "grey", x.Pixels(), []float32{-1, -1, -1, 1, 1, 1, 1.0 / 255, 1.0 / 255, 1.0 / 255, -127.0 / 255, -127.0 / 255, -127.0 / 255}, 1e-6)
	if in, err := ParseInput("tensorflow"); err != nil || in != TensorFlow {
		t.Error(in, err)
	}
	if _, err := ParseInput("caffe"); err == nil {
		t.Error("an unknown input is taken")
	}
}

// Images are described each by itself, whatever the threads; probabilities are those of the logits.
func TestDescribe(t *testing.T) {
	pixels, size := hashedImage(20, 20)
	pixels = append(pixels, pixels[1:]...)
	pixels = append(pixels, 7) // another image, shifted by a byte
	n := newHashed(t, 75, Options{Threads: 2})
	both, err := n.Describe(context.Background(), pixels, size)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 2 {
		one, err := n.Describe(context.Background(), pixels[i*size.Len():][:size.Len()], size)
		if err != nil {
			t.Fatal(err)
		}
		near(t, "features", both.Features[i*Dim:][:Dim], one.Features, 0)
		_, logits := n.describe(n.workers[0], pixels[i*size.Len():][:size.Len()], size, nil)
		sum := 0.0
		for _, l := range logits {
			sum += math.Exp(float64(l))
		}
		want := make([]float32, classes)
		for k, l := range logits {
			want[k] = float32(math.Exp(float64(l)) / sum)
		}
		near(t, "probabilities", both.Probabilities[i*classes:][:classes], want, 1e-4)
	}
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := n.Describe(cancelled, pixels, size); err == nil {
		t.Error("a cancelled description is given")
	}
	if _, err := n.Describe(context.Background(), pixels[1:], size); err == nil {
		t.Error("a part of an image is taken")
	}
	if err := n.Takes(dataset.Size{Height: 3, Width: 3, Channels: 2}); err == nil {
		t.Error("two channels are taken")
	}
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, content []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o666); err != nil {
			t.Fatal(err)
		}
		return path
	}
	torchvision := new(bytes.Buffer)
	err := safetensors.Write(torchvision, []safetensors.Tensor{safetensors.FromFloat32s("fc.weight", []int{1000, 1}, make([]float32, 1000))}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for path, words := range map[string]string{
		filepath.Join(dir, "missing.pth"):                       "no such file",
		write("text.pth", []byte("hello, here are no weights")): "no file of torch.save",
		write("empty.pth", nil):                                 "no file of torch.save",
		write("other.safetensors", torchvision.Bytes()):         "not the weights of FID's Inception network: tensor fc.weight has shape [1000 1], want [1008 2048]",
	} {
		_, err := Open(path, Options{})
		if err == nil || !strings.Contains(err.Error(), words) || !strings.HasPrefix(err.Error(), path) || strings.Contains(err.Error(), "\n") {
			t.Errorf("error %v, want one line with %q", err, words)
		}
	}
}

func BenchmarkDescribe(b *testing.B) {
	n, err := build(hashed, side, Options{Threads: 1})
	if err != nil {
		b.Fatal(err)
	}
	pixels, size := hashedImage(32, 32)
	for b.Loop() {
		n.describe(n.workers[0], pixels, size, nil)
	}
}
