package emulate

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"testing"

	"github.com/joule-ebm/joule/internal/kernels/matrix/amx"
)

// ram is memory from address 0 on.
type ram []byte

func (m ram) piece(address uint64, distance int64, i, n int) ([]byte, error) {
	at := int64(address) + int64(i)*distance
	if at < 0 || at+int64(n) > int64(len(m)) {
		return nil, errors.New("out of memory")
	}
	return m[at : at+int64(n)], nil
}

func (m ram) read(dst []byte, address uint64, distance int64, pieces int) error {
	n := len(dst) / pieces
	for i := range pieces {
		from, err := m.piece(address, distance, i, n)
		if err != nil {
			return err
		}
		copy(dst[i*n:], from)
	}
	return nil
}

func (m ram) write(src []byte, address uint64, distance int64, pieces int) error {
	n := len(src) / pieces
	for i := range pieces {
		to, err := m.piece(address, distance, i, n)
		if err != nil {
			return err
		}
		copy(to, src[i*n:])
	}
	return nil
}

func config(change func(c *[64]byte)) ram {
	c := amx.Config(16, 64)
	change(&c)
	return append(ram(nil), c[:]...)
}

// small has tiles 0: 2×3 sums, 1: 2×4 numbers, 2: 2 pairs × 3.
func small(c *[64]byte) {
	for t, s := range [][2]byte{{2, 12}, {2, 8}, {2, 12}} {
		c[48+t], c[16+2*t] = s[0], s[1]
	}
}

func TestProduct(t *testing.T) {
	var u unit
	if err := u.execute(amx.Instruction{Op: amx.LoadConfig}, config(small), 0, 0); err != nil {
		t.Fatal(err)
	}
	a, b := []float32{1, 2, 3, 4, 5, 6, 7, 8}, []float32{1, 2, 10, 20, 100, 200, 3, 4, 30, 40, 300, 400}
	m := make(ram, 512)
	for i, v := range a { // rows 100 bytes apart
		binary.LittleEndian.PutUint16(m[i/4*100+i%4*2:], uint16(math.Float32bits(v)>>16))
	}
	for i, v := range b { // rows one below the other
		binary.LittleEndian.PutUint16(m[256+2*i:], uint16(math.Float32bits(v)>>16))
	}
	for _, step := range []struct {
		i                 amx.Instruction
		address, distance int
	}{
		{amx.Instruction{Op: amx.Zero}, 0, 0},
		{amx.Instruction{Op: amx.Load, Tile: 1}, 0, 100},
		{amx.Instruction{Op: amx.LoadT1, Tile: 2}, 256, 12},
		{amx.Instruction{Op: amx.DotBF16, A: 1, B: 2}, 0, 0},
		{amx.Instruction{Op: amx.DotBF16, A: 1, B: 2}, 0, 0},
		{amx.Instruction{Op: amx.Store}, 400, 40},
		{amx.Instruction{Op: amx.StoreConfig}, 0, 0},
	} {
		if err := u.execute(step.i, m, uint64(step.address), int64(step.distance)); err != nil {
			t.Fatalf("%v: %v", step.i.Op, err)
		}
	}
	for i, want := range []float32{60, 600, 6000, 140, 1400, 14000} {
		if got := math.Float32frombits(binary.LittleEndian.Uint32(m[400+i/3*40+i%3*4:])); got != want {
			t.Errorf("sum %d is %g, want %g", i, got, want)
		}
	}
	if !bytes.Equal(m[:64], config(small)) {
		t.Error("the configuration does not come back")
	}
	if !u.configured() {
		t.Error("no tiles while they are in use")
	}
	if err := u.execute(amx.Instruction{Op: amx.Release}, m, 0, 0); err != nil || u.configured() {
		t.Errorf("tiles after their release: %v", err)
	}
}

// What makes the processor trap is an error.
func TestTraps(t *testing.T) {
	same := func(*[64]byte) {}
	for name, c := range map[string]struct {
		change func(c *[64]byte)
		i      amx.Instruction
	}{
		"too many rows":        {func(c *[64]byte) { c[50] = 17 }, amx.Instruction{Op: amx.LoadConfig}},
		"too many bytes":       {func(c *[64]byte) { c[20] = 65 }, amx.Instruction{Op: amx.LoadConfig}},
		"rows without bytes":   {func(c *[64]byte) { c[20] = 0 }, amx.Instruction{Op: amx.LoadConfig}},
		"another palette":      {func(c *[64]byte) { c[0] = 2 }, amx.Instruction{Op: amx.LoadConfig}},
		"a first row":          {func(c *[64]byte) { c[1] = 1 }, amx.Instruction{Op: amx.LoadConfig}},
		"load without tiles":   {func(c *[64]byte) { *c = [64]byte{} }, amx.Instruction{Op: amx.Load}},
		"store without tiles":  {func(c *[64]byte) { *c = [64]byte{} }, amx.Instruction{Op: amx.Store}},
		"zero without tiles":   {func(c *[64]byte) { *c = [64]byte{} }, amx.Instruction{Op: amx.Zero}},
		"times itself":         {same, amx.Instruction{Op: amx.DotBF16, A: 1, B: 1}},
		"into an operand":      {same, amx.Instruction{Op: amx.DotBF16, Tile: 1, A: 1, B: 2}},
		"shapes that disagree": {small, amx.Instruction{Op: amx.DotBF16, Tile: 0, A: 2, B: 1}},
		"beyond the memory":    {same, amx.Instruction{Op: amx.Load}},
	} {
		var u unit
		m := config(c.change)
		err := u.execute(amx.Instruction{Op: amx.LoadConfig}, m, 0, 0)
		if c.i.Op != amx.LoadConfig {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			err = u.execute(c.i, m, 0, 64)
		}
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
