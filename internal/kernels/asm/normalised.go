package main

import (
	"strings"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// normalised writes the kernels that take a normalised value, x*scale + shift with a scale and a shift for each channel, on to what it is
// for, without a trip through memory.
func normalised(s simd) {
	affine := func(x VecVirtual, scale, shift Mem) VecVirtual {
		VFMADD213PS(shift, s.load(scale), x)
		return x
	}
	s.perPixel("NormSwish", "value", "x", "scale shift", 2, func() pixelwise {
		w := s.swish()
		return func(in []VecVirtual, rows []Mem) []VecVirtual {
			return []VecVirtual{w.order(0, affine(in[0], rows[0], rows[1]))}
		}
	})
	s.perPixel("NormSwishPair", "value slope", "x", "scale shift", 2, func() pixelwise {
		w := s.swish()
		return func(in []VecVirtual, rows []Mem) []VecVirtual { return w.pair(affine(in[0], rows[0], rows[1])) }
	})
	s.perPixel("NormGrad", "dst", "a x", "factor scale shift", 4, func() pixelwise {
		return func(in []VecVirtual, rows []Mem) []VecVirtual {
			other := affine(in[1], rows[1], rows[2])
			VFMADD231PS(rows[0], in[0], other)
			return []VecVirtual{other}
		}
	})
}

// pixelwise turns one vector of each input, which it may write to, and of each row, into one of each output.
type pixelwise func(in []VecVirtual, rows []Mem) (out []VecVirtual)

// perPixel writes a function of the named outputs, inputs and rows: pixel after pixel, for each some vectors of channels at a time and then
// single ones. The rows are as long as a pixel, a multiple of the vectors' 16 or 8, and there is at least one pixel.
func (s simd) perPixel(name, outputs, inputs, rows string, unroll int, setup func() pixelwise) {
	outs, ins, perChannel := strings.Fields(outputs), strings.Fields(inputs), strings.Fields(rows)
	all := append(append(append([]string{}, outs...), ins...), perChannel...)
	s.text(name, "func("+strings.Join(all, ", ")+" []float32)")
	base := map[string]Register{}
	for _, name := range all {
		base[name] = Load(Param(name).Base(), GP64())
	}
	n, channels := Load(Param(outs[0]).Len(), GP64()), Load(Param(perChannel[0]).Len(), GP64())
	body := setup()
	at, channel, next := GP64(), GP64(), GP64()
	XORQ(at, at)
	pixel := label("pixel")
	Label(pixel)
	XORQ(channel, channel)
	for _, vectors := range []int{unroll, 1} {
		loop, end := label("loop"), label("end")
		Label(loop)
		LEAQ(Mem{Base: channel, Disp: vectors * s.lanes()}, next)
		CMPQ(next, channels)
		JG(LabelRef(end))
		for v := range vectors {
			mem := func(name string, index Register) Mem {
				return Mem{Base: base[name], Index: index, Scale: 4, Disp: v * s.bytes()}
			}
			var in []VecVirtual
			for _, name := range ins {
				in = append(in, s.load(mem(name, at)))
			}
			var row []Mem
			for _, name := range perChannel {
				row = append(row, mem(name, channel))
			}
			for k, v := range body(in, row) {
				VMOVUPS(v, mem(outs[k], at))
			}
		}
		MOVQ(next, channel)
		ADDQ(U32(vectors*s.lanes()), at)
		JMP(LabelRef(loop))
		Label(end)
	}
	CMPQ(at, n)
	JL(LabelRef(pixel))
	done()
}
