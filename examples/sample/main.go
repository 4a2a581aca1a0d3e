// Images out of a model: chains from noise, as PNG files, and what energies they ended with.
//
//	go run ./cmd/joule train -o runs/mnist
//	go run ./examples/sample runs/mnist samples/
package main

import (
	"context"
	"flag"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"log"
	"os"
	"path/filepath"

	"github.com/joule-ebm/joule/dataset"
	"github.com/joule-ebm/joule/engine/cpu"
	"github.com/joule-ebm/joule/model"
)

func main() {
	n := flag.Int("n", 16, "images")
	steps := flag.Int("steps", 0, "of each chain; 0: as the model was trained to be sampled")
	flag.Parse()
	if flag.NArg() != 2 {
		log.Fatal("name a run or a model file, and a folder: go run ./examples/sample runs/mnist samples/")
	}
	ctx, engine := context.Background(), &cpu.Engine{}
	m, err := model.Open(flag.Arg(0))
	check(err)
	pixels, err := m.Sample(ctx, engine, model.Sampling{Images: *n, Steps: *steps, Seed: 1})
	check(err)
	energies, err := m.Energies(ctx, engine, pixels, model.AnyLabel)
	check(err)

	check(os.MkdirAll(flag.Arg(1), 0o777))
	size := m.Config.ImageSize()
	for i, e := range energies {
		name := filepath.Join(flag.Arg(1), fmt.Sprintf("%04d.png", i))
		file, err := os.Create(name)
		check(err)
		check(png.Encode(file, picture(pixels[i*size.Len():][:size.Len()], size)))
		check(file.Close())
		fmt.Printf("%s  energy %.4f\n", name, e)
	}
}

// picture is an image of bytes H,W,C, grey or colour.
func picture(pixels []uint8, size dataset.Size) image.Image {
	img := image.NewRGBA(image.Rect(0, 0, size.Width, size.Height))
	for p := range size.Height * size.Width {
		c := pixels[p*size.Channels:][:size.Channels]
		img.SetRGBA(p%size.Width, p/size.Width, color.RGBA{c[0], c[len(c)/2], c[len(c)-1], 255})
	}
	return img
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
