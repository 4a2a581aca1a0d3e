package onnx

// This file writes what a .onnx file is made of: messages of protocol buffers, with the fields and their numbers of onnx.proto (IR version
// 8, github.com/onnx/onnx). A field of a message is its number and a value; messages lie within messages.

import (
	"encoding/binary"
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// message is an encoded message.
type message []byte

// number adds a field with a whole number.
func (m message) number(field protowire.Number, v int64) message {
	return protowire.AppendVarint(protowire.AppendTag(m, field, protowire.VarintType), uint64(v))
}

// float adds a field with a float32.
func (m message) float(field protowire.Number, v float32) message {
	return protowire.AppendFixed32(protowire.AppendTag(m, field, protowire.Fixed32Type), math.Float32bits(v))
}

// text adds a field with a text.
func (m message) text(field protowire.Number, v string) message { return m.bytes(field, []byte(v)) }

// bytes adds a field with bytes, or with another message.
func (m message) bytes(field protowire.Number, v []byte) message {
	return protowire.AppendBytes(protowire.AppendTag(m, field, protowire.BytesType), v)
}

// The types of elements, TensorProto.DataType.
const (
	typeFloat int64 = 1
	typeInt64 int64 = 7
)

// tensor is a TensorProto of float32 numbers.
func tensor(name string, dims []int64, values []float32) message {
	data := make([]byte, 0, 4*len(values))
	for _, v := range values {
		data = binary.LittleEndian.AppendUint32(data, math.Float32bits(v))
	}
	return tensorOf(typeFloat, name, dims, data)
}

// integers is a TensorProto of a vector of whole numbers.
func integers(name string, values []int64) message {
	var data []byte
	for _, v := range values {
		data = binary.LittleEndian.AppendUint64(data, uint64(v))
	}
	return tensorOf(typeInt64, name, []int64{int64(len(values))}, data)
}

func tensorOf(kind int64, name string, dims []int64, data []byte) (m message) {
	for _, n := range dims {
		m = m.number(1, n)
	}
	return m.number(2, kind).text(8, name).bytes(9, data)
}

// attribute is an AttributeProto: a float32, a whole number or some.
func attribute(name string, value any) message {
	m := message{}.text(1, name)
	switch v := value.(type) {
	case float32:
		return m.float(2, v).number(20, 1)
	case int64:
		return m.number(3, v).number(20, 2)
	case []int64:
		for _, n := range v {
			m = m.number(8, n)
		}
		return m.number(20, 7)
	}
	panic("onnx: an attribute of a type that none has")
}

// valueInfo is a ValueInfoProto: the name and shape of an input or output of float32 numbers. The first axis is of any length, N.
func valueInfo(name, about string, dims ...int) message {
	shape := message{}.bytes(1, message{}.text(2, "N"))
	for _, n := range dims {
		shape = shape.bytes(1, message{}.number(1, int64(n)))
	}
	tensorType := message{}.number(1, typeFloat).bytes(2, shape)
	return message{}.text(1, name).bytes(2, message{}.bytes(1, tensorType)).text(3, about)
}
