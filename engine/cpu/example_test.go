package cpu_test

import (
	"context"
	"fmt"

	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/engine/cpu"
	"github.com/joule-ebm/joule/expr"
)

// Gradient descent on E(x) = ½‖x - μ‖², for two images of two numbers: three steps of x - ½∇E(x), each from the end of the one before.
func Example() {
	x, mu := expr.Input("x", expr.Shape{1, 1, 2}), expr.Param("mu", expr.Shape{1, 1, 2})
	distance := expr.Sub(x, mu)
	energy := expr.Affine(expr.Total(expr.Mul(distance, distance)), 0.5, 0)
	next := expr.Sub(x, expr.Affine(expr.Grad(energy, x)[0], 0.5, 0))

	program, err := new(cpu.Engine).Compile(next, energy)
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := program.Bind(map[string][]float32{"mu": {1, 1}}); err != nil {
		fmt.Println(err)
		return
	}
	ends, energies := make([]float32, 4), make([]float32, 2)
	err = program.Run(context.Background(), engine.Call{
		Batch:   2,
		Inputs:  map[string][]float32{"x": {9, 1, 1, -7}},
		Outputs: [][]float32{ends, energies}, // of the last step
		Chain:   engine.Chain{Steps: 3, Feedback: map[string]int{"x": 0}},
	})
	fmt.Println(ends, energies, err)
	// Output:
	// [2 1 1 0] [2 2] <nil>
}
