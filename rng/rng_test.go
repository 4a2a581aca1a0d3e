package rng

import (
	"math"
	"testing"
)

// The published answers for philox4x32 with 10 rounds: the file kat_vectors of
// the Random123 library, by the authors of the paper.
func TestPhiloxKnownAnswers(t *testing.T) {
	for _, v := range []struct {
		ctr  [4]uint32
		key  [2]uint32
		want [4]uint32
	}{
		{[4]uint32{0, 0, 0, 0}, [2]uint32{0, 0},
			[4]uint32{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
		{[4]uint32{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, [2]uint32{0xffffffff, 0xffffffff},
			[4]uint32{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
		{[4]uint32{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, [2]uint32{0xa4093822, 0x299f31d0},
			[4]uint32{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
	} {
		if got := philox(v.ctr, v.key); got != v.want {
			t.Errorf("philox(%x, %x) = %x, want %x", v.ctr, v.key, got, v.want)
		}
	}
}

// quantileOf is the exact |z| of a word, in float64.
func quantileOf(w uint32) float64 {
	return math.Sqrt2 * math.Erfinv(1-float64(w<<1|1)/(1<<32))
}

func TestNormalIsTheQuantile(t *testing.T) {
	check := func(w uint32) {
		want := quantileOf(w)
		got := normal(w &^ (1 << 31))
		if err := math.Abs(float64(got) - want); err > want*2.0/(1<<23) {
			t.Fatalf("word %#x: normal %v, quantile %v: relative error %.2g", w, got, want, err/want)
		}
		if normal(w|1<<31) != -got {
			t.Fatalf("word %#x: not symmetric", w)
		}
	}
	for w := uint32(0); w < 1<<31; w += 1999 {
		check(w)
	}
	// Tail and centre, and both sides of every power of two.
	for w := range uint32(1 << 14) {
		check(w)
		check(1<<31 - 1 - w)
	}
	for e := range 31 {
		for d := range uint32(64) {
			check((1<<e + d) &^ (1 << 31))
			check((1<<e - 1 - d) &^ (1 << 31))
		}
	}
}

var sink float32

func BenchmarkFillNormal(b *testing.B) {
	s := New(1)
	x := make([]float32, 4096)
	b.SetBytes(int64(4 * len(x)))
	for b.Loop() {
		s.FillNormal(x)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(x)), "ns/value")
}

func BenchmarkFillUniform(b *testing.B) {
	s := New(1)
	x := make([]float32, 4096)
	for b.Loop() {
		s.FillUniform(x)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(x)), "ns/value")
}

func BenchmarkNormal(b *testing.B) {
	s := New(1)
	for b.Loop() {
		sink = s.Normal()
	}
}

func BenchmarkNew(b *testing.B) {
	for b.Loop() {
		s := New(1, 2, 3)
		sink = s.Float32()
	}
}
