package cd

// This file is where an objective finds the parameters and leaves gradients on the host. On devices it is a store (kept.go).

import (
	"maps"

	"github.com/joule-ebm/joule/energy"
	"github.com/joule-ebm/joule/engine"
)

// memory is where an objective finds the parameters and leaves the gradients.
type memory interface {
	// bind gives a program the parameters, and others that it has beside them.
	bind(p engine.Program, others map[string][]float32) error
	// leave adds to a call the outputs that are the gradient of a group. Where that is to be added to one of an earlier part, added does it
	// once the call has run; otherwise it is nil.
	leave(call *engine.Call, group int, adds bool) (added func())
}

// hostMemory holds them by name.
type hostMemory struct {
	specs     []energy.Spec
	params    map[string][]float32
	gradients []map[string][]float32      // of each group
	waiting   func() map[string][]float32 // for a gradient that is to be added
}

func (h hostMemory) bind(p engine.Program, others map[string][]float32) error {
	all := maps.Clone(h.params)
	maps.Copy(all, others)
	return p.Bind(all)
}

func (h hostMemory) leave(call *engine.Call, group int, adds bool) (added func()) {
	to := h.gradients[group]
	if adds {
		to = h.waiting()
		added = func() {
			for name, sum := range h.gradients[group] {
				for i, v := range to[name] {
					sum[i] += v
				}
			}
		}
	}
	for _, s := range h.specs {
		call.Outputs = append(call.Outputs, to[s.Name])
	}
	return added
}

// host is memory of the host, with a gradient for each group.
func (o *Objective) host(params map[string][]float32, gradients ...map[string][]float32) hostMemory {
	return hostMemory{o.specs, params, gradients, o.waiting}
}

// waiting has room for a gradient.
func (o *Objective) waiting() map[string][]float32 {
	if o.apart == nil {
		o.apart = energy.Named(o.specs, make([]float32, energy.Numbers(o.specs)))
	}
	return o.apart
}
