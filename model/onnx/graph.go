package onnx

// This file gathers the nodes of a graph. A node that is written twice is there once.

import (
	"fmt"
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// opset is the version of ONNX's operators. ONNX Runtime has it since 1.12, OpenVINO since 2023.
const opset = 17

// graph is a GraphProto on its way. Values have names.
type graph struct {
	nodes, constants []message
	named            map[string]string // values by what makes them
	count            int
	size             int // bytes of the constants
}

// attributes are those of a node.
type attributes map[string]any

// node adds a node with one output, and returns the output's name.
func (g *graph) node(op string, with attributes, in ...string) string {
	return g.once(fmt.Sprint(op, with, in), func() string {
		g.count++
		name := fmt.Sprintf("%s_%d", op, g.count)
		g.put(name, op, with, in)
		return name
	})
}

// put adds a node whose output has a name of its own.
func (g *graph) put(name, op string, with attributes, in []string) {
	var m message
	for _, v := range in {
		m = m.text(1, v)
	}
	m = m.text(2, name).text(3, name).text(4, op)
	for _, key := range sortedKeys(with) {
		m = m.bytes(5, attribute(key, with[key]))
	}
	g.nodes = append(g.nodes, m)
}

// once is the value that is made so, made the first time.
func (g *graph) once(key string, make func() string) string {
	name, ok := g.named[key]
	if !ok {
		name = make()
		g.named[key] = name
	}
	return name
}

// number is a constant.
func (g *graph) number(v float64) string {
	return g.once(fmt.Sprint("number ", v), func() string { return g.constant(tensor(g.newName("number"), nil, []float32{float32(v)})) })
}

// integers is a constant vector of whole numbers: axes, sizes, places.
func (g *graph) integers(v ...int64) string {
	return g.once(fmt.Sprint("integers ", v), func() string { return g.constant(integers(g.newName("integers"), v)) })
}

// newName is a name for a constant, which no parameter has: their names have no /.
func (g *graph) newName(kind string) string {
	g.count++
	return fmt.Sprintf("%s/%d", kind, g.count)
}

// constant adds an initialiser, and returns its name.
func (g *graph) constant(m message) string {
	g.constants = append(g.constants, m)
	g.size += len(m)
	return nameOf(m)
}

// nameOf is the name in a TensorProto.
func nameOf(m message) string {
	for len(m) > 0 {
		field, kind, n := protowire.ConsumeTag(m)
		if n < 0 {
			break
		}
		if field == 8 && kind == protowire.BytesType {
			name, _ := protowire.ConsumeString(m[n:])
			return name
		}
		m = m[n+max(protowire.ConsumeFieldValue(field, kind, m[n:]), 0):]
	}
	return ""
}

// most is what a .onnx file can hold: a message of protocol buffers is smaller than 2 GiB.
const most = math.MaxInt32
