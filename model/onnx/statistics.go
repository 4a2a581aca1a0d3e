package onnx

// This file writes statistics of an image, with groups of channels, as package expr defines them. The groups are an axis of their own:
// [N,G,C/G,H,W].

import "github.com/joule-ebm/joule/expr"

// apart gives the groups of channels of a value of shape s an axis.
func (l *lowering) apart(t string, s expr.Shape, groups int) string {
	return l.node("Reshape", nil, t, l.integers(0, int64(groups), int64(s[2]/groups), int64(s[0]), int64(s[1])))
}

func groupSum(l *lowering, v *expr.Value) string {
	groups, s := v.Attr().N[0], v.Shape()
	total := l.node("ReduceSum", attributes{"keepdims": int64(1)}, l.apart(l.in(v, 0), s, groups), l.integers(2))
	return l.perChannel(total, s, groups)
}

// perChannel gives each channel what its group has, [N,G,1,1,1] to [N,C,1,1].
func (l *lowering) perChannel(t string, s expr.Shape, groups int) string {
	t = l.node("Expand", nil, t, l.integers(1, int64(groups), int64(s[2]/groups), 1, 1))
	return l.node("Reshape", nil, t, l.integers(0, int64(s[2]), 1, 1))
}

// moments are x less the mean of its group, with groups apart, and 1/√(σ² + eps), [N,G,1,1,1]. The variance is taken about the mean.
func (l *lowering) moments(v *expr.Value) (centred, r string) {
	x, groups, eps := v.In()[0].Shape(), v.Attr().N[0], v.Attr().X[0]
	mean := func(t string) string {
		return l.node("ReduceMean", attributes{"axes": []int64{2, 3, 4}, "keepdims": int64(1)}, t)
	}
	t := l.apart(l.in(v, 0), x, groups)
	centred = l.node("Sub", nil, t, mean(t))
	variance := mean(l.node("Mul", nil, centred, centred))
	return centred, l.node("Reciprocal", nil, l.node("Sqrt", nil, l.node("Add", nil, variance, l.number(eps))))
}

func normalise(l *lowering, v *expr.Value) string {
	centred, r := l.moments(v)
	return l.node("Reshape", nil, l.node("Mul", nil, centred, r), l.integers(dims(0, v.Shape())...))
}

func invStd(l *lowering, v *expr.Value) string {
	_, r := l.moments(v)
	return l.perChannel(r, v.Shape(), v.Attr().N[0])
}
