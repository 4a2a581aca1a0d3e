package mcmc

import (
	"bytes"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/joule-ebm/joule/engine/rng"
)

// numbered returns n one-pixel images whose bytes tell their number, from first.
func numbered(first, n int) []float32 {
	x := make([]float32, 2*n)
	for i := range n {
		x[2*i] = float32((first+i)/256%256) / 256
		x[2*i+1] = float32((first+i)%256) / 256
	}
	return x
}

// contents returns the numbers of the images of b, in no order.
func contents(t *testing.T, b *Buffer) []int {
	t.Helper()
	var numbers []int
	for i := 0; i < len(b.images); i += 2 {
		numbers = append(numbers, int(b.images[i])*256+int(b.images[i+1]))
	}
	return numbers
}

func newBuffer(t testing.TB, capacity, h, w, c int, conditional bool) *Buffer {
	t.Helper()
	b, err := NewBuffer(capacity, h, w, c, conditional)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// After n images every one of them must be in the buffer with probability size/n.
func TestReservoirIsUniform(t *testing.T) {
	const capacity, n, runs = 20, 100, 3000
	kept := make([]float64, n)
	for run := range uint64(runs) {
		b := newBuffer(t, capacity, 1, 2, 1, false)
		s := rng.New(1, run)
		for first := 0; first < n; first += 10 {
			if err := b.Add(numbered(first, 10), nil, int64(first), &s); err != nil {
				t.Fatal(err)
			}
			if want := min(first+10, capacity); b.Len() != want {
				t.Fatalf("%d images after %d, want %d", b.Len(), first+10, want)
			}
		}
		numbers := contents(t, b)
		for _, i := range numbers {
			kept[i]++
		}
		slices.Sort(numbers)
		if len(slices.Compact(numbers)) != capacity {
			t.Fatalf("run %d: an image is there twice: %v", run, numbers)
		}
	}
	const p = float64(capacity) / n
	var chi2 float64 // about n degrees of freedom
	for _, k := range kept {
		chi2 += (k - p*runs) * (k - p*runs) / (p * (1 - p) * runs)
	}
	if chi2 > n+4*math.Sqrt(2*n) {
		t.Errorf("kept %v times, want each about %v: chi-squared %.0f", kept, p*runs, chi2)
	}
}

func TestMeanAge(t *testing.T) {
	b := newBuffer(t, 4, 1, 2, 1, false)
	s := rng.New(1)
	if age := b.MeanAge(7); age != 0 {
		t.Errorf("empty buffer: age %v", age)
	}
	for i := range int64(4) {
		if err := b.Add(numbered(0, 1), nil, 10*i, &s); err != nil {
			t.Fatal(err)
		}
	}
	if age := b.MeanAge(40); age != 25 {
		t.Errorf("age %v, want 25", age)
	}
}

func TestQuantise(t *testing.T) {
	for _, v := range []struct {
		x    float32
		want uint8
	}{
		{0, 0}, {1.0 / 256, 1}, {0.999 / 256, 0}, {0.5, 128}, {255.0 / 256, 255}, {1, 255},
		{-1, 0}, {7, 255}, {float32(math.Inf(1)), 255}, {float32(math.Inf(-1)), 0}, {float32(math.NaN()), 0},
	} {
		if got := quantise(v.x); got != v.want {
			t.Errorf("quantise(%v) = %d, want %d", v.x, got, v.want)
		}
	}
}

// A drawn image is a stored one within its quantum, with its own label.
func TestDrawReturnsStoredImages(t *testing.T) {
	const stored, n = 50, 4000
	b := newBuffer(t, 100, 1, 2, 1, true)
	s := rng.New(2)
	labels := make([]int32, stored)
	for i := range labels {
		labels[i] = int32(1000 + i)
	}
	if err := b.Add(numbered(0, stored), labels, 0, &s); err != nil {
		t.Fatal(err)
	}
	x, y := make([]float32, 2*n), make([]int32, n)
	if err := b.Draw(x, y, Start{}, 2, &s); err != nil {
		t.Fatal(err)
	}
	count := make([]int, stored)
	var within float64
	for i := range n {
		number := int(256 * x[2*i+1])
		if x[2*i] >= 1.0/256 || number >= stored || y[i] != int32(1000+number) {
			t.Fatalf("drew %v with label %d", x[2*i:2*i+2], y[i])
		}
		count[number]++
		within += float64(256*x[2*i+1]) - float64(number)
	}
	if mean := within / n; math.Abs(mean-0.5) > 4*math.Sqrt(1.0/12/n) {
		t.Errorf("mean place in the quantum %v, want 1/2", mean)
	}
	for i, k := range count {
		if k < n/stored/2 || k > n/stored*2 {
			t.Errorf("drew image %d %d times of %d", i, k, n)
		}
	}
}

func TestDrawStartsFromNoise(t *testing.T) {
	const n = 4000
	s := rng.New(3)
	b := newBuffer(t, 10, 4, 4, 1, true)
	x, y := make([]float32, 16*n), make([]int32, n)
	for i := range y {
		y[i] = -1
	}
	// An empty buffer gives noise alone, and keeps the labels asked for.
	if err := b.Draw(x, y, Start{}, 2, &s); err != nil {
		t.Fatal(err)
	}
	var mean, square float64
	for _, v := range x {
		mean += float64(v) / float64(len(x))
		square += float64(v) * float64(v) / float64(len(x))
	}
	if math.Abs(mean-0.5) > 0.005 || math.Abs(square-1.0/3) > 0.005 || slices.Max(y) != -1 {
		t.Errorf("empty buffer: mean %v, mean square %v, labels up to %d", mean, square, slices.Max(y))
	}
	if err := b.Add(make([]float32, 16), []int32{5}, 0, &s); err != nil {
		t.Fatal(err)
	}
	for _, restart := range []float32{0, 0.25, 1} {
		for i := range y {
			y[i] = -1
		}
		if err := b.Draw(x, y, Start{Restart: restart}, 2, &s); err != nil {
			t.Fatal(err)
		}
		noise := 0
		for i, label := range y {
			black := slices.Max(x[16*i:16*i+16]) < 1.0/256
			if black != (label == 5) {
				t.Fatalf("black is %v, label %d", black, label)
			}
			if !black {
				noise++
			}
		}
		p := float64(restart)
		if d := math.Abs(float64(noise)/n - p); d > 4*math.Sqrt(p*(1-p)/n) {
			t.Errorf("restart %v: %d of %d chains from noise", restart, noise, n)
		}
	}
}

func TestDrawDoesNotDependOnThreads(t *testing.T) {
	b := newBuffer(t, 30, 8, 8, 3, false)
	s := rng.New(4)
	if err := b.Add(testImages(30, 192), nil, 0, &s); err != nil {
		t.Fatal(err)
	}
	draw := func(threads int) []float32 {
		s := rng.New(5)
		x := make([]float32, 20*192)
		if err := b.Draw(x, nil, Start{Restart: 0.1, Augmentation: AugmentCIFAR10}, threads, &s); err != nil {
			t.Fatal(err)
		}
		return x
	}
	one := draw(1)
	for _, threads := range []int{2, 7} {
		if !slices.Equal(draw(threads), one) {
			t.Errorf("other images with %d threads", threads)
		}
	}
}

func TestBufferErrors(t *testing.T) {
	for _, v := range [][4]int{{0, 1, 1, 1}, {1, 0, 1, 1}, {1, 1, -1, 1}, {1, 1, 1, 0}, {math.MaxInt, 1, 1, 1}, {1, math.MaxInt, math.MaxInt, math.MaxInt}} {
		if _, err := NewBuffer(v[0], v[1], v[2], v[3], false); err == nil {
			t.Errorf("NewBuffer%v: no error", v)
		}
	}
	plain, labelled := newBuffer(t, 2, 2, 2, 1, false), newBuffer(t, 2, 2, 2, 1, true)
	s := rng.New(1)
	for _, v := range []struct {
		name   string
		b      *Buffer
		images int
		labels int
	}{
		{"part of an image", plain, 5, 0},
		{"labels where there are none", plain, 4, 1},
		{"no labels where there are some", labelled, 4, 0},
		{"too few labels", labelled, 8, 1},
	} {
		if err := v.b.Add(make([]float32, v.images), make([]int32, v.labels), 0, &s); err == nil {
			t.Errorf("Add, %s: no error", v.name)
		}
		if err := v.b.Draw(make([]float32, v.images), make([]int32, v.labels), Start{}, 1, &s); err == nil {
			t.Errorf("Draw, %s: no error", v.name)
		}
	}
	if err := plain.Draw(make([]float32, 4), nil, Start{Augmentation: Augmentation{CropScale: 2}}, 1, &s); err == nil {
		t.Error("Draw with a bad augmentation: no error")
	}
}

// filled returns a small buffer that has seen more than it holds.
func filled(t testing.TB, conditional bool) *Buffer {
	b := newBuffer(t, 8, 2, 3, 1, conditional)
	s := rng.New(6)
	for i := range int64(5) {
		var labels []int32
		if conditional {
			labels = []int32{int32(i), -1, 1 << 30}
		}
		if err := b.Add(testImages(3, 6), labels, i, &s); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

// A buffer that was saved and restored goes on exactly as it would have.
func TestSavedBufferContinues(t *testing.T) {
	for _, conditional := range []bool{false, true} {
		a := filled(t, conditional)
		var file bytes.Buffer
		written, err := a.WriteTo(&file)
		if err != nil || written != int64(file.Len()) {
			t.Fatalf("wrote %d bytes of %d: %v", written, file.Len(), err)
		}
		b := newBuffer(t, 8, 2, 3, 1, conditional)
		s := rng.New(9)
		if err := b.Add(testImages(2, 6), make([]int32, len(a.labels)/4), 0, &s); err != nil { // to be forgotten
			t.Fatal(err)
		}
		read, err := b.ReadFrom(iotest.OneByteReader(bytes.NewReader(file.Bytes())))
		if err != nil || read != written {
			t.Fatalf("read %d bytes of %d: %v", read, written, err)
		}
		var draws [2][]float32
		var labels [2][]int32
		for i, buffer := range []*Buffer{a, b} {
			s := rng.New(7)
			for k := range int64(4) {
				var y []int32
				if conditional {
					y = make([]int32, 3)
				}
				if err := buffer.Add(testImages(3, 6), y, 5+k, &s); err != nil {
					t.Fatal(err)
				}
			}
			draws[i] = make([]float32, 60)
			if conditional {
				labels[i] = make([]int32, 10)
			}
			if err := buffer.Draw(draws[i], labels[i], Start{Restart: 0.1}, 1, &s); err != nil {
				t.Fatal(err)
			}
		}
		if !slices.Equal(draws[0], draws[1]) || !slices.Equal(labels[0], labels[1]) || a.MeanAge(9) != b.MeanAge(9) {
			t.Errorf("conditional %v: the restored buffer goes on differently", conditional)
		}
	}
}

func TestDamagedBufferFiles(t *testing.T) {
	var file bytes.Buffer
	if _, err := filled(t, true).WriteTo(&file); err != nil {
		t.Fatal(err)
	}
	good := file.Bytes()
	check := func(name string, b *Buffer, data []byte, message string) {
		t.Helper()
		_, err := b.ReadFrom(bytes.NewReader(data))
		if err == nil || !strings.Contains(err.Error(), message) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: error %v, want one line with %q", name, err, message)
		}
		if b.Len() != 0 {
			t.Errorf("%s: %d images after the error", name, b.Len())
		}
	}
	same := func() *Buffer { return filled(t, true) }
	for n := range good {
		check("cut", same(), good[:n], "cut short")
	}
	for i := range good {
		bad := slices.Clone(good)
		bad[i] ^= 0x40
		check("one bit changed", same(), bad, "replay buffer: reading: ")
	}
	check("longer", same(), append(slices.Clone(good), 0), "more after the end")
	check("not a buffer", same(), []byte("PNG, perhaps"), "not a saved replay buffer")
	check("other shape", newBuffer(t, 8, 3, 2, 1, true), good, "8 labelled 2x3x1 images, but this run has a buffer of 8 labelled 3x2x1 images")
	check("other kind", newBuffer(t, 8, 2, 3, 1, false), good, "unlabelled")
	check("other capacity", newBuffer(t, 9, 2, 3, 1, true), good, "a buffer of 9")
}

func FuzzBufferReadFrom(f *testing.F) {
	for _, conditional := range []bool{false, true} {
		var file bytes.Buffer
		if _, err := filled(f, conditional).WriteTo(&file); err != nil {
			f.Fatal(err)
		}
		f.Add(file.Bytes(), conditional)
		f.Add(file.Bytes()[:40], conditional)
		var empty bytes.Buffer
		if _, err := newBuffer(f, 8, 2, 3, 1, conditional).WriteTo(&empty); err != nil {
			f.Fatal(err)
		}
		f.Add(empty.Bytes(), conditional)
	}
	f.Fuzz(func(t *testing.T, data []byte, conditional bool) {
		b := newBuffer(t, 8, 2, 3, 1, conditional)
		if _, err := b.ReadFrom(bytes.NewReader(data)); err != nil {
			if b.Len() != 0 || strings.Contains(err.Error(), "\n") {
				t.Fatalf("%d images after %v", b.Len(), err)
			}
			return
		}
		var again bytes.Buffer
		if _, err := b.WriteTo(&again); err != nil || !bytes.Equal(again.Bytes(), data) {
			t.Fatalf("read and written again, the file differs: %v", err)
		}
		s := rng.New(1)
		var labels []int32
		if conditional {
			labels = make([]int32, 2)
		}
		if err := b.Draw(make([]float32, 12), labels, Start{}, 1, &s); err != nil {
			t.Fatal(err)
		}
		if err := b.Add(make([]float32, 12), labels, 0, &s); err != nil {
			t.Fatal(err)
		}
	})
}

func BenchmarkDraw(b *testing.B) {
	buffer := newBuffer(b, 1000, 32, 32, 3, false)
	s := rng.New(1)
	if err := buffer.Add(testImages(1000, 3072), nil, 0, &s); err != nil {
		b.Fatal(err)
	}
	x := make([]float32, 128*3072)
	for b.Loop() {
		if err := buffer.Draw(x, nil, Start{Restart: Restart, Augmentation: AugmentCIFAR10}, 2, &s); err != nil {
			b.Fatal(err)
		}
	}
}
