// Command train makes the weights of the classifier of photographs from CIFAR-10's training images, in any format that Joule reads, in two
// courses, the second with images that are changed less:
//
//	go run ./eval/features/photographs/train --data cifar-10-binary.tar.gz -o first.safetensors
//	go run ./eval/features/photographs/train --data cifar-10-binary.tar.gz --test cifar-10-binary.tar.gz:test -o weights.safetensors \
//		--from first.safetensors --epochs 8 --rate 1.5e-3 --shift 2 --cutout 0 --seed 2
//
// They take some fifteen and seven minutes of a core. What there is after each epoch is kept in FILE.part, and the same command goes on from
// there if it was stopped. The weights are always the same for one source and one set of kernels. Those that come with Joule are from
// CIFAR-10 as JPEG files: 83.8% of the test images right after the first course, 85.4% after the second.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"time"

	"github.com/joule-ebm/joule/dataset"
	"github.com/joule-ebm/joule/engine/cpu"
	"github.com/joule-ebm/joule/eval/features"
	"github.com/joule-ebm/joule/eval/features/internal/network"
	"github.com/joule-ebm/joule/eval/features/photographs"
)

func main() {
	var t training
	flag.StringVar(&t.data, "data", "", "training images of CIFAR-10: a `source` that joule reads")
	flag.StringVar(&t.test, "test", "", "`source` of test images, to say how many are told right")
	flag.StringVar(&t.output, "o", "weights.safetensors", "`file` to write; FILE.part is the state of an unfinished training")
	flag.IntVar(&t.threads, "threads", 1, "threads to use")
	flag.StringVar(&t.from, "from", "", "weights to begin with, a `file` that this program wrote; none: random ones")
	flag.IntVar(&t.epochs, "epochs", 18, "passes over the training images")
	flag.Float64Var(&t.rate, "rate", 3e-3, "learning rate at its highest")
	flag.IntVar(&t.shift, "shift", 4, "pixels by which images are shifted at most")
	flag.IntVar(&t.cutout, "cutout", 8, "side of the square that is made gray; 0: none")
	flag.Uint64Var(&t.seed, "seed", 1, "of the order of the images, and of how they are changed")
	flag.IntVar(&t.images, "images", 0, "learn from so many of the images only; 0: from all")
	flag.Parse()
	if err := t.run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "train:", err)
		os.Exit(1)
	}
}

const (
	batch       = 128
	rising      = 0.15 // the part of the steps in which the rate rises from 0; it falls to 0 along a half cosine in the rest
	weightDecay = 0.05
	decay       = 0.998 // of the average of the weights
	maxNorm     = 2
	smoothing   = 0.1
	changes     = 0x6368616e6765 // "change": random numbers for the images
)

type training struct {
	data, test, from, output string
	threads, epochs, images  int
	rate                     float64
	changing
}

func (t training) run(ctx context.Context) error {
	if t.data == "" {
		return errors.New("--data is missing: CIFAR-10's training images, in a format that joule reads")
	}
	size := dataset.Size{Height: photographs.Image[0], Width: photographs.Image[1], Channels: photographs.Image[2]}
	set, err := dataset.Open(ctx, t.data, size)
	if err != nil {
		return err
	}
	if !slices.Equal(set.Classes, photographs.Names) {
		return fmt.Errorf("%s: classes %q, want %q", t.data, set.Classes, photographs.Names)
	}
	set = set.AtMost(t.images, t.seed).InMemory()
	var test *dataset.Set
	if t.test != "" {
		if test, err = dataset.Open(ctx, t.test, size); err != nil {
			return err
		}
	}
	e := &cpu.Engine{Threads: t.threads}
	l, err := newLearner(e)
	if err != nil {
		return err
	}
	if t.from != "" {
		if err := l.Begin(t.from); err != nil {
			return err
		}
	}
	part := t.output + ".part"
	if err := l.Load(part); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	perEpoch := set.Len() / batch
	steps := t.epochs * perEpoch
	sum, began := 0.0, time.Now()
	for number := l.Steps(); number < steps; number++ {
		loss, err := step(ctx, l, set, t.changing, number, t.rate*network.OneCycle(number, steps, rising))
		if err != nil {
			return err
		}
		if sum += float64(loss); (number+1)%100 == 0 {
			fmt.Fprintf(os.Stderr, "step %d of %d: loss %.4f, %.1f s\n", number+1, steps, sum/100, time.Since(began).Seconds())
			sum = 0
		}
		if (number+1)%perEpoch > 0 {
			continue
		}
		if err := l.Store(part); err != nil {
			return err
		}
		if epoch := (number + 1) / perEpoch; test != nil && (epoch%4 == 0 || number+1 == steps) {
			if err := t.report(ctx, l, e, test); err != nil {
				return err
			}
		}
	}
	if err := l.Save(t.output, network.Half, about); err != nil {
		return err
	}
	return os.Remove(part)
}

// report says how many of the test images the average of the weights tells right.
func (t training) report(ctx context.Context, l *network.Learner, e *cpu.Engine, test *dataset.Set) error {
	stored, err := l.Bytes(network.Half, about)
	if err != nil {
		return err
	}
	net, err := photographs.With(e, stored)
	if err != nil {
		return err
	}
	d, err := features.Describe(ctx, net, test, nil)
	if err != nil {
		return err
	}
	right := 0
	for i, y := range test.Labels {
		p := d.Probabilities[i*photographs.Classes:][:photographs.Classes]
		if slices.Max(p) == p[y] {
			right++
		}
	}
	fmt.Fprintf(os.Stderr, "step %d: %d of %d test images right\n", l.Steps(), right, test.Len())
	return nil
}

var about = map[string]string{"format": "pt", "data": "CIFAR-10, training images", "program": "joule, github.com/joule-ebm/joule",
	"about": "a classifier of photographs; figures from its features do not compare with Inception FID"}
