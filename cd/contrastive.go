package cd

import (
	"github.com/joule-ebm/joule/energy"
	"github.com/joule-ebm/joule/expr"
)

// Contrastive is L_cd = mean E(x⁺) - mean E(x⁻): lower where the data is, higher where the chains end. Its gradient would be that of
// -log p(x⁺) if the chains' ends were samples of the model (Hinton 2002).
func Contrastive(b *Batch) *expr.Value {
	return expr.Sub(mean(b.Energies(b.Positive)), mean(b.Energies(b.Negative)))
}

// mean is that over the batch and the scales.
func mean(scales []*expr.Value) *expr.Value { return expr.BatchMean(energy.Mean(scales)) }
