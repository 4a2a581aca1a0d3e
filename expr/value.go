// Package expr describes computations over images symbolically, and differentiates them to any order.
//
// # Values
//
// Every [Value] is either a sample value (one per image, the batch axis implicit) or a shared value (parameters, what is
// derived from them, constants). Images of a batch never see each other: only [BatchSum] and [ConvKernel], which sum over the
// batch, turn sample values into a shared one. An engine may therefore run images in any grouping, on any number of cores.
//
// All shapes have three axes. A sample value is height × width × channels (a vector is 1×1×C, a number 1×1×1). A convolution
// kernel is taps × inputs × outputs, with 9 taps for 3×3 and 1 for 1×1; a linear map is a 1×1 convolution.
//
// # Operations
//
//   - leaves: [Input], [Param], [Gaussian], [Uniform], [Const], [BatchSize];
//   - pointwise, with broadcasting of axes of size 1: [Add], [Sub], [Mul], [Affine], [Pow], [Exp], [Log], [Swish], [Clamp],
//     [Within], [Negative];
//   - over axes: [Sum], [Total], [Broadcast], [GroupSum], [Slice], [Embed];
//   - over pixels: [Conv], [ConvKernel], [Flip], [Pool], [Unpool], [MatMul];
//   - of an image: [Softmax], [Normalise], [InvStd], and of a kernel [Singular];
//   - of one value, locally constant: [Nearest], [Stop];
//   - between sample and shared: [BatchSum], [BatchMean], [Spread].
//
// # Derivatives
//
// [Grad] builds the derivative of a scalar as a value of the same operations, so that it can be differentiated again: the end
// of a Langevin step x - λ∇E(x), differentiated with respect to the parameters of E, takes no other machinery.
//
// # Mistakes
//
// Building never panics: a mistake (shapes that do not fit, say) makes a Value that carries an error, and so does everything
// built from it. Ask [Err], or the engine, which refuses to compile such a Value.
package expr

import (
	"errors"
	"fmt"
	"math"
)

// Shape holds the three axes of a value: height, width, channels; or taps, inputs, outputs of a kernel.
type Shape [3]int

// Scalar is the shape of a single number.
var Scalar = Shape{1, 1, 1}

// Size is the number of elements.
func (s Shape) Size() int { return s[0] * s[1] * s[2] }

// valid says whether all sizes are positive and the number of elements fits in 31 bits.
func (s Shape) valid() bool {
	size := 1
	for _, n := range s {
		if n < 1 || n > math.MaxInt32/size {
			return false
		}
		size *= n
	}
	return true
}

// Channels is the shape of one number per channel of s.
func (s Shape) Channels() Shape { return Shape{1, 1, s[2]} }

func (s Shape) String() string { return fmt.Sprintf("%d×%d×%d", s[0], s[1], s[2]) }

// Kind says whether there is one value per image or one for all.
type Kind uint8

// The two kinds.
const (
	Shared Kind = iota
	Sample
)

func (k Kind) String() string {
	if k == Sample {
		return "sample"
	}
	return "shared"
}

// Attr holds what an operation needs besides its inputs; engines read it. It is comparable, so that equal computations can be recognised.
type Attr struct {
	Name   string     // of a leaf
	X      [2]float64 // real coefficients, in the order of the constructor's arguments: of Affine scale and shift
	N      [2]int     // integer ones: order of Swish, groups, first channel and end of Slice, k of Nearest, ...
	TA, TB bool       // transposition, of MatMul
}

// Value is a node of the computation: an operation applied to other values. Values are immutable.
type Value struct {
	op    Op
	kind  Kind
	shape Shape
	attr  Attr
	in    []*Value
	err   error
}

// Op is the operation that makes v.
func (v *Value) Op() Op { return v.op }

// Kind is sample or shared.
func (v *Value) Kind() Kind { return v.kind }

// Shape is that of one image's value, or of the shared value.
func (v *Value) Shape() Shape { return v.shape }

// Attr is what the operation needs besides its inputs.
func (v *Value) Attr() Attr { return v.attr }

// In lists the inputs. It must not be changed.
func (v *Value) In() []*Value { return v.in }

func (v *Value) String() string {
	if v.err != nil {
		return "invalid: " + v.err.Error()
	}
	name := v.attr.Name
	if name != "" {
		name = " " + name
	}
	return fmt.Sprintf("%v%s (%v %v)", v.op, name, v.kind, v.shape)
}

// Err is the first mistake made in building any of the values, or nil.
func Err(values ...*Value) error {
	for _, v := range values {
		switch {
		case v == nil:
			return errors.New("expr: a nil value")
		case v.err != nil:
			return v.err
		case v.op == OpInvalid:
			return errors.New("expr: a value that no function of the package made")
		}
	}
	return nil
}

// Invalid is a value that carries the mistake err, for functions that build values as this package does.
func Invalid(err error) *Value { return &Value{err: err} }

// mistake is a value that carries what is wrong with the arguments of op.
func mistake(op Op, format string, args ...any) *Value {
	return Invalid(fmt.Errorf("expr: %v: %s", op, fmt.Sprintf(format, args...)))
}

// node makes a value of valid inputs; the shape may turn out too large.
func node(op Op, kind Kind, shape Shape, attr Attr, in ...*Value) *Value {
	if !shape.valid() {
		return mistake(op, "a result of shape %v: want positive sizes and fewer than 2³¹ elements", shape)
	}
	return &Value{op: op, kind: kind, shape: shape, attr: attr, in: in}
}

func leaf(op Op, kind Kind, name string, shape Shape) *Value {
	if name == "" || !shape.valid() {
		return mistake(op, "%q of shape %v: want a name, positive sizes and fewer than 2³¹ elements", name, shape)
	}
	return node(op, kind, shape, Attr{Name: name})
}

// Input is a value per image, given by name when the computation runs. Two Inputs of one name are the same value; leaves that differ must
// have different names.
func Input(name string, shape Shape) *Value { return leaf(OpInput, Sample, name, shape) }

// Param is a value shared by all images, given by name before the computation runs: a parameter, say.
func Param(name string, shape Shape) *Value { return leaf(OpParam, Shared, name, shape) }

// Gaussian is noise, a value per image: independent N(0, 1) numbers that the engine draws anew on every step of a chain. Noises
// of different names are independent.
func Gaussian(name string, shape Shape) *Value { return leaf(OpGaussian, Sample, name, shape) }

// Uniform is like [Gaussian] with numbers uniform in [0, 1).
func Uniform(name string, shape Shape) *Value { return leaf(OpUniform, Sample, name, shape) }

// Const is a number.
func Const(c float64) *Value { return node(OpConst, Shared, Scalar, Attr{X: [2]float64{c}}) }

// BatchSize is the number of images.
func BatchSize() *Value { return node(OpBatchSize, Shared, Scalar, Attr{}) }

// Order lists the given values and everything they are built from, inputs before their users. The order depends on the structure
// alone.
func Order(roots ...*Value) []*Value {
	var order []*Value
	seen := map[*Value]bool{}
	type frame struct {
		v    *Value
		next int
	}
	var stack []frame // explicit: a chain unrolled into one expression is deep
	for _, root := range roots {
		if root == nil || seen[root] {
			continue
		}
		seen[root] = true
		stack = append(stack, frame{v: root})
		for len(stack) > 0 {
			top := &stack[len(stack)-1]
			if top.next < len(top.v.in) {
				child := top.v.in[top.next]
				top.next++
				if !seen[child] {
					seen[child] = true
					stack = append(stack, frame{v: child})
				}
				continue
			}
			order = append(order, top.v)
			stack = stack[:len(stack)-1]
		}
	}
	return order
}
