// Images of one's own: a folder of pictures, one sub-folder a class or flat, becomes a model, and the model draws new ones.
//
//	go run ./examples/own-images photos/
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"log/slog"
	"os"
	"os/signal"
	"time"

	"github.com/joule-ebm/joule/run"
)

func main() {
	dir := flag.String("dir", "runs/own-images", "run directory")
	duration := flag.Duration("for", 10*time.Minute, "of training")
	side := flag.Int("side", 32, "height and width that pictures are scaled to, in pixels")
	flag.Parse()
	if flag.NArg() != 1 {
		log.Fatal("name a folder or an archive of pictures: go run ./examples/own-images photos/")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()

	c, err := run.PresetConfig("photos32") // colour images, for a few cores
	check(err)
	c.Data, c.Network.Image, c.Limits = flag.Arg(0), []int{*side, *side, 3}, run.Limits{For: *duration}
	result, err := run.Start(ctx, *dir, c, run.Options{Log: slog.Default(), Progress: func(p run.Progress) {
		if p.Iteration%50 == 0 {
			slog.Info("training", "iteration", p.Iteration, "left", p.Left.Round(time.Second))
		}
	}})
	check(err)
	if result.Interrupted {
		log.Fatalf("interrupted and saved; go on with: joule train --resume --out %s", result.Dir)
	}
	fmt.Printf("%d iterations; the model is %s, its samples %s\n", result.Iteration, result.Model, result.Samples)
	fmt.Printf("AUROC against %s: %.4f\n", result.Outliers, result.Detection.AUROC)
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
