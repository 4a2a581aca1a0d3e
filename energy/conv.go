package energy

// This file has the layers with weights:
//
//	y[p, o] = Σ_t Σ_i x[p + t, i]·w[t, i, o] + b[o]
//
// over the 3×3 neighbourhood (zeros outside the image, stride 1), or over the pixel alone.

import "github.com/joule-ebm/joule/expr"

// Conv is a 3×3 convolution to out channels, with parameters name.weight and name.bias.
func Conv(p *Params, name string, x *expr.Value, out int, k Kernel) *expr.Value {
	return layer(p, name, x, 9, out, ConvKernel, k)
}

// Pixelwise is a 1×1 convolution to out channels, with parameters name.weight and name.bias.
func Pixelwise(p *Params, name string, x *expr.Value, out int) *expr.Value {
	return layer(p, name, x, 1, out, ConvKernel, PlainKernel)
}

// Linear is a linear map of a vector, 1×1×C, to 1×1×out, with parameters name.weight and name.bias.
func Linear(p *Params, name string, x *expr.Value, out int) *expr.Value {
	return layer(p, name, x, 1, out, LinearMap, PlainKernel)
}

func layer(p *Params, name string, x *expr.Value, taps, out int, layout Layout, k Kernel) *expr.Value {
	if expr.Err(x) != nil {
		return x
	}
	in := x.Shape()[2]
	w := p.Get(name+".weight", expr.Shape{taps, in, out}, Uniform(taps*in, layout))
	b := p.Get(name+".bias", expr.Shape{1, 1, out}, Uniform(taps*in, Vector))
	return expr.Add(expr.Conv(x, k.Of(w)), b)
}
