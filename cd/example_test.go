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

// slope is a term of one's own: the energy is flat at images of the data, so that chains rest there,
//
//	L_slope = mean ‖∇E(x⁺)‖²
func slope(b *cd.Batch) *expr.Value {
	x := b.Positive.X
	gradient := expr.Grad(energy.Sum(b.Energies(b.Positive)), x)[0]
	return expr.BatchMean(expr.Total(expr.Mul(gradient, gradient)))
}

// A new term of the loss is a function and an element of the list.
func ExampleTerm() {
	settings := cd.PaperSettings()
	settings.Steps, settings.DiagnoseEvery = 5, 1
	settings.Terms = append(settings.Terms, cd.Term{Name: "slope", About: "the energy is flat at the data", Weight: 0.1, Loss: slope})

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
	// loss of slope true
	// gradient of cd true
	// gradient of opt true
	// gradient of slope true
}
