package expr_test

import (
	"fmt"

	"github.com/joule-ebm/joule/engine/reference"
	"github.com/joule-ebm/joule/expr"
)

// A Gaussian energy around a learnt centre, its gradient, and the derivative that learning through a step of a sampler needs.
func Example() {
	x := expr.Input("x", expr.Shape{1, 1, 2})   // one per image
	mu := expr.Param("mu", expr.Shape{1, 1, 2}) // one for all
	distance := expr.Sub(x, mu)
	energy := expr.Affine(expr.Total(expr.Mul(distance, distance)), 0.5, 0)

	gradient := expr.Grad(energy, x)[0]
	step := expr.Sub(x, expr.Affine(gradient, 0.1, 0)) // x - λ ∇E
	mixed := expr.Grad(expr.BatchMean(expr.Total(step)), mu)[0]

	fmt.Println(energy)
	fmt.Println(mixed)
	results, err := reference.Eval([]*expr.Value{energy, gradient, step, mixed}, 2, map[string][]float64{
		"x":  {3, 1, 0, 0}, // two images of two numbers
		"mu": {1, 1},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("energy", results[0])
	fmt.Println("gradient", results[1])
	fmt.Println("step", results[2])
	fmt.Println("mixed", results[3])
	// Output:
	// Affine (sample 1×1×1)
	// Affine (shared 1×1×2)
	// energy [2 1]
	// gradient [2 0 -1 -1]
	// step [2.8 1 0.1 0.1]
	// mixed [0.1 0.1]
}

// A mistake is carried along instead of being reported at every step.
func ExampleErr() {
	x := expr.Input("x", expr.Shape{28, 28, 1})
	w := expr.Param("w", expr.Shape{9, 3, 16}) // for 3 channels
	energy := expr.Total(expr.Swish(expr.Conv(x, w), 0))
	fmt.Println(expr.Err(energy))
	// Output:
	// expr: Conv: a sample value of shape 28×28×1 by a shared kernel of shape 9×3×16 (want H×W×I and T×I×O with T 1 or 9)
}
