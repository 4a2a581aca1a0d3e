package cpu

import (
	"errors"
	"fmt"
	"math"

	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/expr"
)

// This file takes values from the caller: parameters, and what a call says. Whatever does not fit the program is an error that names it.

// Bind implements engine.Program. It keeps the slices; the prologue reads them on the next Run.
func (p *program) Bind(params map[string][]float32) error {
	bound := make([][]float32, len(p.params))
	for i, n := range p.params {
		values, ok := params[n.attr.Name]
		if !ok {
			return fmt.Errorf("cpu: no value for parameter %q", n.attr.Name)
		}
		if len(values) != n.shape.Size() {
			return fmt.Errorf("cpu: parameter %q has %d values, its shape %v takes %d", n.attr.Name, len(values), n.shape, n.shape.Size())
		}
		bound[i] = values
	}
	p.bound, p.justBound, p.cache.batch, p.cache.pinned = bound, true, 0, false
	return nil
}

// checkCall is an error unless the call fits the program.
func (p *program) checkCall(call engine.Call) error {
	if p.bound == nil {
		return fmt.Errorf("cpu: Run before Bind")
	}
	if len(call.Updates) > 0 {
		return errors.New("cpu: outputs go to the caller, there is no store to update")
	}
	if call.Batch < 1 || call.Batch > math.MaxInt32 {
		return fmt.Errorf("cpu: a batch of %d images: want 1 or more, and fewer than 2³¹", call.Batch)
	}
	if err := p.checkInputs(call); err != nil {
		return err
	}
	for name, i := range call.Chain.Feedback {
		input := p.graph.input(name)
		if input == nil || i < 0 || i >= len(p.graph.outputs) || p.graph.outputs[i].shape != input.shape || p.graph.outputs[i].phase != body {
			return fmt.Errorf("cpu: output %d cannot become input %q of the next step", i, name)
		}
	}
	return p.checkOutputs(call)
}

func (p *program) checkInputs(call engine.Call) error {
	steps := max(call.Chain.Steps, 1)
	for _, n := range p.graph.leaves {
		if n.op != expr.OpInput {
			continue
		}
		name := n.attr.Name
		if values, ok := call.Chain.PerStep[name]; ok {
			if len(values) != steps || n.shape != expr.Scalar {
				return fmt.Errorf("cpu: input %q of shape %v has %d values for %d steps", name, n.shape, len(values), steps)
			}
			continue
		}
		values, ok := call.Inputs[name]
		if !ok {
			return fmt.Errorf("cpu: no value for input %q", name)
		}
		if want := call.Batch * n.shape.Size(); len(values) != want {
			return fmt.Errorf("cpu: input %q has %d values, a batch of %d of shape %v takes %d", name, len(values), call.Batch, n.shape, want)
		}
	}
	return nil
}

func (p *program) checkOutputs(call engine.Call) error {
	if len(call.Outputs) != len(p.graph.outputs) {
		return fmt.Errorf("cpu: %d outputs asked for, the program has %d", len(call.Outputs), len(p.graph.outputs))
	}
	for i, out := range call.Outputs {
		n := p.graph.outputs[i]
		want := n.shape.Size()
		if n.kind == expr.Sample {
			want *= call.Batch
		}
		if out != nil && len(out) != want {
			return fmt.Errorf("cpu: output %d has room for %d values, it takes %d", i, len(out), want)
		}
	}
	return nil
}

// input is the sample leaf of that name, nil if there is none.
func (g *graph) input(name string) *node {
	for _, n := range g.leaves {
		if n.op == expr.OpInput && n.attr.Name == name {
			return n
		}
	}
	return nil
}
