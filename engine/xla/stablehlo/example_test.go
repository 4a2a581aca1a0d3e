package stablehlo_test

import (
	"fmt"

	"github.com/joule-ebm/joule/engine/xla/stablehlo"
)

// Doubling a number three times, in a loop.
func ExamplePrinter_Repeat() {
	var p stablehlo.Printer
	x := p.Argument(stablehlo.F32, 2)
	y := p.Repeat(3, []stablehlo.Tensor{x}, func(_ stablehlo.Tensor, state []stablehlo.Tensor) []stablehlo.Tensor {
		return []stablehlo.Tensor{p.Same("add", state[0], state[0])}
	})
	fmt.Print(p.Program(y))
	// Output:
	// module @joule {
	//   func.func public @main(%a0: tensor<2xf32>) -> (tensor<2xf32>) {
	//     %1 = stablehlo.constant dense<0> : tensor<i32>
	//     %2 = stablehlo.constant dense<1> : tensor<i32>
	//     %3 = stablehlo.constant dense<3> : tensor<i32>
	//     %6:2 = stablehlo.while(%4 = %1, %5 = %a0) : tensor<i32>, tensor<2xf32>
	//     cond {
	//     %7 = stablehlo.compare LT, %4, %3 : (tensor<i32>, tensor<i32>) -> tensor<i1>
	//     stablehlo.return %7 : tensor<i1>
	//     } do {
	//     %8 = stablehlo.add %4, %2 : tensor<i32>
	//     %9 = stablehlo.add %5, %5 : tensor<2xf32>
	//     stablehlo.return %8, %9 : tensor<i32>, tensor<2xf32>
	//     }
	//     return %6#1 : tensor<2xf32>
	//   }
	// }
}

// What is written twice is computed once, and what a loop has computed is known in the loop alone.
func ExamplePrinter() {
	var p stablehlo.Printer
	x := p.Argument(stablehlo.F32)
	fmt.Println(p.Same("sqrt", x), p.Same("sqrt", x))
	p.Repeat(2, []stablehlo.Tensor{x}, func(_ stablehlo.Tensor, state []stablehlo.Tensor) []stablehlo.Tensor {
		fmt.Println(p.Same("sqrt", x), p.Same("exponential", x))
		return state
	})
	fmt.Println(p.Same("exponential", x))
	// Output:
	// %1 %1
	// %1 %10
	// %11
}
