package eval_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/joule-ebm/joule/engine/cpu"
	"github.com/joule-ebm/joule/eval/chains"
	"github.com/joule-ebm/joule/eval/likelihood"
	"github.com/joule-ebm/joule/eval/quality"
	"github.com/joule-ebm/joule/model"
)

// All that package eval has to say of a run on MNIST, as joule eval says it.
func Example() {
	ctx, engine := context.Background(), &cpu.Engine{}
	check := func(err error) {
		if err != nil {
			log.Fatal(err)
		}
	}
	m, err := model.Open("runs/mnist")
	check(err)
	training, heldOut, err := m.Config.OpenData(ctx)
	check(err)

	plan := quality.Defaults()
	plan.Number = 5000
	samples, err := plan.Run(ctx, engine, m)
	check(err)
	fmt.Println(samples)

	options := likelihood.Defaults()
	options.Temperature = 0.001
	bits, err := likelihood.Measure(ctx, engine, m, heldOut, options)
	check(err)
	fmt.Println(bits)

	study, err := chains.Examine(ctx, engine, m, training, heldOut, chains.Defaults())
	check(err)
	fmt.Println(study)
	curves, err := os.Create("autocorrelation.png")
	check(err)
	check(study.Curves(curves))
	check(curves.Close())
}
