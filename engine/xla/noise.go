//go:build xla

package xla

// This file writes package engine/rng: Philox4x32-10 in 32-bit whole numbers, names hashed as rng.New does, and the normal numbers by
// their table. The numbers are rng's, bit for bit.
//
// Source: Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3" (SC 2011); engine/rng/normal.go.

import (
	"github.com/joule-ebm/joule/engine/rng"
	"github.com/joule-ebm/joule/engine/xla/stablehlo"
	"github.com/joule-ebm/joule/expr"
)

// words are four tensors of 32-bit words of one shape: a counter or a block of numbers.
type words [4]tensor

// stream is the state of a rng.Stream: key0, key1, name0, name1.
type stream words

const (
	multiplier0, multiplier1 = 0xD2511F53, 0xCD9E8D57
	keyStep0, keyStep1       = 0x9E3779B9, 0xBB67AE85
	hashKey0, hashKey1       = 0x6A09E667, 0xBB67AE85
)

// word is a constant of t's shape.
func (l *lowering) word(x uint32, t tensor) tensor {
	return l.Integer(stablehlo.U32, uint64(x), t.Dims...)
}

// halves are the low and the high word of 64-bit numbers.
func (l *lowering) halves(t tensor) (low, high tensor) {
	shifted := l.Same("shift_right_logical", t, l.Integer(stablehlo.U64, 32, t.Dims...))
	return l.Convert(t, stablehlo.U32), l.Convert(shifted, stablehlo.U32)
}

// wide is the product of words by a constant, 64 bits long.
func (l *lowering) wide(t tensor, by uint32) (low, high tensor) {
	w := l.Convert(t, stablehlo.U64)
	return l.halves(l.Same("multiply", w, l.Integer(stablehlo.U64, uint64(by), t.Dims...)))
}

// round is one of Philox' ten, with the keys of the next.
func (l *lowering) round(c words, k0, k1 tensor) (words, tensor, tensor) {
	low0, high0 := l.wide(c[0], multiplier0)
	low1, high1 := l.wide(c[2], multiplier1)
	xor := func(a, b, c tensor) tensor { return l.Same("xor", l.Same("xor", a, b), c) }
	next := words{xor(high1, c[1], k0), low1, xor(high0, c[3], k1), low0}
	return next, l.Same("add", k0, l.word(keyStep0, k0)), l.Same("add", k1, l.word(keyStep1, k1))
}

// philox is the block at a counter under a key. The rounds are written one after the other, to be fused into one pass over the numbers: as a
// loop they would be a kernel each, or more, for a GPU to start.
func (l *lowering) philox(c words, k0, k1 tensor) words {
	for range 10 {
		c, k0, k1 = l.round(c, k0, k1)
	}
	return c
}

// stream is that of a seed.
func (l *lowering) stream(seed tensor) stream {
	lo, hi := l.halves(seed)
	zero := l.word(0, lo)
	return stream(l.philox(words{lo, hi, zero, zero}, l.word(hashKey0, lo), l.word(hashKey1, lo)))
}

// child is the stream of one element of a path more, or a stream for each if there are several.
func (l *lowering) child(s stream, path tensor) stream {
	for i := range s {
		if len(s[i].Dims) == 0 {
			s[i] = l.Broadcast(s[i], nil, path.Dims...)
		}
	}
	lo, hi := l.halves(path)
	k0, k1 := l.Same("xor", s[0], l.word(hashKey0, lo)), l.Same("xor", s[1], l.word(hashKey1, lo))
	return stream(l.philox(words{lo, hi, s[2], s[3]}, k0, k1))
}

// numbers are the first words of each of N streams, N×size.
func (l *lowering) numbers(s stream, size int) tensor {
	n, blocks := s[0].Dims[0], (size+3)/4
	for i := range s {
		s[i] = l.Broadcast(s[i], []int{0}, n, blocks)
	}
	counter := l.Iota(stablehlo.U32, 1, n, blocks)
	w := l.philox(words{counter, l.word(0, counter), s[2], s[3]}, s[0], s[1])
	for i := range w {
		w[i] = l.Reshape(w[i], n, blocks, 1)
	}
	return l.SliceAxis(l.Reshape(l.Concatenate(2, w[:]...), n, 4*blocks), 1, 0, size, 1)
}

// uniform keeps the top 24 bits of words.
func (l *lowering) uniform(w tensor) tensor {
	f := l.Convert(l.Same("shift_right_logical", w, l.word(8, w)), stablehlo.F32)
	return l.Same("multiply", f, l.Like(f, 1.0/(1<<24)))
}

// normal is the inverse of the normal distribution function at words. A product and the sum that follows it must not become a fused
// multiply-add, which rounds once instead of twice, and compilers make one where they can: the bits of each product are joined with a
// zero that they do not know to be zero.
func (l *lowering) normal(w tensor) tensor {
	and := func(t tensor, mask uint32) tensor { return l.Same("and", t, l.word(mask, t)) }
	m := l.Same("or", l.Same("shift_left", w, l.word(1, w)), l.word(1, w))
	octave := l.Same("count_leading_zeros", m)
	m = l.Same("shift_left", m, octave)
	segment := l.Same("or", l.Same("shift_left", octave, l.word(4, w)), and(l.Same("shift_right_logical", m, l.word(27, w)), 15))
	segment = l.Convert(and(segment, 511), stablehlo.I32)
	left := l.Same("subtract", l.word(1<<27, w), and(m, 1<<27-1))
	t := l.Convert(l.Convert(left, stablehlo.I32), stablehlo.F32)

	zero := l.Broadcast(l.call.zero, nil, w.Dims...)
	times := func(z tensor) tensor {
		bits := l.Bitcast(l.Same("multiply", t, z), stablehlo.U32)
		return l.Bitcast(l.Same("or", bits, zero), stablehlo.F32)
	}
	table := rng.Quantile()
	coefficient := func(k int) tensor {
		column := make([]float32, len(table))
		for i := range column {
			column[i] = table[i][k]
		}
		return l.Gather(l.Floats(column, len(column)), segment)
	}
	z := coefficient(3)
	for k := 2; k >= 0; k-- {
		z = l.Same("add", times(z), coefficient(k))
	}
	sign := and(w, 1<<31)
	return l.Bitcast(l.Same("or", l.Bitcast(z, stablehlo.U32), sign), stablehlo.F32)
}

// streamsOf are those of a leaf's noise, one for each image, from which a step's is one hash further. They are the same in all steps.
func (l *lowering) streamsOf(v *expr.Value) stream {
	name := v.Attr().Name
	s, ok := l.streams[name]
	if !ok {
		chains := l.Same("add", l.Broadcast(l.call.chain, nil, l.batch), l.Iota(stablehlo.U64, 0, l.batch))
		s = l.child(l.child(l.stream(l.call.seed), l.Integer(stablehlo.U64, label(name))), chains)
		l.streams[name] = s
	}
	return s
}

// label is the path element of a noise's name, as the CPU engine has it.
func label(name string) (n uint64) {
	for _, c := range []byte(name) {
		n = n*257 + uint64(c)
	}
	return n
}

func noise(l *lowering, v *expr.Value, _ []tensor) tensor {
	step := l.Broadcast(l.call.step, nil, l.batch)
	w := l.numbers(l.child(l.streamsOf(v), step), v.Shape().Size())
	if v.Op() == expr.OpGaussian {
		w = l.normal(w)
	} else {
		w = l.uniform(w)
	}
	return l.Reshape(w, l.dims(v)...)
}
