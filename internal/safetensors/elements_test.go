package safetensors

import (
	"encoding/binary"
	"math"
	"testing"
)

// Every number that a binary16 can hold comes back as it was, and others go to the nearest of these, of two as near the even one.
func TestHalf(t *testing.T) {
	halves := make([]byte, 0, 2<<16)
	for h := range 1 << 16 {
		halves = binary.LittleEndian.AppendUint16(halves, uint16(h))
	}
	numbers, err := Tensor{DType: "F16", Shape: []int{1 << 16}, Data: halves}.Float32s()
	if err != nil {
		t.Fatal(err)
	}
	for h, v := range numbers {
		back := binary.LittleEndian.Uint16(HalfFromFloat32s("h", []int{1}, []float32{v}).Data)
		if nan := v != v; nan != (back&0x7fff > 0x7c00) || !nan && back != uint16(h) {
			t.Fatalf("%#04x is %v and comes back as %#04x", h, v, back)
		}
	}
	for h := range uint16(0x7bff) { // between each number and the next one up
		low, high := numbers[h], numbers[h+1]
		middle := (low + high) / 2 // exact
		for _, c := range []struct {
			v    float32
			want uint16
		}{{math.Nextafter32(middle, 0), h}, {middle, h + h&1}, {math.Nextafter32(middle, 1e9), h + 1}} {
			got := binary.LittleEndian.Uint16(HalfFromFloat32s("h", []int{1}, []float32{c.v}).Data)
			minus := binary.LittleEndian.Uint16(HalfFromFloat32s("h", []int{1}, []float32{-c.v}).Data)
			if got != c.want || minus != c.want|0x8000 {
				t.Fatalf("%v between %v and %v becomes %#04x and its negative %#04x, want %#04x", c.v, low, high, got, minus, c.want)
			}
		}
	}
	for v, want := range map[float32]uint16{65519.99: 0x7bff, 65520: 0x7c00, 1e30: 0x7c00} {
		if got := binary.LittleEndian.Uint16(HalfFromFloat32s("h", []int{1}, []float32{v}).Data); got != want {
			t.Errorf("%v becomes %#04x, want %#04x", v, got, want)
		}
	}
}
