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
