package joule_test

import (
	"context"
	"fmt"
	"log"

	"github.com/joule-ebm/joule/cd"
	"github.com/joule-ebm/joule/dataset"
	"github.com/joule-ebm/joule/detect/benchmark"
	"github.com/joule-ebm/joule/energy"
	"github.com/joule-ebm/joule/engine/cpu"
	"github.com/joule-ebm/joule/expr"
	"github.com/joule-ebm/joule/model"
)

func Example() {
	ctx := context.Background()
	digits, err := dataset.Open(ctx, "mnist", dataset.Size{})
	check(err)
	clothes, err := dataset.Open(ctx, "fashion-mnist", dataset.Size{})
	check(err)

	// README begins.
	mine := &energy.Energy{Image: expr.Shape{28, 28, 1}, Build: func(p *energy.Params, x, _ *expr.Value) []*expr.Value {
		h := expr.Swish(energy.Conv(p, "strokes", expr.Pool(x), 8, energy.PlainKernel), 0)
		return []*expr.Value{energy.Head(p, "energy", energy.Down(p, "parts", h, 16))}
	}}
	settings := cd.PaperSettings()
	settings.Steps, settings.LearningRate = 10, 2e-3
	trainer, err := cd.NewTrainer(&cpu.Engine{}, mine, settings)
	check(err)
	for i := range uint64(100) {
		images, labels := digits.Batch(1, i, 32)
		_, err = trainer.Step(ctx, images, labels)
		check(err)
	}
	meter, err := model.NewMeter(&cpu.Engine{}, mine, trainer.Named(trainer.Averaged), false) // the energies of any images
	// README ends.
	check(err)
	score := func(set *dataset.Set) []float64 {
		energies, err := meter.Energies(ctx, set.Pixels[:500*set.Size().Len()], model.AnyLabel)
		check(err)
		return energies
	}
	d, err := benchmark.Detect(score(digits), score(clothes))
	check(err)
	fmt.Println("clothes have the higher energies:", d.AUROC > 0.6)
	// Output: clothes have the higher energies: true
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
