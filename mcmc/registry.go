package mcmc

import (
	"fmt"
	"strings"
)

// This file makes samplers by name.

// Options are the choices that samplers have. Each sampler takes those that it knows, as its type says, in the units given there.
type Options struct {
	StepSize    float64 // step_size: λ of Langevin, ε of HMC, h of MALA
	Coarse      float64 // coarse: β of Langevin
	Noise       float64 // noise: σ
	Anneal      bool    // anneal
	Leapfrogs   int     // leapfrogs
	Temperature float64 // temperature: T
	Hot         float64 // hot: how many times as hot a chain starts, for Annealed; 0 and 1: no hotter
	Cooling     float64 // cooling: factor of the temperature from step to step
}

// A Kind is a sampler that [New] can make.
type Kind struct {
	Name, About string
	make        func(Options) (Sampler, error)
}

// kinds are all samplers, the usual one first.
var kinds = []Kind{
	{"langevin", "the authors': noise, then λ = step_size times the gradient; no acceptance test", newLangevin},
	{"hmc", "Hamiltonian Monte Carlo at a temperature: leapfrogs of length step_size, such as 0.01", newHMC},
	{"mala", "Langevin at a temperature, acceptance test included: noise of variance 2 step_size", newMALA},
}

// Usage explains the samplers, a line each, for the help of a command.
func Usage() string {
	var lines strings.Builder
	for _, k := range Samplers() {
		fmt.Fprintf(&lines, "  %-14s %s\n", k.Name, k.About)
	}
	return lines.String()
}

// Samplers lists the samplers that New can make.
func Samplers() []Kind { return kinds[:len(kinds):len(kinds)] }

// New makes a sampler by name. An error begins with the name of the option that is wrong, such as "step_size is 0: ...", or with
// "kind" where there is no such sampler, for a caller to put the place where it was chosen before it.
func New(kind string, o Options) (Sampler, error) {
	if !(o.Noise >= 0 && o.Noise <= 1) { // refuses NaN too
		return nil, fmt.Errorf("noise is %v: want 0 to 1", o.Noise)
	}
	var names []string
	for _, k := range kinds {
		if k.Name == kind {
			s, err := k.make(o)
			if err != nil {
				return nil, err
			}
			return newAnnealed(s, o)
		}
		names = append(names, k.Name)
	}
	last := len(names) - 1
	return nil, fmt.Errorf("kind is %.40q: want %s or %s", kind, strings.Join(names[:last], ", "), names[last])
}
