package stream_test

import (
	"context"
	"fmt"
	"image"
	"image/png"
	"log"
	"os"
	"path/filepath"

	"github.com/joule-ebm/joule/dataset"
	"github.com/joule-ebm/joule/detect"
	"github.com/joule-ebm/joule/detect/stream"
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

// Judge the pictures in a folder, in order.
func ExampleOpen() {
	ctx, m := context.Background(), ink() // or a model of model.Open, which is calibrated
	digits, err := dataset.Open(ctx, "mnist", m.Config.ImageSize())
	check(err)
	calibration, err := detect.Calibrate(ctx, &cpu.Engine{}, m, "mnist", digits.Draw(999, 1).Pixels, nil)
	check(err)
	check(detect.Attach(m, calibration))

	camera, err := os.MkdirTemp("", "")
	check(err)
	defer os.RemoveAll(camera)
	clothes, err := dataset.Open(ctx, "fashion-mnist", m.Config.ImageSize())
	check(err)
	save(filepath.Join(camera, "1.png"), digits.Image(0))
	save(filepath.Join(camera, "2.png"), digits.Image(1))
	save(filepath.Join(camera, "3.png"), clothes.Image(0))

	judge, err := detect.NewJudge(&cpu.Engine{}, m, detect.Default, detect.Rule{FalseAlarms: 0.05})
	check(err)
	s, err := stream.Open(judge, stream.Folder{Path: camera}, stream.Options{}) // with Output and State it survives a kill
	check(err)
	for line, err := range s.Lines(ctx) {
		check(err)
		fmt.Println(line.N, filepath.Base(line.Image), *line.OutOfDistribution)
	}
	check(s.Close())
	fmt.Println("drift:", s.Report().Drift)
	// Output:
	// 1 1.png false
	// 2 2.png false
	// 3 3.png true
	// drift: false
}

func save(path string, pixels []uint8) {
	file, err := os.Create(path)
	check(err)
	check(png.Encode(file, &image.Gray{Pix: pixels, Stride: 28, Rect: image.Rect(0, 0, 28, 28)}))
	check(file.Close())
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
