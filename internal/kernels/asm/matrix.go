package main

import (
	"encoding/binary"
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/ir"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"

	"github.com/joule-ebm/joule/internal/kernels/matrix/amx"
)

// Tile registers hold up to 2×2 tiles of sums, from 0 on, two tiles of the left operand and two of the right one.
const (
	leftTile  = 4
	rightTile = 6
	tileSide  = 16
	tileBytes = 1024
)

// Registers are assigned by hand here: avo knows nothing of the bytes that name them. The goroutine's register R14 is free in
// functions that are called by Go's older convention, as all assembly is.
var (
	numbers = map[Physical]amx.Register{RAX: 0, RCX: 1, RDX: 2, RBX: 3, RSI: 6, RDI: 7, R8: 8, R9: 9, R10: 10, R11: 11, R12: 12,
		R13: 13, R14: 14, R15: 15}
	leftRows  = [2][2]GPPhysical{{RSI, R9}, {R10, R11}} // hi, lo; of the first 16 rows and the next
	leftPitch = R8                                      // bytes from row to row
	rightCols = [2]GPPhysical{RDI, RDX}                 // of the first 16 columns and the next
	rowPitch  = R12                                     // of the right operand's tiles: 64
)

// emit writes an instruction that Go's assembler does not know, after a comment that says which.
func emit(i amx.Instruction, comment string) {
	Comment(i.Op.String() + comment)
	for _, b := range i.Encode() {
		Instruction(&ir.Instruction{Opcode: "BYTE", Operands: []Op{U8(b)}})
	}
}

// move emits a load or a store of a tile whose rows lie at base + displacement + row·pitch.
func move(op amx.Op, t int, base, pitch GPPhysical, displacement int) {
	emit(amx.Instruction{Op: op, Tile: uint8(t), Base: numbers[base], Index: numbers[pitch], Scale: 1, Displacement: int32(displacement)},
		fmt.Sprintf(" tmm%d, %d(%s + row*%s)", t, displacement, base.Asm(), pitch.Asm()))
}

// multiplyTiles adds to the sums the products of the operands' tiles that are loaded.
func multiplyTiles(rows, columns int) {
	for r := range rows {
		for c := range columns {
			i := amx.Instruction{Op: amx.DotBF16, Tile: uint8(2*r + c), A: uint8(leftTile + r), B: uint8(rightTile + c)}
			emit(i, fmt.Sprintf(" tmm%d += tmm%d * tmm%d", i.Tile, i.A, i.B))
		}
	}
}

// matrixProduct writes a product of package matrix for operands of so many parts and blocks of rows×columns tiles.
func matrixProduct(parts, rows, columns int, config Mem) {
	TEXT(fmt.Sprintf("amxProduct%dx%dx%d", parts, tileSide*rows, tileSide*columns), NOSPLIT,
		"func(dst []float32, stride int, start []float32, startStride int, a []uint16, plane, aStride int, "+
			"blocks, segments []int32, steps int, b []uint16, panel int)")
	Pragma("noescape")
	sums := func(op amx.Op, base, pitch GPPhysical) {
		for r := range rows {
			for c := range columns {
				move(op, 2*r+c, base, pitch, 4*tileSide*c)
			}
			if r+1 < rows {
				MOVQ(pitch, RAX)
				SHLQ(U8(4), RAX)
				ADDQ(RAX, base)
			}
		}
	}
	LEAQ(config, RAX)
	emit(amx.Instruction{Op: amx.LoadConfig, Base: numbers[RAX]}, " (AX)")
	MOVQ(U32(4*tileSide), rowPitch)
	Load(Param("aStride"), leftPitch)
	SHLQ(U8(1), leftPitch)
	Load(Param("blocks").Base(), RBX)
	left := AllocLocal(8)
	Load(Param("blocks").Len(), RAX)
	MOVQ(RAX, left)

	Label("block")
	MOVLQSX(Mem{Base: RBX, Disp: 8}, R14)
	Load(Param("start").Base(), R15)
	LEAQ(Mem{Base: R15, Index: R14, Scale: 4}, R15)
	Load(Param("startStride"), R14)
	SHLQ(U8(2), R14)
	sums(amx.Load, R15, R14)
	Load(Param("b").Base(), rightCols[0])
	if columns > 1 {
		Load(Param("panel"), R15)
		LEAQ(Mem{Base: rightCols[0], Index: R15, Scale: 2}, rightCols[1])
	}
	Load(Param("segments").Base(), R13)
	Load(Param("segments").Len(), RAX)

	Label("segment")
	MOVLQSX(Mem{Base: R13}, R14)
	MOVLQSX(Mem{Base: RBX}, R15)
	ADDQ(R15, R14)
	Load(Param("a").Base(), leftRows[0][0])
	LEAQ(Mem{Base: leftRows[0][0], Index: R14, Scale: 2}, leftRows[0][0])
	if rows > 1 {
		MOVQ(leftPitch, R15)
		SHLQ(U8(4), R15)
		LEAQ(Mem{Base: leftRows[0][0], Index: R15, Scale: 1}, leftRows[0][1])
	}
	if parts > 1 {
		Load(Param("plane"), R15)
		for r := range rows {
			LEAQ(Mem{Base: leftRows[0][r], Index: R15, Scale: 2}, leftRows[1][r])
		}
	}
	Load(Param("steps"), RCX)

	Label("step")
	loadLeft := func(part int) {
		for r := range rows {
			move(amx.Load, leftTile+r, leftRows[part][r], leftPitch, 0)
		}
	}
	loadRight := func(part int) {
		for c := range columns {
			move(amx.Load, rightTile+c, rightCols[c], rowPitch, tileBytes*part)
		}
	}
	loadRight(0)
	if parts > 1 { // lo·hi first, so that the tiles change one operand at a time
		loadLeft(1)
		multiplyTiles(rows, columns)
	}
	loadLeft(0)
	multiplyTiles(rows, columns)
	if parts > 1 {
		loadRight(1)
		multiplyTiles(rows, columns)
	}
	for part := range parts {
		for r := range rows {
			ADDQ(U8(4*tileSide), leftRows[part][r])
		}
	}
	for c := range columns {
		ADDQ(U32(tileBytes*parts), rightCols[c])
	}
	DECQ(RCX)
	JNZ(LabelRef("step"))
	ADDQ(U8(4), R13)
	DECQ(RAX)
	JNZ(LabelRef("segment"))

	MOVLQSX(Mem{Base: RBX, Disp: 4}, R14)
	Load(Param("dst").Base(), R15)
	LEAQ(Mem{Base: R15, Index: R14, Scale: 4}, R15)
	Load(Param("stride"), R14)
	SHLQ(U8(2), R14)
	sums(amx.Store, R15, R14)
	ADDQ(U8(12), RBX)
	SUBQ(U8(3), left)
	JNZ(LabelRef("block"))
	emit(amx.Instruction{Op: amx.Release}, "")
	RET()
}

// vectorProduct writes a product of package matrix for blocks of rows×16, in vectors: what TDPBF16PS computes, to the last bit, for
// machines without it. Eight rows at a time have their even and odd sums in registers; the sums of both lie in dst. The control
// register is set to do with small numbers as the matrix unit does.
func vectorProduct(parts int) {
	TEXT(fmt.Sprintf("avx512Product%d", parts), NOSPLIT,
		"func(dst []float32, stride int, start []float32, startStride int, a []uint16, plane, aStride int, "+
			"blocks, segments []int32, steps int, b []uint16, rows int)")
	Pragma("noescape")
	const (
		group        = 8
		flushToZero  = 0x9fc0 // all exceptions masked, denormals are zero, results flushed to zero, round to nearest
		bytesOfPairs = 4 * tileSide
	)
	control, blocksLeft, rowsLeft, rowOffset, rowSums := AllocLocal(8), AllocLocal(8), AllocLocal(8), AllocLocal(8), AllocLocal(8)
	set := control.Offset(4)
	STMXCSR(control)
	MOVL(U32(flushToZero), set)
	LDMXCSR(set)

	upper, r := ZMM(), GP32()
	MOVL(U32(0xffff0000), r)
	VPBROADCASTD(r, upper)
	pitch := [group]GPVirtual{1: Load(Param("aStride"), GP64()).(GPVirtual), 3: GP64(), 5: GP64(), 7: GP64()}
	SHLQ(U8(1), pitch[1])
	LEAQ(Mem{Base: pitch[1], Index: pitch[1], Scale: 2}, pitch[3])
	LEAQ(Mem{Base: pitch[1], Index: pitch[1], Scale: 4}, pitch[5])
	LEAQ(Mem{Base: pitch[3], Index: pitch[1], Scale: 4}, pitch[7])
	row := func(base GPVirtual, r int) Mem {
		switch r {
		case 0:
			return Mem{Base: base}
		case 2, 4:
			return Mem{Base: base, Index: pitch[1], Scale: uint8(r)}
		case 6:
			return Mem{Base: base, Index: pitch[3], Scale: 2}
		}
		return Mem{Base: base, Index: pitch[r], Scale: 1}
	}
	at, n := GP64(), GP64()
	blocks := Load(Param("blocks").Base(), GP64())
	Load(Param("blocks").Len(), n)
	MOVQ(n, blocksLeft)

	Label("block")
	from, to, step := GP64(), GP64(), GP64()
	MOVLQSX(Mem{Base: blocks, Disp: 8}, at)
	Load(Param("start").Base(), from)
	LEAQ(Mem{Base: from, Index: at, Scale: 4}, from)
	MOVLQSX(Mem{Base: blocks, Disp: 4}, at)
	Load(Param("dst").Base(), to)
	LEAQ(Mem{Base: to, Index: at, Scale: 4}, to)
	MOVQ(to, rowSums)
	Load(Param("rows"), n)
	MOVQ(n, rowsLeft)
	MOVQ(U32(0), rowOffset)
	Load(Param("startStride"), step)
	Load(Param("stride"), at)
	Label("begin")
	first := ZMM()
	VMOVUPS(Mem{Base: from}, first)
	VMOVUPS(first, Mem{Base: to})
	LEAQ(Mem{Base: from, Index: step, Scale: 4}, from)
	LEAQ(Mem{Base: to, Index: at, Scale: 4}, to)
	DECQ(n)
	JNZ(LabelRef("begin"))

	Label("rows")
	right := Load(Param("b").Base(), GP64())
	segment, segments := Load(Param("segments").Base(), GP64()), Load(Param("segments").Len(), GP64())
	Label("segment")
	left, steps := GP64(), GP64()
	MOVLQSX(Mem{Base: segment}, at)
	MOVLQSX(Mem{Base: blocks}, left)
	ADDQ(left, at)
	Load(Param("a").Base(), left)
	LEAQ(Mem{Base: left, Index: at, Scale: 2}, left)
	ADDQ(rowOffset, left)
	Load(Param("steps"), steps)
	Label("step")
	factors := [][2]int{{1, 0}, {0, 0}, {0, 1}} // parts of left and right
	if parts == 1 {
		factors = [][2]int{{0, 0}}
	}
	for _, part := range factors {
		even, odd := avx512.vectors(group), avx512.vectors(group)
		for r := range group {
			clearVector(even[r])
			clearVector(odd[r])
		}
		a, b := GP64(), GP64()
		MOVQ(left, a)
		if part[0] > 0 {
			Load(Param("plane"), at)
			LEAQ(Mem{Base: a, Index: at, Scale: 2}, a)
		}
		LEAQ(Mem{Base: right, Disp: part[1] * tileBytes}, b)
		MOVQ(U32(tileSide), n)
		pair := label("pair")
		Label(pair)
		bEven, bOdd := ZMM(), ZMM()
		VMOVDQU32(Mem{Base: b}, bOdd)
		VPSLLD(U8(16), bOdd, bEven)
		VPANDD(upper, bOdd, bOdd)
		for r := range group {
			aEven, aOdd := ZMM(), ZMM()
			VPBROADCASTD(row(a, r), aOdd)
			VPSLLD(U8(16), aOdd, aEven)
			VPANDD(upper, aOdd, aOdd)
			VFMADD231PS(bEven, aEven, even[r])
			VFMADD231PS(bOdd, aOdd, odd[r])
		}
		ADDQ(U8(4), a)
		ADDQ(U8(bytesOfPairs), b)
		DECQ(n)
		JNZ(LabelRef(pair))
		Load(Param("stride"), at)
		MOVQ(rowSums, to)
		for r := range group {
			VADDPS(odd[r], even[r], even[r])
			VADDPS(Mem{Base: to}, even[r], even[r])
			VMOVUPS(even[r], Mem{Base: to})
			LEAQ(Mem{Base: to, Index: at, Scale: 4}, to)
		}
	}
	ADDQ(U8(bytesOfPairs), left)
	ADDQ(U32(tileBytes*parts), right)
	DECQ(steps)
	JNZ(LabelRef("step"))
	ADDQ(U8(4), segment)
	DECQ(segments)
	JNZ(LabelRef("segment"))
	MOVQ(to, rowSums) // the rows after these
	LEAQ(Mem{Base: pitch[1], Index: pitch[7], Scale: 1}, at)
	ADDQ(at, rowOffset)
	SUBQ(U8(group), rowsLeft)
	JNZ(LabelRef("rows"))
	ADDQ(U8(12), blocks)
	SUBQ(U8(3), blocksLeft)
	JNZ(LabelRef("block"))
	LDMXCSR(control)
	done()
}

// matrixPeak writes a loop of products of tiles that lie in registers, 4 a round.
func matrixPeak(config Mem) {
	TEXT("amxProducts", NOSPLIT, "func(rounds int)")
	LEAQ(config, RAX)
	emit(amx.Instruction{Op: amx.LoadConfig, Base: numbers[RAX]}, " (AX)")
	for t := range 8 {
		emit(amx.Instruction{Op: amx.Zero, Tile: uint8(t)}, fmt.Sprintf(" tmm%d", t))
	}
	Load(Param("rounds"), RCX)
	Label("round")
	multiplyTiles(2, 2)
	DECQ(RCX)
	JNZ(LabelRef("round"))
	emit(amx.Instruction{Op: amx.Release}, "")
	RET()
}

// matrixConfig is the shape of the tiles, all of them whole.
func matrixConfig() Mem {
	config := GLOBL("tileConfig", RODATA|NOPTR)
	bytes := amx.Config(tileSide, 4*tileSide)
	for i := 0; i < len(bytes); i += 8 {
		DATA(i, U64(binary.LittleEndian.Uint64(bytes[i:])))
	}
	return config
}

// bf16 is the state of rounding vectors of float32 numbers to bf16.
type bf16 struct {
	one, half, quiet, upper VecVirtual
}

func newBF16() bf16 {
	constant := func(name string, x uint32) VecVirtual {
		v, r := ZMM(), GP32()
		Commentf("%s: %#x in every lane", name, x)
		MOVL(U32(x), r)
		VPBROADCASTD(r, v)
		return v
	}
	return bf16{constant("one", 1), constant("half", 0x7fff), constant("quiet", 0x00400000), constant("upper", 0xffff0000)}
}

// round gives vectors whose upper halves are the rounded numbers: nearest, ties to even, and what is no number stays none.
func (b bf16) round(x VecVirtual) VecVirtual {
	y, none := ZMM(), K()
	VCMPPS(U8(3), x, x, none) // unordered
	VPSRLD(U8(16), x, y)
	VPANDD(b.one, y, y)
	VPADDD(b.half, y, y)
	VPADDD(x, y, y)
	VPORD(b.quiet, x, none, y)
	return y
}

// store writes the upper halves.
func (b bf16) store(y VecVirtual, to Mem) {
	VPSRLD(U8(16), y, y)
	VPMOVDW(y, to)
}

// splitBF16 writes the functions that round numbers to bf16, and that split them in two, sixteen at a time.
func splitBF16(parts int) {
	name, signature := "avx512Round", "func(hi []uint16, x []float32)"
	if parts == 2 {
		name, signature = "avx512Split", "func(hi, lo []uint16, x []float32)"
	}
	TEXT(name, NOSPLIT, signature)
	Pragma("noescape")
	b := newBF16()
	x, n := Load(Param("x").Base(), GP64()), Load(Param("x").Len(), GP64())
	hi, lo := Load(Param("hi").Base(), GP64()), Register(nil)
	if parts == 2 {
		lo = Load(Param("lo").Base(), GP64())
	}
	SHRQ(U8(4), n)
	JZ(LabelRef("end"))
	Label("loop")
	v := ZMM()
	VMOVUPS(Mem{Base: x}, v)
	upper := b.round(v)
	if parts == 2 {
		rest := ZMM()
		VPANDD(b.upper, upper, rest)
		VSUBPS(rest, v, rest)
		b.store(b.round(rest), Mem{Base: lo})
		ADDQ(U8(32), lo)
	}
	b.store(upper, Mem{Base: hi})
	ADDQ(U8(32), hi)
	ADDQ(U8(64), x)
	DECQ(n)
	JNZ(LabelRef("loop"))
	Label("end")
	done()
}

// packBF16 writes the functions that lay out a step of the right operand: 16 pairs of rows of 16 float32 numbers.
func packBF16(parts int) {
	name, signature := "avx512Pack1", "func(hi []uint16, rows []float32)"
	if parts == 2 {
		name, signature = "avx512Pack2", "func(hi, lo []uint16, rows []float32)"
	}
	TEXT(name, NOSPLIT, signature)
	Pragma("noescape")
	b := newBF16()
	rows, hi, lo, n := Load(Param("rows").Base(), GP64()), Load(Param("hi").Base(), GP64()), Register(nil), GP64()
	if parts == 2 {
		lo = Load(Param("lo").Base(), GP64())
	}
	MOVQ(U32(tileSide), n)
	Label("loop")
	first, second := avx512.load(Mem{Base: rows}), avx512.load(Mem{Base: rows, Disp: 4 * tileSide})
	x, y := b.round(first), b.round(second)
	b.pair(x, y, Mem{Base: hi})
	if parts == 2 {
		VPANDD(b.upper, x, x)
		VPANDD(b.upper, y, y)
		VSUBPS(x, first, x)
		VSUBPS(y, second, y)
		b.pair(b.round(x), b.round(y), Mem{Base: lo})
		ADDQ(U8(4*tileSide), lo)
	}
	ADDQ(U8(4*tileSide), hi)
	ADDQ(U32(2*4*tileSide), rows)
	DECQ(n)
	JNZ(LabelRef("loop"))
	done()
}

// pair writes the upper halves of x and y in turn.
func (b bf16) pair(x, y VecVirtual, to Mem) {
	low, high := ZMM(), ZMM()
	VPSRLD(U8(16), x, low)
	VPANDD(b.upper, y, high)
	VPORD(low, high, high)
	VMOVDQU32(high, to)
}

// matrixUnit writes all of package matrix.
func matrixUnit() {
	config := matrixConfig()
	for _, parts := range []int{1, 2} {
		for _, rows := range []int{1, 2} {
			for _, columns := range []int{1, 2} {
				matrixProduct(parts, rows, columns, config)
			}
		}
		vectorProduct(parts)
		splitBF16(parts)
		packBF16(parts)
	}
	matrixPeak(config)
}
