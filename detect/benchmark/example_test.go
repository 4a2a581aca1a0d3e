package benchmark_test

import (
	"context"
	"fmt"
	"log"

	"github.com/joule-ebm/joule/detect/benchmark"
	"github.com/joule-ebm/joule/energy"
	"github.com/joule-ebm/joule/engine/cpu"
	"github.com/joule-ebm/joule/expr"
	"github.com/joule-ebm/joule/model"
)

// ink is a model by whose energy an image is the less likely, the more light there is in it: E(x) = Σ w x, where all w are 1.
func ink() *model.Model {
	image := expr.Shape{28, 28, 1}
	m := &model.Model{Config: model.Paper(), Params: map[string][]float32{"w": make([]float32, image.Size())}}
	m.Config.Network.Image = image[:]
	m.Energy = &energy.Energy{Image: image, Build: func(p *energy.Params, x, _ *expr.Value) []*expr.Value {
		return []*expr.Value{expr.Total(expr.Mul(p.Get("w", image, energy.Init{}), x))}
	}}
	for i := range m.Params["w"] {
		m.Params["w"][i] = 1
	}
	return m
}

func ExamplePlan_Run() {
	plan := benchmark.Plan{Out: []string{"fashion-mnist", "flipped"}, Images: 1000, Seed: 1, Resamples: 200}
	result, err := plan.Run(context.Background(), &cpu.Engine{}, ink()) // or a model of model.Open
	if err != nil {
		log.Fatal(err)
	}
	for _, c := range result.Comparisons {
		fmt.Printf("%s against %s: AUROC %.2f, %.2f to %.2f\n", c.In, c.Out, c.AUROC, c.Intervals.AUROC[0], c.Intervals.AUROC[1])
	}
	// Output:
	// mnist:test against fashion-mnist: AUROC 0.86, 0.85 to 0.88
	// mnist:test against flipped: AUROC 0.50, 0.47 to 0.53
}
