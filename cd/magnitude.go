package cd

import "github.com/joule-ebm/joule/expr"

// Magnitude is L_reg = mean E(x⁺)² + mean E(x⁻)²: keeps the energies near zero, which L_cd alone leaves free (Du and Mordatch 2019).
func Magnitude(b *Batch) *expr.Value {
	return expr.Add(mean(squares(b.Energies(b.Positive))), mean(squares(b.Energies(b.Negative))))
}

func squares(values []*expr.Value) []*expr.Value {
	out := make([]*expr.Value, len(values))
	for i, v := range values {
		out[i] = expr.Mul(v, v)
	}
	return out
}
