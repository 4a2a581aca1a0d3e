// Command train makes the weights of the reader of objects: go generate ./eval/features/scenes. It is a training by Joule's own parts,
// on renders that are never seen twice nor belong to the data set: 7000 batches in some seven minutes of a core, and always the same for
// one set of kernels.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"

	"github.com/joule-ebm/joule/engine/cpu"
	"github.com/joule-ebm/joule/eval/features/internal/network"
)

func main() {
	output := flag.String("o", "weights.safetensors", "`file` to write")
	threads := flag.Int("threads", 2, "threads to use")
	steps := flag.Int("steps", 7000, "batches of 64 renders to learn from")
	flag.Parse()
	if err := train(context.Background(), *output, *threads, *steps); err != nil {
		fmt.Fprintln(os.Stderr, "train:", err)
		os.Exit(1)
	}
}

const (
	batch  = 64
	rate   = 2e-3 // after the first steps, over which it rises from 0; it falls to 0 along a half cosine
	rising = 500
)

func train(ctx context.Context, output string, threads, steps int) error {
	l, err := newLearner(ctx, &cpu.Engine{Threads: threads})
	if err != nil {
		return err
	}
	sum := 0.0
	for step := range steps {
		loss, err := l.step(ctx, step, rate*min(1, float64(step+1)/rising)*network.HalfCosine(step, steps))
		if err != nil {
			return err
		}
		if sum += float64(loss); (step+1)%100 == 0 {
			fmt.Fprintf(os.Stderr, "step %d of %d: loss %.4f\n", step+1, steps, sum/100)
			sum = 0
		}
	}
	return l.Save(output, network.Single, about)
}

var about = map[string]string{"format": "pt", "data": "objects, other seeds", "program": "joule, github.com/joule-ebm/joule",
	"about": "a reader of the attributes of objects; figures from its features do not compare with Inception FID"}
