// An energy of one's own: a Go function becomes a model that is trained as a run, survives a kill, is opened again and calibrated.
//
//	go run ./examples/own-energy
//	go run ./examples/own-energy -iterations 300 -dir runs/mine    and again, with more iterations: the run goes on
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"log"
	"log/slog"
	"os"
	"os/signal"

	"github.com/joule-ebm/joule/dataset"
	"github.com/joule-ebm/joule/detect"
	"github.com/joule-ebm/joule/energy"
	"github.com/joule-ebm/joule/engine/cpu"
	"github.com/joule-ebm/joule/expr"
	"github.com/joule-ebm/joule/model"
	"github.com/joule-ebm/joule/run"
)

// strokes is the energy: one layer that sees strokes at half the resolution, one that sees how they meet, and the head. Everything
// that training needs of it, second derivatives included, follows from its definition.
func strokes(o energy.Options) (*energy.Energy, error) {
	return &energy.Energy{Image: expr.Shape{28, 28, 1}, Classes: o.Classes, Build: func(p *energy.Params, x, label *expr.Value) []*expr.Value {
		h := expr.Swish(energy.Conv(p, "strokes", expr.Pool(x), 8, energy.PlainKernel), 0)
		h = energy.Condition(p, "class", h, label)
		return []*expr.Value{energy.Head(p, "energy", energy.Down(p, "junctions", h, 16))}
	}}, nil
}

func main() {
	dir := flag.String("dir", "runs/strokes", "run directory; one that is there goes on")
	iterations := flag.Int64("iterations", 100, "of training, in all")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt) // Ctrl-C saves; the same command goes on
	defer stop()

	// Everything that opens the model must know the function by the name that its files give.
	check(model.Register("strokes", strokes))
	check(train(ctx, *dir, *iterations))

	m, err := model.Open(*dir)
	check(err)
	calibration, err := detect.CalibrationOf(m) // the run has calibrated it with images it held out
	check(err)
	fmt.Printf("%d parameters after %d iterations, calibrated with %d images\n", m.Parameters(), m.Iterations, calibration.Images)

	for _, name := range []string{"mnist:test", "fashion-mnist"} {
		set, err := dataset.Open(ctx, name, m.Config.ImageSize())
		check(err)
		energies, err := m.Energies(ctx, &cpu.Engine{}, set.Pixels[:500*set.Size().Len()], model.AnyLabel)
		check(err)
		mean := 0.0
		for _, e := range energies {
			mean += e / float64(len(energies))
		}
		fmt.Printf("mean energy of %s: %.4f\n", name, mean)
	}
}

// train starts the run, or goes on with it.
func train(ctx context.Context, dir string, iterations int64) error {
	options := run.Options{Log: slog.Default()}
	limits := run.Limits{Iterations: iterations}
	result, err := run.Resume(ctx, dir, &limits, options)
	if errors.Is(err, fs.ErrNotExist) {
		var c run.Config
		if c, err = run.PresetConfig(run.DefaultPreset); err != nil {
			return err
		}
		c.Network.Name, c.Sampler.Steps, c.Optimiser.LearningRate, c.Limits = "strokes", 10, 2e-3, limits
		result, err = run.Start(ctx, dir, c, options)
	}
	if err == nil && result.Interrupted {
		err = context.Cause(ctx)
	}
	return err
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
