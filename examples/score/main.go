// Scores with p-values: which pictures are unlike those that a model was calibrated with, at a rate of false alarms of your choice.
//
//	go run ./cmd/joule train -o runs/mnist
//	go run ./examples/score -false-alarms 0.01 runs/mnist photos/ more.zip
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"

	"github.com/joule-ebm/joule/dataset"
	"github.com/joule-ebm/joule/detect"
	"github.com/joule-ebm/joule/engine/cpu"
	"github.com/joule-ebm/joule/model"
)

func main() {
	rate := flag.Float64("false-alarms", 0.01, "the fraction of pictures like the calibration images that may be called out of distribution")
	detector := flag.String("detector", detect.Default, "what makes the score")
	flag.Parse()
	if flag.NArg() < 2 {
		log.Fatal("name a model and pictures: go run ./examples/score runs/mnist photos/")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()

	m, err := model.Open(flag.Arg(0))
	check(err)
	judge, err := detect.NewJudge(&cpu.Engine{}, m, *detector, detect.Rule{FalseAlarms: *rate})
	check(err)
	if err := judge.Check(); err != nil { // such as too few calibration images for that rate
		log.Println(err)
	}
	images, out := 0, 0
	for _, source := range flag.Args()[1:] {
		for batch, err := range judge.Batches(ctx, dataset.Images(ctx, source, m.Config.PictureSize()), model.AnyLabel) {
			check(err)
			for _, j := range batch {
				if j.Err != nil {
					log.Println(j.Err)
					continue
				}
				if images++; *j.OutOfDistribution {
					out++
					fmt.Printf("%s: score %.4g, p = %.3g\n", j.Name, j.Score, *j.P)
				}
			}
		}
	}
	fmt.Printf("%d of %d images are out of distribution; %.3g would be called so if none were\n", out, images, *rate*float64(images))
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
