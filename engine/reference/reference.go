// Package reference computes expressions in float64, in the plainest way: it is the definition of every operation that engines are tested
// against, and far too slow for anything else. An operation takes one image at a time (ops.go); nothing is fused, ordered or reused.
package reference

import (
	"fmt"
	"slices"

	"github.com/joule-ebm/joule/expr"
)

// Eval computes the outputs for a batch of images. values holds the numbers of every leaf by name, noise included: for a sample
// value batch × height × width × channels, image after image, for a shared one its own size. The results are laid out likewise.
// It is an error if an output is invalid, if a leaf has no value or one of the wrong size, or if leaves that differ have one name.
func Eval(outputs []*expr.Value, batch int, values map[string][]float64) ([][]float64, error) {
	return evalWith(outputs, batch, values, func(*expr.Value, []float64, [][]float64) {})
}

// evalWith computes values inputs first, and calls after with the numbers of each leaf, and with those of each other value image by image,
// and of its inputs: it may change the former.
func evalWith(outputs []*expr.Value, batch int, values map[string][]float64, after func(v *expr.Value, y []float64, in [][]float64)) (
	[][]float64, error,
) {
	if batch < 1 {
		return nil, fmt.Errorf("reference: a batch of %d images: want 1 or more", batch)
	}
	if err := expr.Err(outputs...); err != nil {
		return nil, fmt.Errorf("reference: %w", err)
	}
	leaves := map[string]*expr.Value{}
	known := map[*expr.Value][]float64{}
	for _, v := range expr.Order(outputs...) {
		switch {
		case v.Op() == expr.OpConst:
			known[v] = []float64{v.Attr().X[0]}
		case v.Op() == expr.OpBatchSize:
			known[v] = []float64{float64(batch)}
		case v.Op().Leaf():
			name := v.Attr().Name
			if other := leaves[name]; other != nil && (other.Op() != v.Op() || other.Shape() != v.Shape()) {
				return nil, fmt.Errorf("reference: two different leaves named %q: %v and %v", name, other, v)
			}
			if got, want := len(values[name]), images(v, batch)*v.Shape().Size(); got != want {
				return nil, fmt.Errorf("reference: %d numbers for %v in a batch of %d: want %d", got, v, batch, want)
			}
			leaves[name], known[v] = v, slices.Clone(values[name])
		default:
			op, ok := ops[v.Op()]
			if !ok {
				return nil, fmt.Errorf("reference: no operation %v", v.Op())
			}
			known[v] = each(v, batch, known, func(y []float64, in [][]float64) {
				op(v, y, in)
				after(v, y, in)
			})
		}
		if len(v.In()) == 0 {
			after(v, known[v], nil)
		}
	}
	results := make([][]float64, len(outputs))
	for i, v := range outputs {
		results[i] = known[v]
	}
	return results, nil
}

// images is the number of images that v has a value for.
func images(v *expr.Value, batch int) int {
	if v.Kind() == expr.Shared {
		return 1
	}
	return batch
}

// each applies op, that of v, to one image after the other. Shared inputs are the same for each, and a shared result
// gathers the sum over all of them.
func each(v *expr.Value, batch int, known map[*expr.Value][]float64, op func(y []float64, in [][]float64)) []float64 {
	y := make([]float64, images(v, batch)*v.Shape().Size())
	n := images(v, batch)
	for _, u := range v.In() {
		n = max(n, images(u, batch))
	}
	in := make([][]float64, len(v.In()))
	for i := range n {
		for j, u := range v.In() {
			in[j] = image(known[u], u, i)
		}
		op(image(y, v, i), in)
	}
	return y
}

// image is the i-th image's part of the numbers of v.
func image(numbers []float64, v *expr.Value, i int) []float64 {
	if v.Kind() == expr.Shared {
		i = 0
	}
	size := v.Shape().Size()
	return numbers[i*size : (i+1)*size]
}
