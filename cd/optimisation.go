package cd

import "github.com/joule-ebm/joule/expr"

// Optimisation is L_opt = mean E_sg(θ)(x_kl), the first half of the KL term that ordinary contrastive divergence drops: chains should end
// where the energy is low. The outer energy's parameters are held fixed: the gradient reaches θ through x_kl alone.
func Optimisation(b *Batch) *expr.Value { return mean(b.FixedEnergies(b.End())) }
