package main

import (
	"encoding/binary"
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/ir"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"

	"github.com/joule-ebm/joule/engine/cpu/kernels/matrix/amx"
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
	Label("again")
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
	JNZ(LabelRef("again"))
	Label("end")
	done()
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
		splitBF16(parts)
	}
	matrixPeak(config)
}
