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
	lambda, t := s.gradientStep(), s.Temperature
	if s.Kind == "langevin" {
		t = s.Noise * s.Noise / (2 * lambda)
	}
	s.Kind, s.Anneal, s.Coarse = kind, false, 0
	if kind == "langevin" {
		s.Noise = math.Sqrt(2 * lambda * t)
	} else {
		s.Temperature = t
	}
	return s.withGradientStep(lambda)
}

// gradientStep is λ.
func (s Sampler) gradientStep() float64 {
	switch s.Kind {
	case "mala":
		return s.StepSize / s.Temperature
	case "hmc":
		return s.StepSize * s.StepSize / (2 * s.Temperature)
	}
	return s.StepSize
}

// withGradientStep is the sampler with another λ: langevin's at the same noise, the others at the same temperature.
func (s Sampler) withGradientStep(lambda float64) Sampler {
	switch {
	case lambda == s.gradientStep(): // to the last bit
	case s.Kind == "mala":
		s.StepSize = lambda * s.Temperature
	case s.Kind == "hmc":
		s.StepSize = math.Sqrt(2 * lambda * s.Temperature)
	default:
		s.StepSize = lambda
	}
	return s
}

// AnnealedFrom is the sampler with chains that start so many times as hot and have cooled down after so many steps.
func (s Sampler) AnnealedFrom(hot float64, steps int) Sampler {
	s.Hot, s.Cooling = hot, math.Pow(hot, -1/float64(max(steps, 1)))
	return s
}
