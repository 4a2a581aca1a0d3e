package cd

import "github.com/joule-ebm/joule/expr"

// Entropy is the second half of the KL term: chains should end apart from each other. The entropy of their ends is estimated by the
// distance from each to the nearest of some images of the replay buffer (Kozachenko and Leonenko 1987).
type Entropy struct {
	Neighbour  int // k: the distance is that to the k-th nearest; 0 means 1
	References int // of so many images of the buffer
	After      int // the estimate is good enough once the buffer holds more images than this
}

// Loss is L_ent = -mean log ‖x_kl - r_k‖₂, where r_k is the k-th nearest of the reference images.
func (e Entropy) Loss(b *Batch) *expr.Value {
	xkl := b.End().X
	difference := expr.Sub(xkl, expr.Nearest(xkl, b.References(e.References), max(e.Neighbour, 1)))
	const tiny = 1e-12 // a sample that equals a reference image has a finite loss
	squared := expr.Affine(expr.Total(expr.Mul(difference, difference)), 1, tiny)
	return expr.Affine(expr.BatchMean(expr.Log(squared)), -0.5, 0)
}
