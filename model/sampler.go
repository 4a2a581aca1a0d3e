package model

// This file goes from one kind of sampler to another that moves alike: with the same gradient step λ, at the same temperature T,
//
//	langevin   λ = step_size,          T = noise²/2λ
//	mala       λ = step_size/T,        T = temperature
//	hmc        λ = step_size²/2T,      T = temperature

import "math"

// As is a sampler of another kind that moves alike. What the kinds do not share stays as it is, but for anneal and coarse, which langevin alone
// has and which are left out.
func (s Sampler) As(kind string) Sampler {
	if kind == s.Kind {
		return s
	}
	lambda, t := s.StepSize, s.Temperature
	switch s.Kind {
	case "langevin":
		t = s.Noise * s.Noise / (2 * lambda)
	case "mala":
		lambda = s.StepSize / t
	case "hmc":
		lambda = s.StepSize * s.StepSize / (2 * t)
	}
	s.Kind, s.Anneal, s.Coarse = kind, false, 0
	switch kind {
	case "langevin":
		s.StepSize, s.Noise = lambda, math.Sqrt(2*lambda*t)
	case "mala":
		s.StepSize, s.Temperature = lambda*t, t
	case "hmc":
		s.StepSize, s.Temperature = math.Sqrt(2*lambda*t), t
	}
	return s
}

// AnnealedFrom is the sampler with chains that start so many times as hot and have cooled down after so many steps.
func (s Sampler) AnnealedFrom(hot float64, steps int) Sampler {
	s.Hot, s.Cooling = hot, math.Pow(hot, -1/float64(max(steps, 1)))
	return s
}
