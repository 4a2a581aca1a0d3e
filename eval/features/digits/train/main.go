// Command train makes the weights of the classifier of digits: go generate ./eval/features/digits. It is a training by Joule's own
// parts, eight epochs of MNIST's training images in a minute or two on one core, and always the same for one set of kernels.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"math"
	"os"

	"github.com/joule-ebm/joule/cd"
	"github.com/joule-ebm/joule/dataset"
	"github.com/joule-ebm/joule/energy"
	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/engine/cpu"
	"github.com/joule-ebm/joule/eval/features/digits"
	"github.com/joule-ebm/joule/expr"
	"github.com/joule-ebm/joule/internal/durable"
	"github.com/joule-ebm/joule/internal/safetensors"
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
	decay = 0.99 // of the average of the weights, which are what is kept
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
	for step := range steps {
		loss, err := l.step(ctx, set, step, rate*(1+math.Cos(math.Pi*float64(step)/float64(steps)))/2)
		if err != nil {
			return err
		}
		if step%100 == 0 {
			fmt.Fprintf(os.Stderr, "step %d of %d: loss %.4f\n", step, steps, loss)
		}
	}
	metadata := map[string]string{"format": "pt", "data": "mnist:train", "program": "joule, github.com/joule-ebm/joule",
		"about": "a classifier of digits; figures from its features do not compare with Inception FID"}
	return durable.WriteFile(output, func(w io.Writer) error { return safetensors.Write(w, l.tensors(), metadata) })
}

// A learner minimises the cross-entropy
//
//	L = mean over images of log Σ_k exp(l_k) - l_y
//
// of logits l and true classes y.
type learner struct {
	program           engine.Program
	specs             []energy.Spec
	current, averaged []float32
	gradient          []float32
	adam              cd.Adam
}

func newLearner(e engine.Engine) (*learner, error) {
	params := energy.NewParams()
	_, logits := digits.Build(params, expr.Input("x", digits.Image))
	truth := expr.Mul(logits, expr.Input("y", logits.Shape()))
	loss := expr.BatchMean(expr.Sub(expr.Log(expr.Total(expr.Exp(logits))), expr.Total(truth)))
	l := &learner{specs: params.Specs(), adam: cd.Adam{Beta1: 0.9, Beta2: 0.99, Epsilon: 1e-8}}
	var leaves []*expr.Value
	initial := energy.InitialValues(l.specs, seed)
	for _, s := range l.specs {
		leaves = append(leaves, params.Get(s.Name, s.Shape, s.Init))
		l.current = append(l.current, initial[s.Name]...)
	}
	l.averaged, l.gradient = append([]float32(nil), l.current...), make([]float32, len(l.current))
	var err error
	l.program, err = e.Compile(append([]*expr.Value{loss}, expr.Grad(loss, leaves...)...)...)
	return l, err
}

// step learns from the batch of that number and returns the loss there.
func (l *learner) step(ctx context.Context, set *dataset.Set, number int, rate float64) (float32, error) {
	var pixels []uint8
	var labels []int32
	for i := range batch {
		at := set.At(seed, uint64(number*batch+i))
		pixels, labels = append(pixels, set.Image(at)...), append(labels, set.Labels[at])
	}
	bound := map[string][]float32{}
	loss := make([]float32, 1)
	outputs := [][]float32{loss}
	for i, view := range l.views(l.current) {
		bound[l.specs[i].Name] = view
	}
	outputs = append(outputs, l.views(l.gradient)...)
	if err := l.program.Bind(bound); err != nil {
		return 0, err
	}
	err := l.program.Run(ctx, engine.Call{Batch: batch, Outputs: outputs, Inputs: map[string][]float32{
		"x": dataset.Intensities(pixels), "y": cd.OneHot(labels, digits.Classes)}})
	if err != nil {
		return 0, err
	}
	l.adam.Update(l.current, l.gradient, rate, 0)
	cd.Average(l.averaged, l.current, decay, 0)
	return loss[0], nil
}

// views are the parts of a flat vector of parameters, in the order of the specs.
func (l *learner) views(flat []float32) (views [][]float32) {
	for _, s := range l.specs {
		views, flat = append(views, flat[:s.Shape.Size()]), flat[s.Shape.Size():]
	}
	return views
}

// tensors are the averaged weights in PyTorch's layout.
func (l *learner) tensors() (tensors []safetensors.Tensor) {
	for i, view := range l.views(l.averaged) {
		stored := make([]float32, len(view))
		l.specs[i].ToTorch(stored, view)
		tensors = append(tensors, safetensors.FromFloat32s(l.specs[i].Name, l.specs[i].TorchShape(), stored))
	}
	return tensors
}
