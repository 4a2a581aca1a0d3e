package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// tile is a block of rows by so many vectors of columns, its sums all in registers. For each step of the inner sum the
// rows' numbers are broadcast from memory, one after the other, and multiplied into the vectors of the other operand.
type tile struct {
	simd
	rows    int
	vectors int // of columns
}

func (t tile) name(kind string) string {
	return fmt.Sprintf("%s%dx%d", kind, t.rows, t.vectors*t.lanes())
}

// multiply adds a[r] (at mem(r)) times the vectors at b to the sums.
func (t tile) multiply(sums [][]VecVirtual, a func(r int) Mem, b func(v int) Mem) {
	bs := make([]VecVirtual, t.vectors)
	for v := range bs {
		bs[v] = t.load(b(v))
	}
	for r := range t.rows {
		if t.vectors == 1 && t.simd == avx512 {
			VFMADD231PS_BCST(a(r), bs[0], sums[r][0])
			continue
		}
		value := t.broadcast(a(r))
		for v := range bs {
			VFMADD231PS(value, bs[v], sums[r][v])
		}
	}
}

// sums are the vectors of each row.
func (t tile) sums() [][]VecVirtual {
	sums := make([][]VecVirtual, t.rows)
	for r := range sums {
		sums[r] = t.simd.vectors(t.vectors)
	}
	return sums
}

// Packed weights are read once, in order, and mostly come from memory: they are asked for this many bytes before they are needed,
// which hides its latency behind the products in between. Caches fetch lines.
const ahead, cacheLine = 8192, 64

// conv writes a ConvTile. For each tap a pointer to the end of each row's pixel is held in a register and indexed by k, which
// runs from -depth to 0. Twelve rows leave two registers: k, and the weights, which are simply read in order. What else
// there is to know waits on the stack. The offsets, too, are read in order, block after block.
func (t tile) conv() {
	t.text(t.name("Conv"), "func(dst []float32, stride int, x []float32, offsets []int32, blocks, taps, depth int, w, bias []float32)")
	const step = 4 // bytes of a float32 and of an offset

	sums := t.sums()
	block, finished := label("block"), label("finished")
	blocksLeft, blockDst := AllocLocal(8), AllocLocal(8)
	tapsLeft, tapOffsets := AllocLocal(8), AllocLocal(8)
	MOVQ(Load(Param("dst").Base(), GP64()), blockDst)
	MOVQ(Load(Param("offsets").Base(), GP64()), tapOffsets)
	MOVQ(Load(Param("blocks"), GP64()), blocksLeft)
	Label(block)
	CMPQ(blocksLeft, U8(0))
	JLE(LabelRef(finished))
	DECQ(blocksLeft)
	zero, begin := label("zero"), label("begin")
	bias := Load(Param("bias").Base(), GP64())
	TESTQ(bias, bias)
	JZ(LabelRef(zero))
	for v := range t.vectors {
		VMOVUPS(Mem{Base: bias, Disp: v * t.bytes()}, sums[0][v])
		for r := 1; r < t.rows; r++ {
			VMOVAPS(sums[0][v], sums[r][v])
		}
	}
	JMP(LabelRef(begin))
	Label(zero)
	for r := range t.rows {
		for v := range t.vectors {
			clearVector(sums[r][v])
		}
	}
	Label(begin)

	end, next := label("end"), label("tap")
	k, w := GP64(), GP64()
	Load(Param("taps"), k)
	TESTQ(k, k)
	JZ(LabelRef(end))
	MOVQ(k, tapsLeft)
	Load(Param("depth"), k)
	TESTQ(k, k)
	JZ(LabelRef(end))
	Load(Param("w").Base(), w)

	Label(next)
	pixels := make([]GPVirtual, t.rows)
	MOVQ(tapOffsets, k)
	for r := range pixels {
		pixels[r] = GP64()
		MOVLQSX(Mem{Base: k, Disp: step * r}, pixels[r])
	}
	ADDQ(U32(step*t.rows), k)
	MOVQ(k, tapOffsets)
	Load(Param("depth"), k)
	SHLQ(U8(2), k)
	ADDQ(address("x"), k)
	for _, p := range pixels {
		LEAQ(Mem{Base: k, Index: p, Scale: step}, p)
	}
	Load(Param("depth"), k)
	NEGQ(k)

	loop := label("depth")
	Label(loop)
	for v := 0; v < t.vectors*t.bytes(); v += cacheLine {
		PREFETCHT0(Mem{Base: w, Disp: ahead + v})
	}
	t.multiply(sums,
		func(r int) Mem { return Mem{Base: pixels[r], Index: k, Scale: step} },
		func(v int) Mem { return Mem{Base: w, Disp: v * t.bytes()} })
	ADDQ(U32(t.vectors*t.bytes()), w)
	INCQ(k)
	JNZ(LabelRef(loop))
	DECQ(tapsLeft)
	JNZ(LabelRef(next))

	Label(end)
	dst := GP64()
	MOVQ(blockDst, dst)
	stride := Load(Param("stride"), GP64())
	for r := range t.rows {
		for v := range t.vectors {
			VMOVUPS(sums[r][v], Mem{Base: dst, Disp: v * t.bytes()})
		}
		LEAQ(Mem{Base: dst, Index: stride, Scale: step}, dst)
	}
	MOVQ(dst, blockDst)
	JMP(LabelRef(block))
	Label(finished)
	done()
}

// grad writes a GradTile.
func (t tile) grad() {
	t.text(t.name("Grad"), "func(dst []float32, stride int, x []float32, offsets []int32, dy []float32, dyStride int)")
	const step = 4
	sums := t.sums()
	for r := range t.rows {
		for v := range t.vectors {
			clearVector(sums[r][v])
		}
	}
	x, dy := Load(Param("x").Base(), GP64()), Load(Param("dy").Base(), GP64())
	offsets, n := Load(Param("offsets").Base(), GP64()), Load(Param("offsets").Len(), GP64())
	dyStride := Load(Param("dyStride"), GP64())
	SHLQ(U8(2), dyStride)
	pixel := GP64()
	loop, end := label("pixel"), label("end")
	TESTQ(n, n)
	JZ(LabelRef(end))
	LEAQ(Mem{Base: offsets, Index: n, Scale: step}, offsets)
	NEGQ(n)
	Label(loop)
	MOVLQSX(Mem{Base: offsets, Index: n, Scale: step}, pixel)
	t.multiply(sums,
		func(r int) Mem { return Mem{Base: x, Index: pixel, Scale: step, Disp: step * r} },
		func(v int) Mem { return Mem{Base: dy, Disp: v * t.bytes()} })
	ADDQ(dyStride, dy)
	INCQ(n)
	JNZ(LabelRef(loop))
	Label(end)
	dst := Load(Param("dst").Base(), GP64())
	stride := Load(Param("stride"), GP64())
	for r := range t.rows {
		for v := range t.vectors {
			at := Mem{Base: dst, Disp: v * t.bytes()}
			VADDPS(at, sums[r][v], sums[r][v])
			VMOVUPS(sums[r][v], at)
		}
		if r < t.rows-1 {
			LEAQ(Mem{Base: dst, Index: stride, Scale: step}, dst)
		}
	}
	done()
}

// address is where an argument's slice pointer lies.
func address(name string) Mem {
	c, err := Param(name).Base().Resolve()
	if err != nil {
		panic(err)
	}
	return c.Addr
}
