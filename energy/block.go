package energy

// This file has the residual block, with swish(h) = h·sigmoid(h),
//
//	h = swish(label(norm(conv(x))))
//	h = swish(label(norm(conv(h))))
//	y = x + h,
//
// and the step that may follow it, to half the resolution. Source: Du et al. (2021), appendix, and their code.

import "github.com/joule-ebm/joule/expr"

// Residual is the residual block; it keeps the shape of x. The label may be nil. Parameters: name.conv1, .bn1, .conv2, .bn2, and
// with a label .latent_map and .latent_map_2.
func Residual(p *Params, name string, x, label *expr.Value, n Norm, k Kernel) *expr.Value {
	if expr.Err(x) != nil {
		return x
	}
	c := x.Shape()[2]
	h := n.Of(p, name+".bn1", Conv(p, name+".conv1", x, c, k))
	h = expr.Swish(Condition(p, name+".latent_map", h, label), 0)
	h = n.Of(p, name+".bn2", Conv(p, name+".conv2", h, c, k))
	h = expr.Swish(Condition(p, name+".latent_map_2", h, label), 0)
	return expr.Add(x, h)
}

// Condition lets a label y act on x: per channel a gain g(y) and a bias b(y), x ↦ g·x + b, both linear in y. Without a label (nil)
// it is x. Parameters: name.weight and name.bias, the gains before the biases.
func Condition(p *Params, name string, x, label *expr.Value) *expr.Value {
	if label == nil || expr.Err(x) != nil {
		return x
	}
	c := x.Shape()[2]
	both := Linear(p, name, label, 2*c)
	return expr.Add(expr.Mul(expr.Slice(both, 0, c), x), expr.Slice(both, c, 2*c))
}

// Down halves the resolution, rounding up: swish(pool(conv(x))), to out channels. Parameters: name.conv_downsample.
func Down(p *Params, name string, x *expr.Value, out int) *expr.Value {
	return expr.Swish(expr.Pool(Conv(p, name+".conv_downsample", x, out, PlainKernel)), 0)
}
