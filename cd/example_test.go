package cd_test

import (
	"context"
	"fmt"
	"log"

	"github.com/joule-ebm/joule/cd"
	"github.com/joule-ebm/joule/energy"
	"github.com/joule-ebm/joule/engine/cpu"
	"github.com/joule-ebm/joule/expr"
)

// flow is a term of one's own: the energy's downhill direction matches the straight way from noise z to an image of the data x⁺, at a
// random point between the two, as in flow matching (Lipman et al. 2023) but without time:
//
//	L_flow = mean ‖∇E(x_t) + (x⁺ - z)‖²/D,   x_t = z + t(x⁺ - z),   t ~ U(0, 1)
//
// where D is the number of the image's elements.
func flow(b *cd.Batch) *expr.Value {
	z, t := expr.Uniform("flow_z", b.Positive.X.Shape()), expr.Uniform("flow_t", expr.Scalar)
	way := expr.Sub(b.Positive.X, z)
	x := expr.Add(z, expr.Mul(t, way))
	gradient := expr.Grad(energy.Sum(b.Energies(cd.Point{X: x, Label: b.Positive.Label})), x)[0]
	miss := expr.Add(gradient, way)
	return expr.BatchMean(expr.Affine(expr.Total(expr.Mul(miss, miss)), 1/float64(x.Shape().Size()), 0))
}

// A new term of the loss is a function and an element of the list.
func ExampleTerm() {
	settings := cd.PaperSettings()
	settings.Steps, settings.DiagnoseEvery = 5, 1
	settings.Terms = append(settings.Terms, cd.Term{Name: "flow", About: "the straight way from noise", Weight: 0.1, Loss: flow})

	model, err := energy.New("quick", energy.Options{Filters: 2, Image: expr.Shape{side, side, 1}})
	if err != nil {
		log.Fatal(err)
	}
	trainer, err := cd.NewTrainer(&cpu.Engine{}, model, settings)
	if err != nil {
		log.Fatal(err)
	}
	images, _ := bars(batch, 1)
	m, err := trainer.Step(context.Background(), images, nil)
	if err != nil {
		log.Fatal(err)
	}
	for _, t := range m.Terms {
		fmt.Println("loss of", t.Name, t.Value != 0)
	}
	for _, g := range m.Gradients {
		fmt.Println("gradient of", g.Name, g.Value != 0)
	}
	// Output:
	// loss of cd true
	// loss of reg true
	// loss of opt true
	// loss of ent false
	// loss of flow true
	// gradient of cd true
	// gradient of opt true
	// gradient of flow true
}
