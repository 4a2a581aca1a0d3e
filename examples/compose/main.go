// Composition: what do a composition's images look like to a classifier? An expression over the classes of a conditional model of digits,
// which it calls d, or over models given as NAME=RUN.
//
//	go run ./cmd/joule train --set network.conditional=true -o runs/digits
//	go run ./examples/compose 'd:3 & d:5' d=runs/digits
//	go run ./examples/compose -temperature 0.002 'd:4 | d:9' d=runs/digits
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"strings"

	"github.com/joule-ebm/joule/engine/cpu"
	"github.com/joule-ebm/joule/eval/features/digits"
	"github.com/joule-ebm/joule/model"
)

func main() {
	n := flag.Int("n", 200, "images to draw")
	seed := flag.Uint64("seed", 1, "of the chains")
	mixture := model.DefaultMixture
	flag.Float64Var(&mixture.Temperature, "temperature", mixture.Temperature, "T of |")
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
	composed, err := model.Compose(flag.Arg(0), mixture, models)
	check(err)
	engine := &cpu.Engine{}
	pixels, err := composed.Sample(ctx, engine, model.Sampling{Images: *n, Seed: *seed})
	check(err)
	classifier, err := digits.New(engine)
	check(err)
	d, err := classifier.Classify(ctx, pixels)
	check(err)

	// The share of images that the classifier takes for each digit, and how likely it finds the digit on average.
	fmt.Println("digit  taken for it  mean probability")
	for digit := range digits.Classes {
		taken, sum := 0, 0.0
		for i := range *n {
			p := d.Probabilities[i*digits.Classes:][:digits.Classes]
			sum += float64(p[digit])
			best := 0
			for k := range p {
				if p[k] > p[best] {
					best = k
				}
			}
			if best == digit {
				taken++
			}
		}
		fmt.Printf("%5d  %11.1f%%  %15.1f%%\n", digit, 100*float64(taken)/float64(*n), 100*sum/float64(*n))
	}
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
