package engine

import (
	"fmt"
	"math"
	"slices"

	"github.com/joule-ebm/joule/expr"
)

// Fits says what is wrong with a call of a program with these leaves, of one name each, and outputs, if anything.
func (c Call) Fits(leaves, outputs []*expr.Value) error {
	if c.Batch < 1 || c.Batch > math.MaxInt32 {
		return fmt.Errorf("a batch of %d images: want 1 or more, and fewer than 2³¹", c.Batch)
	}
	steps := max(c.Chain.Steps, 1)
	for _, v := range leaves {
		if v.Op() != expr.OpInput {
			continue
		}
		name, s := v.Attr().Name, v.Shape()
		if values, ok := c.Chain.PerStep[name]; ok {
			if len(values) != steps || s != expr.Scalar {
				return fmt.Errorf("input %q of shape %v has %d values for %d steps", name, s, len(values), steps)
			}
			continue
		}
		values, ok := c.Inputs[name]
		if !ok {
			return fmt.Errorf("no value for input %q", name)
		}
		if want := c.Batch * s.Size(); len(values) != want {
			return fmt.Errorf("input %q has %d values, a batch of %d of shape %v takes %d", name, len(values), c.Batch, s, want)
		}
	}
	for name, i := range c.Chain.Feedback {
		at := slices.IndexFunc(leaves, func(v *expr.Value) bool { return v.Op() == expr.OpInput && v.Attr().Name == name })
		if at < 0 || i < 0 || i >= len(outputs) || outputs[i].Shape() != leaves[at].Shape() || outputs[i].Kind() != expr.Sample {
			return fmt.Errorf("output %d cannot become input %q of the next step", i, name)
		}
	}
	if len(c.Outputs) != len(outputs) {
		return fmt.Errorf("%d outputs asked for, the program has %d", len(c.Outputs), len(outputs))
	}
	for i, out := range c.Outputs {
		want := outputs[i].Shape().Size()
		if outputs[i].Kind() == expr.Sample {
			want *= c.Batch
		}
		if out != nil && len(out) != want {
			return fmt.Errorf("output %d has room for %d values, it takes %d", i, len(out), want)
		}
	}
	return nil
}
