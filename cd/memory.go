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
	// leave adds to a call the outputs that are the gradient of a group; apart: where it waits for add.
	leave(call *engine.Call, group int, apart bool)
	// add adds the gradient that waits to that of the group.
	add(group int) error
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

func (h hostMemory) leave(call *engine.Call, group int, apart bool) {
	to := h.gradients[group]
	if apart {
		to = h.waiting()
	}
	for _, s := range h.specs {
		call.Outputs = append(call.Outputs, to[s.Name])
	}
}

func (h hostMemory) add(group int) error {
	for name, values := range h.waiting() {
		sum := h.gradients[group][name]
		for i, v := range values {
			sum[i] += v
		}
	}
	return nil
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
