package safetensors

// This file turns elements into Go numbers and back. Formats: IEEE 754 binary16, binary32 and binary64; bfloat16 is the upper
// half of a binary32.

import (
	"encoding/binary"
	"fmt"
	"math"
)

// FromFloat32s is a tensor of type F32 with a copy of values, which must be as many as shape says; Write checks that.
func FromFloat32s(name string, shape []int, values []float32) Tensor {
	data := make([]byte, 0, 4*len(values))
	for _, v := range values {
		data = binary.LittleEndian.AppendUint32(data, math.Float32bits(v))
	}
	return Tensor{Name: name, DType: "F32", Shape: shape, Data: data}
}

// HalfFromFloat32s is a tensor of type F16 with the values rounded to the nearest that it can hold, of two the even one.
func HalfFromFloat32s(name string, shape []int, values []float32) Tensor {
	data := make([]byte, 0, 2*len(values))
	for _, v := range values {
		data = binary.LittleEndian.AppendUint16(data, toHalf(v))
	}
	return Tensor{Name: name, DType: "F16", Shape: shape, Data: data}
}

// Float32s returns the elements of a tensor of type F32, F16, BF16 (all exactly) or F64 (rounded to nearest).
func (t Tensor) Float32s() ([]float32, error) {
	order := binary.LittleEndian
	switch t.DType {
	case "F32":
		return elements(t, 4, func(b []byte) float32 { return math.Float32frombits(order.Uint32(b)) })
	case "F64":
		return elements(t, 8, func(b []byte) float32 { return float32(math.Float64frombits(order.Uint64(b))) })
	case "F16":
		return elements(t, 2, func(b []byte) float32 { return fromHalf(order.Uint16(b)) })
	case "BF16":
		return elements(t, 2, func(b []byte) float32 { return math.Float32frombits(uint32(order.Uint16(b)) << 16) })
	}
	return nil, fmt.Errorf("safetensors: tensor %.60q is %.20s: want F32, F16, BF16 or F64", t.Name, t.DType)
}

// Int64s returns the elements of a tensor of type I64, I32 or U8.
func (t Tensor) Int64s() ([]int64, error) {
	order := binary.LittleEndian
	switch t.DType {
	case "I64":
		return elements(t, 8, func(b []byte) int64 { return int64(order.Uint64(b)) })
	case "I32":
		return elements(t, 4, func(b []byte) int64 { return int64(int32(order.Uint32(b))) })
	case "U8":
		return elements(t, 1, func(b []byte) int64 { return int64(b[0]) })
	}
	return nil, fmt.Errorf("safetensors: tensor %.60q is %.20s: want I64, I32 or U8", t.Name, t.DType)
}

func elements[T any](t Tensor, size int, decode func([]byte) T) ([]T, error) {
	if want, err := span(t.DType, t.Shape); err != nil || uint64(len(t.Data)) != want {
		return nil, fmt.Errorf("safetensors: tensor %.60q has %d bytes, which is not %s %v", t.Name, len(t.Data), t.DType, t.Shape)
	}
	values := make([]T, len(t.Data)/size)
	for i := range values {
		values[i] = decode(t.Data[i*size:])
	}
	return values, nil
}

// fromHalf widens a binary16: 1 sign bit, 5 exponent bits (bias 15), 10 mantissa bits.
func fromHalf(h uint16) float32 {
	sign, exponent, mantissa := uint32(h>>15)<<31, uint32(h>>10&0x1f), uint32(h&0x3ff)
	switch exponent {
	case 0: // zero and subnormals: mantissa 2^-24
		return math.Float32frombits(sign | math.Float32bits(float32(mantissa)*0x1p-24))
	case 31: // infinities and NaN
		return math.Float32frombits(sign | 0xff<<23 | mantissa<<13)
	}
	return math.Float32frombits(sign | (exponent+127-15)<<23 | mantissa<<13)
}

// toHalf rounds to a binary16. What is beyond its range becomes infinite.
func toHalf(v float32) uint16 {
	bits := math.Float32bits(v)
	sign, magnitude := uint16(bits>>16)&0x8000, bits&^(1<<31)
	switch {
	case magnitude > 0xff<<23: // NaN stays one
		return sign | 0x7e00
	case magnitude >= 0x477ff000: // 65520, half way between the largest number and the next that there would be
		return sign | 0x7c00
	case magnitude < 0x38800000: // 2^-14, the least normal number: a multiple of 2^-24, of which 1024 make that number
		return sign | uint16(math.RoundToEven(float64(math.Float32frombits(magnitude))*0x1p24))
	}
	magnitude += 0xfff + magnitude>>13&1 // carries where the 13 bits that go are more than half, or half of an odd number
	return sign | uint16(magnitude>>13-(127-15)<<10)
}
