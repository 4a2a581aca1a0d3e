// Package cd learns an energy by improved contrastive divergence: Du, Li, Tenenbaum, Mordatch, "Improved Contrastive Divergence
// Training of Energy-Based Models" (ICML 2021), with the constants of the authors' code.
//
// The terms of the loss are in loss.go, each beside its equation; objective.go puts them together and differentiates them;
// trainer.go is the training step; adam.go, clip.go and average.go the update; health.go notices divergence.
package cd

import (
	"github.com/joule-ebm/joule/energy"
	"github.com/joule-ebm/joule/expr"
)

// The terms take energies per scale, 1×1×1 sample values, and average over the scales and the batch.

// Contrastive is L_cd = mean E(x⁺) - mean E(x⁻): lower where the data is, higher where the chains end.
func Contrastive(positive, negative []*expr.Value) *expr.Value {
	return expr.Sub(expr.BatchMean(energy.Mean(positive)), expr.BatchMean(energy.Mean(negative)))
}

// Magnitude is L_reg = mean E(x⁺)² + mean E(x⁻)²: keeps the energies near zero.
func Magnitude(positive, negative []*expr.Value) *expr.Value {
	return expr.Add(expr.BatchMean(energy.Mean(squares(positive))), expr.BatchMean(energy.Mean(squares(negative))))
}

func squares(values []*expr.Value) []*expr.Value {
	out := make([]*expr.Value, len(values))
	for i, v := range values {
		out[i] = expr.Mul(v, v)
	}
	return out
}

// Optimisation is L_opt = mean E_sg(θ)(x_kl): the first half of the KL term. The energies are those of x_kl, the differentiable end
// of the chain, by a network whose parameters are held fixed: the gradient reaches θ through x_kl alone.
func Optimisation(frozen []*expr.Value) *expr.Value { return expr.BatchMean(energy.Mean(frozen)) }

// Entropy is L_ent = -mean log ‖x_kl - r‖₂, where r is the k-th nearest of the reference images: the second half of the KL term, a
// nearest-neighbour estimate of minus the entropy of the samples (Kozachenko and Leonenko 1987).
func Entropy(xkl, references *expr.Value, k int) *expr.Value {
	difference := expr.Sub(xkl, expr.Nearest(xkl, references, k))
	const tiny = 1e-12 // a sample that equals a reference image has a finite loss
	squared := expr.Affine(expr.Total(expr.Mul(difference, difference)), 1, tiny)
	return expr.Affine(expr.BatchMean(expr.Log(squared)), -0.5, 0)
}
