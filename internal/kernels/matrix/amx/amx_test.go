package amx_test

import (
	"bytes"
	_ "embed"
	"encoding/hex"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/joule-ebm/joule/internal/kernels/matrix/amx"
)

// What GNU as writes.
//
//go:embed testdata/instructions.txt
var assembled string

const (
	rax, rcx, rdx, rsp, rbp, rsi = 0, 1, 2, 4, 5, 6
	r8, r9, r10, r12, r13, r15   = 8, 9, 10, 12, 13, 15
)

// The same instructions, in the same order.
var instructions = []amx.Instruction{
	{Op: amx.LoadConfig, Base: rax},
	{Op: amx.LoadConfig, Base: r9, Displacement: 0x40},
	{Op: amx.LoadConfig, Base: r12},
	{Op: amx.LoadConfig, Base: r13},
	{Op: amx.StoreConfig, Base: rsp},
	{Op: amx.StoreConfig, Base: rbp, Displacement: -0x1000},
	{Op: amx.Release},
	{Op: amx.Zero},
	{Op: amx.Zero, Tile: 7},
	{Op: amx.Load, Tile: 4, Base: rsi, Index: r8, Scale: 1},
	{Op: amx.Load, Tile: 5, Base: r9, Index: r10, Scale: 2, Displacement: 0x400},
	{Op: amx.Load, Tile: 5, Base: r13, Index: r10, Scale: 1},
	{Op: amx.Load, Tile: 6, Base: r13, Index: r12, Scale: 8, Displacement: 0x12345},
	{Op: amx.Load, Tile: 1, Base: rbp, Index: rbp, Scale: 4},
	{Op: amx.Load, Tile: 2, Base: rdx, Index: rcx, Scale: 1, Displacement: 0x7f},
	{Op: amx.LoadT1, Tile: 6, Base: rsp, Index: r15, Scale: 1, Displacement: -64},
	{Op: amx.Store, Tile: 3, Base: r13, Index: r12, Scale: 1},
	{Op: amx.Store, Tile: 0, Base: rdx, Index: r12, Scale: 1, Displacement: 0x40},
	{Op: amx.DotBF16, Tile: 0, A: 4, B: 6},
	{Op: amx.DotBF16, Tile: 3, A: 5, B: 7},
}

func TestAgainstGNU(t *testing.T) {
	lines := strings.Split(strings.TrimSpace(assembled), "\n")
	if len(lines) != len(instructions) {
		t.Fatalf("%d recorded instructions, %d here", len(lines), len(instructions))
	}
	for n, line := range lines {
		fields := strings.Split(line, "\t")
		want, err := hex.DecodeString(strings.ReplaceAll(fields[1], " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		if got := instructions[n].Encode(); !bytes.Equal(got, want) {
			t.Errorf("%s: % x, want % x", fields[2], got, want)
		}
		if mnemonic, _, _ := strings.Cut(fields[2], " "); !strings.EqualFold(mnemonic, instructions[n].Op.String()) {
			t.Errorf("%s is written as %v", fields[2], instructions[n].Op)
		}
	}
}

// Every instruction is read as it was written, whatever follows; a cut one and other codes are not read.
func TestDecode(t *testing.T) {
	for _, want := range instructions {
		code := want.Encode()
		got, n, ok := amx.Decode(append(code, 0x0f, 0x1f, 0, 0, 0))
		if !ok || n != len(code) || got != want {
			t.Errorf("% x: %+v, %d bytes, %v; want %+v", code, got, n, ok, want)
		}
		if _, _, ok := amx.Decode(code[:len(code)-1]); ok {
			t.Errorf("% x without its last byte is read", code)
		}
	}
	for _, other := range []string{
		"c5f877",             // vzeroupper
		"c4e24a5ec4",         // tdpbssd's neighbourhood: another opcode
		"c4e24b5cc4",         // tdpfp16ps: another prefix
		"c4e27849c8",         // tilerelease with a register
		"c4e278490408",       // ldtilecfg with an index, which is never written
		"c4e27b4b0425000000", // tileloadd without a base
		"62f17c4810c0",       // vmovups
	} {
		code, err := hex.DecodeString(other)
		if err != nil {
			t.Fatal(err)
		}
		if i, _, ok := amx.Decode(append(code, make([]byte, 8)...)); ok {
			t.Errorf("%s is read as %v %+v", other, i.Op, i)
		}
	}
}

func TestDecodeRandom(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	read := 0
	for range 200_000 {
		code := []byte{0xc4, byte(r.Uint32())&0x60 | 0x82, byte(r.Uint32())&0x7b | byte(r.Uint32())&0x78, []byte{0x49, 0x4b, 0x5c}[r.IntN(3)], 0, 0, 0, 0, 0, 0}
		for i := 4; i < len(code); i++ {
			code[i] = byte(r.Uint32())
		}
		i, n, ok := amx.Decode(code)
		if !ok {
			continue
		}
		read++
		if again, m, ok := amx.Decode(i.Encode()); !ok || again != i || m > n {
			t.Fatalf("% x: read as %+v, written and read again %+v", code[:n], i, again)
		}
	}
	if read < 1000 {
		t.Errorf("only %d of the random codes are instructions", read)
	}
}

func TestConfig(t *testing.T) {
	c := amx.Config(16, 64)
	if c[0] != 1 || c[1] != 0 || c[16] != 64 || c[17] != 0 || c[30] != 64 || c[32] != 0 || c[48] != 16 || c[55] != 16 || c[56] != 0 {
		t.Errorf("% x", c)
	}
}

func bits(x float32) uint16 { return uint16(math.Float32bits(x) >> 16) }

func TestAddProduct(t *testing.T) {
	tiny := math.Float32frombits(0x00010000) // below the normal numbers
	small := math.Float32frombits(0x00800000)
	huge := math.Float32frombits(0x7f000000)
	for _, c := range []struct {
		name string
		sum  float32
		a, b []float32
		want float32
	}{
		{"pairs", 1, []float32{1, 2, 3, 4}, []float32{5, 6, 7, 8}, 71},
		{"a tiny operand is zero", 1, []float32{tiny, 0}, []float32{huge, 0}, 1},
		{"a tiny product is zero", 0, []float32{small, 0}, []float32{0.5, 0}, 0},
		{"a tiny sum is zero", 1.5 * small, []float32{-1 * small, 0}, []float32{1, 0}, 0},
		{"a tiny start is zero", tiny, []float32{0, 0}, []float32{0, 0}, 0},
		{"pairs are summed before they join", 1 << 24, []float32{1, 1}, []float32{1, 1}, 1<<24 + 2},
		{"even and odd ones on their own", 0, []float32{huge, 1, -huge, 0}, []float32{1, 3, 1, 0}, 3},
		{"infinity", 0, []float32{huge, 0}, []float32{huge, 0}, float32(math.Inf(1))},
	} {
		a, b := make([]uint16, len(c.a)), make([]uint16, 0)
		for i, x := range c.a {
			a[i] = bits(x)
		}
		for k := 0; k < len(c.b); k += 2 {
			b = append(b, bits(99), bits(99), bits(c.b[k]), bits(c.b[k+1]))
		}
		row := []float32{0, c.sum}
		var right amx.Right
		right.Set(b, 2)
		if right.AddProduct(row, a); row[1] != c.want {
			t.Errorf("%s: %g, want %g", c.name, row[1], c.want)
		}
	}
}

// Moderate numbers take a shorter way, which must not be seen: one number that is not moderate, times zero, takes the longer one.
func TestBothWays(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 1000 {
		a, b := make([]uint16, 32), make([]uint16, 32*16)
		for _, x := range [][]uint16{a[:30], b} {
			for i := range x {
				x[i] = bits(float32(math.Ldexp(r.NormFloat64(), r.IntN(90)-45)))
			}
		}
		short, long := make([]float32, 16), make([]float32, 16)
		var right amx.Right
		right.Set(b, 16)
		right.AddProduct(short, a)
		b[30*16] = bits(math.Float32frombits(0x00800000))
		right.Set(b, 16)
		right.AddProduct(long, a)
		for j := range short {
			if short[j] != long[j] {
				t.Fatalf("column %d: %g and %g", j, short[j], long[j])
			}
		}
	}
}
