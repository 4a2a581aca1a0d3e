// Command train makes the weights of the classifier of digits: go generate ./eval/features/digits. It is a training by Joule's own
// parts, eight epochs of MNIST's training images in a minute or two on one core, and always the same for one set of kernels.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"

	"github.com/joule-ebm/joule/cd"
	"github.com/joule-ebm/joule/dataset"
	"github.com/joule-ebm/joule/energy"
	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/engine/cpu"
	"github.com/joule-ebm/joule/eval/features/digits"
	"github.com/joule-ebm/joule/eval/features/internal/network"
	"github.com/joule-ebm/joule/expr"
)

func main() {
	output := flag.String("o", "weights.safetensors", "`file` to write")
	threads := flag.Int("threads", 1, "threads to use")
	epochs := flag.Int("epochs", 8, "passes over the training images")
	flag.Parse()
	if err := train(context.Background(), *output, *threads, *epochs); err != nil {
		fmt.Fprintln(os.Stderr, "train:", err)
		os.Exit(1)
	}
}

const (
	batch = 64
	rate  = 4e-3 // at first; it falls to 0 along a half cosine
	seed  = 1
)

func train(ctx context.Context, output string, threads, epochs int) error {
	set, err := dataset.Open(ctx, "mnist", dataset.Size{})
	if err != nil {
		return err
	}
	l, err := newLearner(&cpu.Engine{Threads: threads})
	if err != nil {
		return err
	}
	steps := epochs * set.Len() / batch
	for number := range steps {
		loss, err := step(ctx, l, set, number, rate*network.HalfCosine(number, steps))
		if err != nil {
			return err
		}
		if number%100 == 0 {
			fmt.Fprintf(os.Stderr, "step %d of %d: loss %.4f\n", number, steps, loss)
		}
	}
	metadata := map[string]string{"format": "pt", "data": "mnist:train", "program": "joule, github.com/joule-ebm/joule",
		"about": "a classifier of digits; figures from its features do not compare with Inception FID"}
	return l.Save(output, network.Single, metadata)
}

// newLearner makes what minimises the cross-entropy
//
//	L = mean over images of log Σ_k exp(l_k) - l_y
//
// of logits l and true classes y.
func newLearner(e engine.Engine) (*network.Learner, error) {
	params := energy.NewParams()
	_, logits := digits.Build(params, expr.Input("x", digits.Image))
	truth := expr.Mul(logits, expr.Input("y", logits.Shape()))
	loss := expr.BatchMean(expr.Sub(expr.Log(expr.Total(expr.Exp(logits))), expr.Total(truth)))
	return network.NewLearner(e, params, loss)
}

// step learns from the batch of that number and returns the loss there.
func step(ctx context.Context, l *network.Learner, set *dataset.Set, number int, rate float64) (float32, error) {
	var pixels []uint8
	var labels []int32
	for i := range batch {
		at := set.At(seed, uint64(number*batch+i))
		pixels, labels = append(pixels, set.Image(at)...), append(labels, set.Labels[at])
	}
	return l.Step(ctx, batch, map[string][]float32{"x": dataset.Intensities(pixels), "y": cd.OneHot(labels, digits.Classes)}, rate)
}
