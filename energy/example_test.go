package energy_test

import (
	"fmt"

	"github.com/joule-ebm/joule/energy"
	"github.com/joule-ebm/joule/expr"
)

// A product of two experts: a Gaussian around a learnt image, and a small network that looks for edges.
func Example() {
	build := func(p *energy.Params, x, _ *expr.Value) []*expr.Value {
		mean := p.Get("mean", x.Shape(), energy.Constant(0.5, energy.Array))
		distance := expr.Sub(x, mean)
		gaussian := expr.Affine(expr.Total(expr.Mul(distance, distance)), 0.5, 0)

		edges := energy.Conv(p, "edges", x, 8, energy.PlainKernel)
		return []*expr.Value{expr.Add(gaussian, energy.Head(p, "energy_map", edges))}
	}
	mine := &energy.Energy{Image: expr.Shape{28, 28, 1}, Build: build}

	params, err := mine.Params()
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, s := range params.Specs() {
		fmt.Println(s.Name, s.Shape)
	}
	// Output:
	// mean 28×28×1
	// edges.weight 9×1×8
	// edges.bias 1×1×8
	// energy_map.weight 1×8×1
	// energy_map.bias 1×1×1
}

func ExampleNew() {
	cifar, err := energy.New("cifar10", energy.Options{Filters: 64, MultiScale: true, Attention: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	params, err := cifar.Params()
	if err != nil {
		fmt.Println(err)
		return
	}
	n := 0
	for _, s := range params.Specs() {
		n += s.Shape.Size()
	}
	fmt.Println("images", cifar.Image, "parameters", n)
	// Output: images 32×32×3 parameters 6564196
}
