package detect_test

import (
	"context"
	"fmt"
	"log"

	"github.com/joule-ebm/joule/dataset"
	"github.com/joule-ebm/joule/detect"
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

// Calibrate a model, then score images with p-values and decide.
func Example() {
	ctx, e, m := context.Background(), &cpu.Engine{}, ink() // or a model of model.Open, which is calibrated when its run ends
	digits, err := dataset.Open(ctx, "mnist", m.Config.ImageSize())
	if err != nil {
		log.Fatal(err)
	}
	calibration, err := detect.Calibrate(ctx, e, m, "mnist", digits.Draw(999, 1).Pixels, nil)
	if err != nil {
		log.Fatal(err)
	}
	if err := detect.Attach(m, calibration); err != nil { // m.Save would keep it; detect.Save puts it into the file of a model
		log.Fatal(err)
	}

	judge, err := detect.NewJudge(e, m, detect.Default, detect.Rule{FalseAlarms: 0.05})
	if err != nil {
		log.Fatal(err)
	}
	clothes, err := dataset.Open(ctx, "fashion-mnist", m.Config.ImageSize())
	if err != nil {
		log.Fatal(err)
	}
	judgements, err := judge.Images(ctx, append(digits.Image(0), clothes.Image(0)...), model.AnyLabel)
	if err != nil {
		log.Fatal(err)
	}
	for _, j := range judgements {
		fmt.Printf("energy %.0f, p = %.2f, out of distribution: %v\n", j.Energy, *j.P, *j.OutOfDistribution)
	}
	// Output:
	// energy 109, p = 0.42, out of distribution: false
	// energy 314, p = 0.00, out of distribution: true
}

// Judge any number of pictures, without having all in memory.
func ExampleJudge_Batches() {
	ctx, m := context.Background(), ink()
	judge, err := detect.NewJudge(&cpu.Engine{}, m, detect.Default, detect.Rule{})
	if err != nil {
		log.Fatal(err)
	}
	images, lowest := 0, detect.Judged{}
	for batch, err := range judge.Batches(ctx, dataset.Images(ctx, "mnist:test", m.Config.ImageSize()), model.AnyLabel) {
		if err != nil {
			log.Fatal(err)
		}
		for _, j := range batch {
			switch {
			case j.Err != nil:
				fmt.Println(j.Err)
			case images == 0 || j.Score < lowest.Score:
				lowest = j
			}
			images++
		}
	}
	fmt.Println(images, "images, the lowest score has", lowest.Name)
	// Output: 10000 images, the lowest score has mnist:test[6572]
}
