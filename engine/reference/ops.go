package reference

// This file defines every operation, for one image, as the formula in the comment of its constructor in package expr.

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/mat"

	"github.com/joule-ebm/joule/expr"
)

// operation adds to y, which is zero at first, the value of v for one image, given its inputs.
type operation func(v *expr.Value, y []float64, in [][]float64)

var ops = map[expr.Op]operation{
	expr.OpAdd:    pointwise(func(_ expr.Attr, x []float64) float64 { return x[0] + x[1] }),
	expr.OpMul:    pointwise(func(_ expr.Attr, x []float64) float64 { return x[0] * x[1] }),
	expr.OpAffine: pointwise(func(a expr.Attr, x []float64) float64 { return a.X[0]*x[0] + a.X[1] }),
	expr.OpPow:    pointwise(func(a expr.Attr, x []float64) float64 { return math.Pow(x[0], a.X[0]) }),
	expr.OpExp:    pointwise(func(_ expr.Attr, x []float64) float64 { return math.Exp(x[0]) }),
	expr.OpLog:    pointwise(func(_ expr.Attr, x []float64) float64 { return math.Log(x[0]) }),
	expr.OpSwish:  pointwise(func(a expr.Attr, x []float64) float64 { return swish(x[0], a.N[0]) }),
	expr.OpClamp:  pointwise(func(a expr.Attr, x []float64) float64 { return min(max(x[0], a.X[0]), a.X[1]) }),
	expr.OpWithin: pointwise(within),

	expr.OpSum:       sum,
	expr.OpBroadcast: broadcast,
	expr.OpGroupSum:  groupSum,
	expr.OpSlice:     slice,
	expr.OpEmbed:     embed,

	expr.OpConv:       conv,
	expr.OpFlip:       flip,
	expr.OpConvKernel: convKernel,
	expr.OpPool:       pool,
	expr.OpUnpool:     unpool,
	expr.OpMatMul:     matMul,

	expr.OpSoftmax:   softmax,
	expr.OpNormalise: normalise,
	expr.OpInvStd:    invStd,

	expr.OpSingular: singular,
	expr.OpNearest:  nearest,

	expr.OpStop:     add,
	expr.OpBatchSum: add,
	expr.OpSpread:   add,
}

// add is the identity, and the sum over the images where y is shared.
func add(_ *expr.Value, y []float64, in [][]float64) {
	for i, x := range in[0] {
		y[i] += x
	}
}

// at is the place of element (h, w, c) in a value of shape s, repeated along its axes of size 1.
func at(s expr.Shape, h, w, c int) int { return (h%s[0]*s[1]+w%s[1])*s[2] + c%s[2] }

// elements visits every element of a value of shape s in order.
func elements(s expr.Shape, visit func(i, h, w, c int)) {
	for i := range s.Size() {
		visit(i, i/(s[1]*s[2]), i/s[2]%s[1], i%s[2])
	}
}

func pointwise(f func(a expr.Attr, x []float64) float64) operation {
	return func(v *expr.Value, y []float64, in [][]float64) {
		x := make([]float64, len(in))
		elements(v.Shape(), func(i, h, w, c int) {
			for j, u := range v.In() {
				x[j] = in[j][at(u.Shape(), h, w, c)]
			}
			y[i] = f(v.Attr(), x)
		})
	}
}

func within(a expr.Attr, x []float64) float64 {
	if a.X[0] < x[0] && x[0] < a.X[1] {
		return 1
	}
	return 0
}

// swish is the n-th derivative of x·σ(x), by Leibniz' rule x·σ⁽ⁿ⁾(x) + n·σ⁽ⁿ⁻¹⁾(x).
func swish(x float64, n int) float64 {
	if n == 0 {
		return x * sigmoid(x, 0)
	}
	return x*sigmoid(x, n) + float64(n)*sigmoid(x, n-1)
}

// sigmoid is the n-th derivative of σ(x) = 1/(1 + e⁻ˣ), a polynomial in σ by the chain rule and σ' = σ - σ². Those of positive
// order are even or odd: they are taken where σ is small, so that nothing cancels.
func sigmoid(x float64, n int) float64 {
	sign := 1.0
	if n > 0 && x > 0 {
		x = -x
		if n%2 == 0 {
			sign = -1
		}
	}
	s := 1 / (1 + math.Exp(-x))
	p := []float64{0, 1} // coefficients of 1, σ, σ², ...
	for range n {
		q := make([]float64, len(p)+1)
		for k, c := range p { // (σᵏ)' = k·σᵏ⁻¹·(σ - σ²)
			q[k] += float64(k) * c
			q[k+1] -= float64(k) * c
		}
		p = q
	}
	y := 0.0
	for _, c := range slices.Backward(p) {
		y = y*s + c
	}
	return sign * y
}

func sum(v *expr.Value, y []float64, in [][]float64) {
	elements(v.In()[0].Shape(), func(i, h, w, c int) { y[at(v.Shape(), h, w, c)] += in[0][i] })
}

func broadcast(v *expr.Value, y []float64, in [][]float64) {
	elements(v.Shape(), func(i, h, w, c int) { y[i] = in[0][at(v.In()[0].Shape(), h, w, c)] })
}

func groupSum(v *expr.Value, y []float64, in [][]float64) {
	perGroup := len(y) / v.Attr().N[0]
	for c := range y {
		for other, x := range in[0] {
			if other/perGroup == c/perGroup {
				y[c] += x
			}
		}
	}
}

func slice(v *expr.Value, y []float64, in [][]float64) {
	elements(v.Shape(), func(i, h, w, c int) { y[i] = in[0][at(v.In()[0].Shape(), h, w, c+v.Attr().N[0])] })
}

func embed(v *expr.Value, y []float64, in [][]float64) {
	elements(v.In()[0].Shape(), func(i, h, w, c int) { y[at(v.Shape(), h, w, c+v.Attr().N[0])] = in[0][i] })
}

// taps visits each pair of a pixel p and a pixel q = p + t of an image that is one of p's taps t.
func taps(s expr.Shape, n int, visit func(t, p, q int)) {
	if n == 1 {
		for p := range s[0] * s[1] {
			visit(0, p, p)
		}
		return
	}
	for t := range 9 {
		for h := range s[0] {
			for w := range s[1] {
				i, j := h+t/3-1, w+t%3-1
				if 0 <= i && i < s[0] && 0 <= j && j < s[1] {
					visit(t, h*s[1]+w, i*s[1]+j)
				}
			}
		}
	}
}

func conv(v *expr.Value, y []float64, in [][]float64) {
	x, w, k := in[0], in[1], v.In()[1].Shape()
	inputs, outputs := k[1], k[2]
	taps(v.Shape(), k[0], func(t, p, q int) {
		for i, xi := range x[q*inputs:][:inputs] {
			for o, wo := range w[(t*inputs+i)*outputs:][:outputs] {
				y[p*outputs+o] += xi * wo
			}
		}
	})
}

func convKernel(v *expr.Value, k []float64, in [][]float64) {
	x, dy := in[0], in[1]
	inputs, outputs := v.Shape()[1], v.Shape()[2]
	taps(v.In()[0].Shape(), v.Shape()[0], func(t, p, q int) {
		for i, xi := range x[q*inputs:][:inputs] {
			for o, d := range dy[p*outputs:][:outputs] {
				k[(t*inputs+i)*outputs+o] += xi * d
			}
		}
	})
}

func flip(v *expr.Value, y []float64, in [][]float64) {
	s := v.In()[0].Shape()
	elements(s, func(i, t, input, output int) { y[at(v.Shape(), s[0]-1-t, output, input)] = in[0][i] })
}

// windows visits each pair of a pooled pixel p and a pixel q of the image, of shape s, that p is the average of.
func windows(s expr.Shape, visit func(p, q int)) {
	columns := (s[1] + 1) / 2
	taps(s, 9, func(_, p, q int) {
		if h, w := p/s[1], p%s[1]; h%2 == 0 && w%2 == 0 {
			visit(h/2*columns+w/2, q)
		}
	})
}

func pool(v *expr.Value, y []float64, in [][]float64) {
	channels := v.Shape()[2]
	windows(v.In()[0].Shape(), func(p, q int) {
		for c := range channels {
			y[p*channels+c] += in[0][q*channels+c] / 9
		}
	})
}

func unpool(v *expr.Value, y []float64, in [][]float64) {
	channels := v.Shape()[2]
	windows(v.Shape(), func(p, q int) {
		for c := range channels {
			y[q*channels+c] += in[0][p*channels+c] / 9
		}
	})
}

func matMul(v *expr.Value, y []float64, in [][]float64) {
	a, b, ta, tb := v.In()[0].Shape(), v.In()[1].Shape(), v.Attr().TA, v.Attr().TB
	columns, inner := b[2], b[0]*b[1]
	if tb {
		columns, inner = inner, columns
	}
	element := func(m []float64, columns, i, j int, transpose bool) float64 {
		if transpose {
			i, j = j, i
		}
		return m[i*columns+j]
	}
	for i := range y {
		for k := range inner {
			y[i] += element(in[0], a[2], i/columns, k, ta) * element(in[1], b[2], k, i%columns, tb)
		}
	}
}

func softmax(v *expr.Value, y []float64, in [][]float64) {
	channels := v.Shape()[2]
	for p := 0; p < len(y); p += channels {
		x, y := in[0][p:p+channels], y[p:p+channels]
		highest, total := slices.Max(x), 0.0
		for c := range x {
			y[c] = math.Exp(x[c] - highest)
			total += y[c]
		}
		for c := range y {
			y[c] /= total
		}
	}
}

// moments gives the mean and 1/√(variance + eps) of the group of channels that channel c is in.
func moments(v *expr.Value, x []float64, c int) (mean, invStd float64) {
	channels := v.Shape()[2]
	perGroup := channels / v.Attr().N[0]
	n := float64(len(x) / v.Attr().N[0])
	ofGroup := func(f func(x float64) float64) (mean float64) {
		for i := range x {
			if i%channels/perGroup == c/perGroup {
				mean += f(x[i]) / n
			}
		}
		return mean
	}
	mean = ofGroup(func(x float64) float64 { return x })
	variance := ofGroup(func(x float64) float64 { return (x - mean) * (x - mean) })
	return mean, 1 / math.Sqrt(variance+v.Attr().X[0])
}

func normalise(v *expr.Value, y []float64, in [][]float64) {
	channels := v.Shape()[2]
	for c := range channels {
		mean, r := moments(v, in[0], c)
		for i := c; i < len(y); i += channels {
			y[i] = (in[0][i] - mean) * r
		}
	}
}

func invStd(v *expr.Value, y []float64, in [][]float64) {
	for c := range y {
		_, y[c] = moments(v, in[0], c)
	}
}

// singular is the outer product of the leading singular vectors: NaN if the kernel is not finite.
func singular(v *expr.Value, y []float64, in [][]float64) {
	s := v.Shape()
	outputs := s[2]
	var svd mat.SVD
	finite := !slices.ContainsFunc(in[0], func(x float64) bool { return math.IsNaN(x) || math.IsInf(x, 0) })
	if !finite || !svd.Factorize(mat.NewDense(s[0]*s[1], outputs, in[0]), mat.SVDThin) {
		for i := range y {
			y[i] = math.NaN()
		}
		return
	}
	var left, right mat.Dense
	svd.UTo(&left)
	svd.VTo(&right)
	for i := range y {
		y[i] = left.At(i/outputs, 0) * right.At(i%outputs, 0)
	}
}

func nearest(v *expr.Value, y []float64, in [][]float64) {
	x, references := in[0], in[1]
	candidates := slices.Collect(slices.Chunk(references, len(x)))
	distance := func(r []float64) (d float64) {
		for i := range x {
			d += (x[i] - r[i]) * (x[i] - r[i])
		}
		return d
	}
	slices.SortStableFunc(candidates, func(a, b []float64) int {
		switch da, db := distance(a), distance(b); {
		case da < db:
			return -1
		case da > db:
			return 1
		}
		return 0
	})
	copy(y, candidates[v.Attr().N[0]-1])
}
