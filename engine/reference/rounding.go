package reference

// This file says how far rounding can take the results of an engine: Monte Carlo arithmetic (Parker 1997), in which every number has a
// random error, and a sum one for each addition. Sums of numbers that are alike are rounded the same way each time, so that the error of n
// additions can reach its bound, n/2 units in the last place (Higham, "The accuracy of floating point summation", 1993), where it would
// grow with √n by chance alone.

import (
	"math"

	"github.com/joule-ebm/joule/engine/rng"
	"github.com/joule-ebm/joule/expr"
)

// Perturbed is Eval with a random relative error of up to ±4 units in every number of every intermediate result, and of up to ±n/2 units
// in what adds n numbers up one after the other: how far it comes out from Eval is what rounding can do to the results of an engine whose
// numbers have this unit in the last place, relative to the number. Equal seeds give equal errors.
func Perturbed(outputs []*expr.Value, batch int, values map[string][]float64, unit float64, seed uint64) ([][]float64, error) {
	s := rng.New(seed)
	return evalWith(outputs, batch, values, func(v *expr.Value, y []float64, in [][]float64) {
		most := unit * max(4, float64(summands(v))/2)
		err := func() float64 { return most * float64(2*s.Float32()-1) }
		for i := range y {
			y[i] *= 1 + err()
		}
		if v.Op() == expr.OpNormalise { // whose mean has an error of its own, also where it is all that there is: in (x - μ)/σ of a constant x
			channels := v.Shape()[2]
			for c := range channels {
				mean, invStd := moments(v, in[0], c)
				off := mean * invStd * err()
				for i := c; i < len(y); i += channels {
					y[i] -= off
				}
			}
		}
	})
}

// summands is how many numbers the operation of v adds up for each element of an image, or for one on the way to it.
func summands(v *expr.Value) int {
	in := v.In()
	switch v.Op() {
	case expr.OpSum:
		return in[0].Shape().Size() / v.Shape().Size()
	case expr.OpGroupSum, expr.OpNormalise, expr.OpInvStd:
		return in[0].Shape().Size() / v.Attr().N[0]
	case expr.OpSoftmax:
		return v.Shape()[2]
	case expr.OpConv:
		return in[1].Shape()[0] * in[1].Shape()[1]
	case expr.OpConvKernel:
		return in[0].Shape()[0] * in[0].Shape()[1]
	case expr.OpMatMul: // (m×n)·(n×o) has m·n·n·o/(m·o) = n²
		return int(math.Sqrt(float64(in[0].Shape().Size() * in[1].Shape().Size() / v.Shape().Size())))
	}
	return 1
}
