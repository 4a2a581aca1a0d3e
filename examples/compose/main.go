// Composition: a model made of others, and what its images show to a network that reads them back.
//
//	go run ./cmd/joule train --set network.conditional=true -o runs/digits
//	go run ./examples/compose 'd:3 & d:5' d=runs/digits
package main

import (
	"context"
	"flag"
	"log"
	"os"
	"os/signal"
	"strings"

	"github.com/joule-ebm/joule/dataset"
	"github.com/joule-ebm/joule/engine/cpu"
	"github.com/joule-ebm/joule/eval/attributes"
	"github.com/joule-ebm/joule/model"
)

func main() {
	n := flag.Int("n", 200, "images to draw")
	seed := flag.Uint64("seed", 1, "of the chains")
	output := flag.String("o", "", "also write the model to this file")
	flag.Parse()
	if flag.NArg() < 2 {
		log.Fatal("give an expression and models: go run ./examples/compose 'd:3 & d:5' d=runs/digits")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()

	models := map[string]*model.Model{}
	for _, arg := range flag.Args()[1:] {
		name, path, _ := strings.Cut(arg, "=")
		m, err := model.Open(path)
		check(err)
		models[name] = m
	}
	composed, err := model.Compose(flag.Arg(0), model.DefaultMixture, models)
	check(err)
	if *output != "" {
		check(composed.Save(*output))
	}
	images, err := dataset.Open(ctx, dataset.ParseReference(composed.Config.Data).Unseen().String(), composed.Config.ImageSize())
	check(err)
	report, err := attributes.Measure(ctx, &cpu.Engine{}, composed, attributes.Options{
		Images:   images, // say what the images are of: digits, or objects
		Sampling: model.Sampling{Images: *n, Seed: *seed},
	})
	check(err)
	check(report.Text(os.Stdout))
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
