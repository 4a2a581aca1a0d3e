package stablehlo

// This file has the operations, each with the type that StableHLO's specification gives its result.

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// Same is an operation whose operands and result all have one type: add, multiply, sqrt, ...
func (p *Printer) Same(op string, in ...Tensor) Tensor {
	names, _ := list(in)
	return p.line(in[0].Type, in[0].Dims, "stablehlo.%s %s : %s", op, names, in[0].Of())
}

// Float is a float32 constant, exact.
func (p *Printer) Float(x float64, dims ...int) Tensor {
	return p.line(F32, dims, "stablehlo.constant dense<0x%08X> : %s", math.Float32bits(float32(x)), of(F32, dims))
}

// Integer is a constant of a whole number.
func (p *Printer) Integer(kind Type, x uint64, dims ...int) Tensor {
	return p.line(kind, dims, "stablehlo.constant dense<%d> : %s", x, of(kind, dims))
}

// Floats is a float32 constant of several numbers, exact: their bytes, the low ones first, in hexadecimal digits.
func (p *Printer) Floats(x []float32, dims ...int) Tensor {
	var b strings.Builder
	for _, f := range x {
		u := math.Float32bits(f)
		fmt.Fprintf(&b, "%02X%02X%02X%02X", byte(u), byte(u>>8), byte(u>>16), byte(u>>24))
	}
	if len(x) == 1 { // a string of one number is read as that number
		return p.Float(float64(x[0]), dims...)
	}
	return p.line(F32, dims, `stablehlo.constant dense<"0x%s"> : %s`, b.String(), of(F32, dims))
}

// Like is a float32 constant of t's shape.
func (p *Printer) Like(t Tensor, x float64) Tensor { return p.Float(x, t.Dims...) }

// Iota counts along an axis.
func (p *Printer) Iota(kind Type, axis int, dims ...int) Tensor {
	return p.line(kind, dims, "stablehlo.iota dim = %d : %s", axis, of(kind, dims))
}

// Convert gives the same numbers in another type; whole numbers lose the bits that do not fit.
func (p *Printer) Convert(t Tensor, kind Type) Tensor { return p.retyped("convert", t, kind) }

// Bitcast gives the same bits in another type of the same size.
func (p *Printer) Bitcast(t Tensor, kind Type) Tensor { return p.retyped("bitcast_convert", t, kind) }

func (p *Printer) retyped(op string, t Tensor, kind Type) Tensor {
	if t.Type == kind {
		return t
	}
	return p.line(kind, t.Dims, "stablehlo.%s %s : (%s) -> %s", op, t, t.Of(), of(kind, t.Dims))
}

// Reshape reads the elements in their order as an array of another shape.
func (p *Printer) Reshape(t Tensor, dims ...int) Tensor {
	if slices.Equal(t.Dims, dims) {
		return t
	}
	return p.line(t.Type, dims, "stablehlo.reshape %s : (%s) -> %s", t, t.Of(), of(t.Type, dims))
}

// Broadcast repeats t: axis i of t becomes axis at[i] of the result, repeated if its size is 1, and all other axes are repetitions.
func (p *Printer) Broadcast(t Tensor, at []int, dims ...int) Tensor {
	if slices.Equal(t.Dims, dims) {
		return t
	}
	return p.line(t.Type, dims, "stablehlo.broadcast_in_dim %s, dims = [%s] : (%s) -> %s", t, ints(at), t.Of(), of(t.Type, dims))
}

// Reduce combines the elements along the axes, which vanish, by add or maximum, say, beginning with start.
func (p *Printer) Reduce(op string, start float64, t Tensor, axes ...int) Tensor {
	var dims []int
	for i, d := range t.Dims {
		if !slices.Contains(axes, i) {
			dims = append(dims, d)
		}
	}
	if len(axes) == 0 {
		return t
	}
	from := p.Float(start)
	return p.line(t.Type, dims, "stablehlo.reduce(%s init: %s) applies stablehlo.%s across dimensions = [%s] : (%s, %s) -> %s",
		t, from, op, ints(axes), t.Of(), from.Of(), of(t.Type, dims))
}

// Slice takes the elements lo, lo + stride, ... below hi of each axis.
func (p *Printer) Slice(t Tensor, lo, hi, stride []int) Tensor {
	var parts []string
	dims := make([]int, len(t.Dims))
	for i := range dims {
		dims[i] = (hi[i] - lo[i] + stride[i] - 1) / stride[i]
		parts = append(parts, fmt.Sprintf("%d:%d:%d", lo[i], hi[i], stride[i]))
	}
	if slices.Equal(dims, t.Dims) {
		return t
	}
	return p.line(t.Type, dims, "stablehlo.slice %s [%s] : (%s) -> %s", t, strings.Join(parts, ", "), t.Of(), of(t.Type, dims))
}

// SliceAxis is Slice along one axis.
func (p *Printer) SliceAxis(t Tensor, axis, lo, hi, stride int) Tensor {
	from, to, by := make([]int, len(t.Dims)), slices.Clone(t.Dims), slices.Repeat([]int{1}, len(t.Dims))
	from[axis], to[axis], by[axis] = lo, hi, stride
	return p.Slice(t, from, to, by)
}

// Element takes the element of an array of one axis at a place that is only known when the program runs, an I32.
func (p *Printer) Element(t, place Tensor) Tensor {
	one := p.line(t.Type, []int{1}, "stablehlo.dynamic_slice %s, %s, sizes = [1] : (%s, %s) -> %s", t, place, t.Of(), place.Of(), of(t.Type, []int{1}))
	return p.Reshape(one)
}

// PadAxis puts zeros before and behind the elements along an axis.
func (p *Printer) PadAxis(t Tensor, axis, before, behind int) Tensor {
	if before == 0 && behind == 0 {
		return t
	}
	low, high, dims := make([]int, len(t.Dims)), make([]int, len(t.Dims)), slices.Clone(t.Dims)
	low[axis], high[axis] = before, behind
	dims[axis] += before + behind
	zero := p.Float(0)
	return p.line(t.Type, dims, "stablehlo.pad %s, %s, low = [%s], high = [%s], interior = [%s] : (%s, %s) -> %s",
		t, zero, ints(low), ints(high), ints(make([]int, len(dims))), t.Of(), zero.Of(), of(t.Type, dims))
}

// Transpose puts the axes into another order.
func (p *Printer) Transpose(t Tensor, order ...int) Tensor {
	dims := make([]int, len(order))
	for i, o := range order {
		dims[i] = t.Dims[o]
	}
	return p.line(t.Type, dims, "stablehlo.transpose %s, dims = [%s] : (%s) -> %s", t, ints(order), t.Of(), of(t.Type, dims))
}

// Reverse turns the order of the elements along an axis.
func (p *Printer) Reverse(t Tensor, axis int) Tensor {
	if t.Dims[axis] == 1 {
		return t
	}
	return p.line(t.Type, t.Dims, "stablehlo.reverse %s, dims = [%d] : %s", t, axis, t.Of())
}

// Concatenate puts tensors one behind the other along an axis.
func (p *Printer) Concatenate(axis int, in ...Tensor) Tensor {
	dims := slices.Clone(in[0].Dims)
	for _, t := range in[1:] {
		dims[axis] += t.Dims[axis]
	}
	names, types := list(in)
	return p.line(in[0].Type, dims, "stablehlo.concatenate %s, dim = %d : (%s) -> %s", names, axis, types, of(in[0].Type, dims))
}

// Round rounds float32 numbers to so many bits of exponent and of fraction, to the nearest and to even ones, and keeps their type. Unlike
// a conversion there and back it is never left out.
func (p *Printer) Round(t Tensor, exponent, fraction int) Tensor {
	return p.line(t.Type, t.Dims, "stablehlo.reduce_precision %s, format = e%dm%d : %s", t, exponent, fraction, t.Of())
}

// Compare is true where a is LT, GT, EQ, ... b.
func (p *Printer) Compare(direction string, a, b Tensor) Tensor {
	return p.line(Bool, a.Dims, "stablehlo.compare %s, %s, %s : (%s, %s) -> %s", direction, a, b, a.Of(), b.Of(), of(Bool, a.Dims))
}

// Select is a where the condition holds, and b elsewhere.
func (p *Printer) Select(condition, a, b Tensor) Tensor {
	return p.line(a.Type, a.Dims, "stablehlo.select %s, %s, %s : %s, %s", condition, a, b, condition.Of(), a.Of())
}

// Precision is what a plugin may do with the factors of products: HIGHEST keeps float32, DEFAULT lets it round them as it likes (to
// TF32, on GPUs).
type Precision string

// The two precisions.
const (
	Highest Precision = "HIGHEST"
	Default Precision = "DEFAULT"
)

// Axes names the axes of the factors of a product that are batches, and those that are summed over, pair by pair.
type Axes struct{ BatchA, BatchB, OverA, OverB []int }

// Dot multiplies: batch axes stay in front, then come the axes of a that are left, then those of b. The result is float32.
func (p *Printer) Dot(a, b Tensor, x Axes, precision Precision) Tensor {
	var dims []int
	for _, i := range x.BatchA {
		dims = append(dims, a.Dims[i])
	}
	left := func(t Tensor, batch, over []int) {
		for i, d := range t.Dims {
			if !slices.Contains(batch, i) && !slices.Contains(over, i) {
				dims = append(dims, d)
			}
		}
	}
	left(a, x.BatchA, x.OverA)
	left(b, x.BatchB, x.OverB)
	batching := ""
	if len(x.BatchA) > 0 {
		batching = fmt.Sprintf("batching_dims = [%s] x [%s], ", ints(x.BatchA), ints(x.BatchB))
	}
	return p.line(F32, dims, "stablehlo.dot_general %s, %s, %scontracting_dims = [%s] x [%s], precision = [%s, %s] : (%s, %s) -> %s",
		a, b, batching, ints(x.OverA), ints(x.OverB), precision, precision, a.Of(), b.Of(), of(F32, dims))
}

// Convolution slides w over x at stride 1 with a frame of one zero. What each axis is, is told by numbers: "[b, 0, 1, f]x[0, 1, i, o]->
// [b, 0, 1, f]", say. The result is of that type.
func (p *Printer) Convolution(kind Type, x, w Tensor, numbers string, precision Precision, dims ...int) Tensor {
	return p.line(kind, dims, "stablehlo.convolution(%s, %s) dim_numbers = %s, window = {stride = [1, 1], pad = [[1, 1], [1, 1]], "+
		"lhs_dilate = [1, 1], rhs_dilate = [1, 1], reverse = [false, false]} {batch_group_count = 1 : i64, feature_group_count = 1 : i64, "+
		"precision_config = [#stablehlo<precision %s>, #stablehlo<precision %s>]} : (%s, %s) -> %s",
		x, w, numbers, precision, precision, x.Of(), w.Of(), of(kind, dims))
}

// Order sorts the numbers of each row of a matrix and gives the places that they came from, an I32; equal numbers keep their order, and
// NaN comes last.
func (p *Printer) Order(t Tensor) Tensor {
	places := p.Iota(I32, 1, t.Dims...)
	sorted := p.name()
	a, b, c, d := p.name(), p.name(), p.name(), p.name()
	fmt.Fprintf(&p.text, "    %s:2 = \"stablehlo.sort\"(%s, %s) <{dimension = 1 : i64, is_stable = true}> ({\n"+
		"      ^bb0(%s: tensor<f32>, %s: tensor<f32>, %s: tensor<i32>, %s: tensor<i32>):\n"+
		"        %s = stablehlo.compare LT, %s, %s, TOTALORDER : (tensor<f32>, tensor<f32>) -> tensor<i1>\n"+
		"        stablehlo.return %[8]s : tensor<i1>\n    }) : (%[11]s, %[12]s) -> (%[11]s, %[12]s)\n",
		sorted, t, places, a, b, c, d, p.name(), a, b, t.Of(), places.Of())
	return Tensor{sorted + "#1", I32, t.Dims}
}

// Gather takes rows of a table along its first axis: those at the places that index, an I32 of any shape, holds.
func (p *Printer) Gather(table, index Tensor) Tensor {
	dims := slices.Concat(index.Dims, table.Dims[1:])
	sizes, offsets := []int{1}, []int{}
	for i, d := range table.Dims[1:] {
		sizes, offsets = append(sizes, d), append(offsets, len(index.Dims)+i)
	}
	at := p.Reshape(index, append(slices.Clone(index.Dims), 1)...)
	return p.line(table.Type, dims, `"stablehlo.gather"(%s, %s) <{dimension_numbers = #stablehlo.gather<offset_dims = [%s], `+
		`collapsed_slice_dims = [0], start_index_map = [0], index_vector_dim = %d>, slice_sizes = array<i64: %s>, indices_are_sorted = false}> `+
		`: (%s, %s) -> %s`, table, at, ints(offsets), len(index.Dims), ints(sizes), table.Of(), at.Of(), of(table.Type, dims))
}

// AllReduce is the sum of t over all devices that run the program.
func (p *Printer) AllReduce(t Tensor, devices int) Tensor {
	a, b, s := p.name(), p.name(), p.name()
	all := make([]int, devices)
	for i := range all {
		all[i] = i
	}
	return p.line(t.Type, t.Dims, "\"stablehlo.all_reduce\"(%s) <{replica_groups = dense<[[%s]]> : tensor<1x%dxi64>}> ({\n"+
		"      ^bb0(%s: tensor<f32>, %s: tensor<f32>):\n        %s = stablehlo.add %s, %s : tensor<f32>\n"+
		"        stablehlo.return %[6]s : tensor<f32>\n    }) : (%[9]s) -> %[9]s", t, ints(all), devices, a, b, s, a, b, t.Of())
}
