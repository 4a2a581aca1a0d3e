package expr

// GroupSum gives each channel of a 1×1×C value the sum over its group of channels: group g of G holds the C/G channels from
// g·C/G on. It is its own transpose.
func GroupSum(v *Value, groups int) *Value {
	if err := Err(v); err != nil {
		return Invalid(err)
	}
	if groups < 1 || v.shape[2]%groups != 0 || v.shape != v.shape.Channels() {
		return mistake(OpGroupSum, "%v in %d groups", v.shape, groups)
	}
	if groups == v.shape[2] {
		return v
	}
	return unary(OpGroupSum, v, v.shape, Attr{N: [2]int{groups}})
}

// Normalise is (x - μ)/√(σ² + eps), with the mean μ and the biased variance σ² over the pixels and the channels of a group: one
// group per channel is instance normalisation, a single group layer normalisation.
func Normalise(x *Value, groups int, eps float64) *Value {
	return statistic(OpNormalise, x, groups, eps, false)
}

// InvStd is 1/√(σ² + eps) of Normalise, 1×1×C: each channel has that of its group.
func InvStd(x *Value, groups int, eps float64) *Value {
	return statistic(OpInvStd, x, groups, eps, true)
}

func statistic(op Op, x *Value, groups int, eps float64, perChannel bool) *Value {
	if err := Err(x); err != nil {
		return Invalid(err)
	}
	if groups < 1 || x.shape[2]%groups != 0 || eps < 0 {
		return mistake(op, "%v in %d groups, eps %g", x.shape, groups, eps)
	}
	shape := x.shape
	if perChannel {
		shape = x.shape.Channels()
	}
	return node(op, Sample, shape, Attr{N: [2]int{groups}, X: [2]float64{eps}}, Spread(x))
}

// groupMean is the mean over the pixels and the channels of each group, 1×1×C.
func groupMean(v *Value, groups int) *Value {
	perGroup := v.shape.Size() / groups
	return Affine(GroupSum(Sum(v, v.shape.Channels()), groups), 1/float64(perGroup), 0)
}

// Softmax is e^x over its sum along the channels, per pixel.
func Softmax(x *Value) *Value {
	if err := Err(x); err != nil {
		return Invalid(err)
	}
	return node(OpSoftmax, Sample, x.shape, Attr{}, Spread(x))
}

// Singular is the outer product u⊗v, T×I×O, of the leading singular vectors of a kernel read as a matrix of O rows and T·I columns.
// Σ w·Singular(w) is the largest singular value, the spectral norm, and Singular(w) its derivative; Singular itself is treated
// as locally constant.
func Singular(w *Value) *Value {
	if err := Err(w); err != nil {
		return Invalid(err)
	}
	if w.kind != Shared {
		return mistake(OpSingular, "of a sample value")
	}
	return node(OpSingular, Shared, w.shape, Attr{}, w)
}

// Nearest is, for each image x of shape H×W×C, the k-th nearest (k = 1: the nearest) of M shared reference images, given as an
// M×(H·W)×C value. Which one it is, is locally constant in x, so the derivative is zero.
func Nearest(x, references *Value, k int) *Value {
	if err := Err(x, references); err != nil {
		return Invalid(err)
	}
	r := references.shape
	if references.kind != Shared || r[1] != x.shape[0]*x.shape[1] || r[2] != x.shape[2] || k < 1 || k > r[0] {
		return mistake(OpNearest, "the %d-th of %v references of shape %v for %v", k, references.kind, r, x.shape)
	}
	return node(OpNearest, Sample, x.shape, Attr{N: [2]int{k}}, Spread(x), references)
}
