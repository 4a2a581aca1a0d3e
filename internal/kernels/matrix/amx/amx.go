// Package amx writes and reads the instructions of Intel's Advanced Matrix Extensions (AMX) that multiply bf16 numbers: Go's
// assembler does not know them, so the generator of the kernels writes them as bytes (Encode), and the emulator, on machines
// without the unit, reads them (Decode).
//
// Source: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2. All are VEX-encoded, 128 bits, opcode map 0F38,
// W = 0:
//
//	C4  R̄ X̄ B̄ 00010  0 v̄v̄v̄v̄ 0 pp  opcode  ModRM  [SIB  displacement]
//
// where a bar means that the bits are inverted. The prefix pp tells apart instructions of one opcode.
package amx

import (
	"encoding/binary"
	"fmt"
	"math"
)

// Op is an operation.
type Op uint8

const (
	LoadConfig  Op = iota // LDTILECFG m512: take the shapes of the tiles from memory
	StoreConfig           // STTILECFG m512
	Release               // TILERELEASE: back to the initial state, no tiles
	Zero                  // TILEZERO tmm
	Load                  // TILELOADD tmm, sibmem: rows at base + row·index
	LoadT1                // TILELOADDT1: the same for data that is not soon read again
	Store                 // TILESTORED sibmem, tmm
	DotBF16               // TDPBF16PS tmm, tmm, tmm: add the product of bf16 matrices
)

// The forms an instruction's operands take.
const (
	memory  = iota // base + displacement
	rows           // a tile, and base + index·scale + displacement
	none           // nothing
	single         // a tile
	product        // three tiles
)

var operations = []struct {
	name           string
	prefix, opcode byte
	form           int
}{
	LoadConfig:  {"LDTILECFG", 0, 0x49, memory},
	StoreConfig: {"STTILECFG", 1, 0x49, memory},
	Release:     {"TILERELEASE", 0, 0x49, none},
	Zero:        {"TILEZERO", 3, 0x49, single},
	Load:        {"TILELOADD", 3, 0x4b, rows},
	LoadT1:      {"TILELOADDT1", 1, 0x4b, rows},
	Store:       {"TILESTORED", 2, 0x4b, rows},
	DotBF16:     {"TDPBF16PS", 2, 0x5c, product},
}

func (op Op) String() string { return operations[op].name }

// Register is a general-purpose register by its number in machine code: RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8 ... R15.
type Register uint8

// Instruction is one instruction with its operands; those that its form does not have are zero.
type Instruction struct {
	Op   Op
	Tile uint8 // destination, or what is stored
	A, B uint8 // tiles that are multiplied
	// Where the rows of a tile, or a configuration, lie: row r of a tile at Base + Displacement + r·Index·Scale.
	Base, Index  Register
	Scale        uint8 // 1, 2, 4 or 8
	Displacement int32
}

const (
	tiles    = 8
	stack    = 4 // RSP as an index means none, as a base asks for an SIB byte
	frameLow = 5 // RBP and R13 as a base always have a displacement
)

// Encode is the instruction in machine code. It panics on operands that do not exist, as a generator should.
func (i Instruction) Encode() []byte {
	o := operations[i.Op]
	if i.Tile >= tiles || i.A >= tiles || i.B >= tiles || i.Base > 15 || i.Index > 15 {
		panic(fmt.Sprintf("amx: no such register in %v %+v", i.Op, i))
	}
	var b, x byte // high bits of base and index
	vvvv := byte(0)
	var operands []byte
	switch o.form {
	case none:
		operands = []byte{0xc0}
	case single:
		operands = []byte{0xc0 | i.Tile<<3}
	case product:
		operands = []byte{0xc0 | i.Tile<<3 | i.A}
		vvvv = i.B
	case memory, rows:
		b = byte(i.Base) >> 3
		low, reg := byte(i.Base)&7, i.Tile<<3
		mod, displacement := byte(0), []byte(nil)
		switch d := i.Displacement; {
		case d == 0 && low != frameLow:
		case d == int32(int8(d)):
			mod, displacement = 0x40, []byte{byte(d)}
		default:
			mod, displacement = 0x80, binary.LittleEndian.AppendUint32(nil, uint32(d))
		}
		switch {
		case o.form == rows:
			if i.Index == stack {
				panic("amx: RSP cannot be the distance of a tile's rows")
			}
			x = byte(i.Index) >> 3
			operands = []byte{mod | reg | 4, scaleBits(i.Scale)<<6 | byte(i.Index)&7<<3 | low}
		case low == stack:
			operands = []byte{mod | 4, stack<<3 | low}
		default:
			operands = []byte{mod | low}
		}
		operands = append(operands, displacement...)
	}
	code := []byte{0xc4, 1<<7 | (x^1)<<6 | (b^1)<<5 | 2, (vvvv^15)<<3 | o.prefix, o.opcode}
	return append(code, operands...)
}

func scaleBits(scale uint8) byte {
	for bits := range byte(4) {
		if scale == 1<<bits {
			return bits
		}
	}
	panic(fmt.Sprintf("amx: a scale of %d", scale))
}

// Decode reads one instruction and its length from the beginning of code; ok tells whether there is one of this package.
func Decode(code []byte) (i Instruction, length int, ok bool) {
	if len(code) < 5 || code[0] != 0xc4 || code[1]&0x9f != 0x82 || code[2]&0x84 != 0 {
		return i, 0, false
	}
	x, b := Register(code[1]>>6&1^1)<<3, Register(code[1]>>5&1^1)<<3
	vvvv, prefix := code[2]>>3&15^15, code[2]&3
	mod, reg, rm := code[4]>>6, code[4]>>3&7, code[4]&7
	for op, o := range operations {
		if o.opcode != code[3] || o.prefix != prefix || (o.form == memory || o.form == rows) == (mod == 3) || (vvvv != 0) && o.form != product {
			continue
		}
		i, length = Instruction{Op: Op(op)}, 5
		switch o.form {
		case none:
			return i, length, reg == 0 && rm == 0
		case single:
			i.Tile = reg
			return i, length, rm == 0
		case product:
			i.Tile, i.A, i.B = reg, rm, vvvv
			return i, length, vvvv < tiles
		}
		if i.Tile = reg; o.form == memory && reg != 0 {
			return i, 0, false
		}
		i.Base = b | Register(rm)
		if rm == 4 { // an SIB byte
			if len(code) < 6 {
				return i, 0, false
			}
			sib := code[5]
			i.Base, length = b|Register(sib&7), 6
			if index := x | Register(sib>>3&7); o.form == rows {
				i.Index, i.Scale = index, 1<<(sib>>6)
			}
			if hasIndex := x|Register(sib>>3&7) != stack; hasIndex != (o.form == rows) {
				return i, 0, false // forms that are not written here
			}
		} else if o.form == rows {
			return i, 0, false
		}
		switch {
		case mod == 0 && i.Base&7 == frameLow:
			return i, 0, false // relative to the instruction, or without a base
		case mod == 1 && len(code) > length:
			i.Displacement, length = int32(int8(code[length])), length+1
		case mod == 2 && len(code) >= length+4:
			i.Displacement, length = int32(binary.LittleEndian.Uint32(code[length:])), length+4
		case mod != 0:
			return i, 0, false
		}
		return i, length, true
	}
	return i, 0, false
}

// Config is the memory operand of LDTILECFG for eight tiles of the given rows and bytes a row.
func Config(rows, bytes int) (config [64]byte) {
	if rows > 16 || bytes > 64 {
		panic("amx: a tile is at most 16 rows of 64 bytes")
	}
	config[0] = 1 // palette
	for t := range tiles {
		binary.LittleEndian.PutUint16(config[16+2*t:], uint16(bytes))
		config[48+t] = uint8(rows)
	}
	return config
}

// Right is the right operand of TDPBF16PS: rows of pairs of bf16 numbers, a pair for each of up to sixteen columns.
type Right struct {
	columns int
	values  [mostPairs][2][mostColumns]float32
	plain   bool // whether plain float32 arithmetic gives the same as the processor's
}

const (
	mostPairs   = 16
	mostColumns = 16
)

// Set takes the pairs over: row after row, column after column.
func (b *Right) Set(pairs []uint16, columns int) {
	b.columns, b.plain = columns, true
	for k := range len(pairs) / (2 * columns) {
		row := pairs[2*k*columns:][:2*columns]
		for j := range columns {
			b.values[k][0][j], b.values[k][1][j] = number(row[2*j]), number(row[2*j+1])
			b.plain = b.plain && moderate(row[2*j]) && moderate(row[2*j+1])
		}
	}
}

// AddProduct adds to a row of sums what one TDPBF16PS adds to it: the product of a row of pairs a with b. Even and odd products are
// summed on their own, one after the other, then joined:
//
//	even = Σ a[2k]·b[k][2n],  odd = Σ a[2k+1]·b[k][2n+1],  dst[n] + (even + odd)
//
// each multiplication and addition fused, rounded to nearest even, numbers below the normal ones read and written as zero.
func (b *Right) AddProduct(dst []float32, a []uint16) {
	dst = dst[:b.columns]
	var even, odd [mostColumns]float32
	plain := b.plain
	for _, x := range a {
		plain = plain && moderate(x)
	}
	for k := 0; k+1 < len(a); k += 2 {
		a0, a1, row := number(a[k]), number(a[k+1]), &b.values[k/2]
		if plain {
			for j := range dst {
				even[j] += a0 * row[0][j]
				odd[j] += a1 * row[1][j]
			}
			continue
		}
		for j := range dst {
			even[j] = fusedAdd(a0, row[0][j], even[j])
			odd[j] = fusedAdd(a1, row[1][j], odd[j])
		}
	}
	for j := range dst {
		dst[j] = flush(flush(dst[j]) + flush(even[j]+odd[j]))
	}
}

// moderate numbers are zero or between 2⁻⁵⁰ and 2⁵⁰: their products are exact float32 numbers, far above the smallest normal one,
// and so are sums of those, unless zero.
func moderate(x uint16) bool {
	exponent := int(x>>7&0xff) - 127
	return x&0x7fff == 0 || -50 <= exponent && exponent < 50
}

// fusedAdd rounds a·b + c once: the product of bf16 numbers is exact in float64, and rounding a float64 sum of two numbers of no more
// than 24 bits to float32 is the same as rounding the exact sum.
func fusedAdd(a, b, c float32) float32 {
	return flush(float32(float64(a)*float64(b) + float64(c)))
}

func number(x uint16) float32 { return flush(math.Float32frombits(uint32(x) << 16)) }

// flush turns numbers below the normal ones into zeros.
func flush(x float32) float32 {
	if bits := math.Float32bits(x); bits&0x7f800000 == 0 {
		return math.Float32frombits(bits & 0x80000000)
	}
	return x
}
