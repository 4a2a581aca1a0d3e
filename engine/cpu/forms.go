package cpu

import (
	"slices"

	"github.com/joule-ebm/joule/expr"
)

// This file gathers what normalisation does to a value, and its derivative undoes, into as few passes over the pixels as can be.
// With one number per channel (a row) for each of the coefficients,
//
//	γ·((x - μ)·r) + β  =  x·(γr) + (β - μγr)
//	r·(g - m₁ - x̂·m₂)  =  g·r + x·(-r²m₂) + (r²m₂μ - r·m₁)        x̂ = (x - μ)·r
//
// so that a value which is linear in others with rows for coefficients takes a multiply-add for each of them, and the rest is
// arithmetic on rows.

// form is a value as a sum of others times rows, plus a row. A nil row is 1 as a scale and 0 as a shift.
type form struct {
	terms []formTerm
	shift *node
}

type formTerm struct{ base, scale *node }

// mostTerms bounds how far forms are expanded.
const mostTerms = 3

// gather rewrites the graph: values in terms of forms.
func (g *graph) gather() {
	r := gatherer{graph: g, now: map[*node]*node{}, forms: map[*node]form{}}
	for _, n := range slices.Clone(g.nodes) {
		r.now[n] = r.rewrite(n)
	}
	for i, n := range g.outputs {
		g.outputs[i] = r.now[n]
	}
}

type gatherer struct {
	graph *graph
	now   map[*node]*node // what a node has become
	forms map[*node]form  // by what it was
}

// isRow says whether r has one number per channel of a value of the shape.
func isRow(r *node, shape expr.Shape) bool {
	return r.shape == shape.Channels() && r.shape != shape && r.shape != expr.Scalar
}

// formOf is n as an operand.
func (r *gatherer) formOf(n, user *node) form {
	if f, ok := r.forms[n]; ok && n.shape == user.shape && (len(f.terms) == 1 || len(n.users) == 1) &&
		!slices.ContainsFunc(n.users, func(u *node) bool { return !u.fusible() }) && !slices.Contains(r.graph.outputs, n) {
		return f
	}
	return form{terms: []formTerm{{base: r.now[n]}}}
}

func (f form) plain() bool { return len(f.terms) == 1 && f.terms[0].scale == nil && f.shift == nil }

func (r *gatherer) rewrite(n *node) *node {
	in := make([]*node, len(n.in))
	for i, u := range n.in {
		in[i] = r.now[u]
	}
	if n.kind == expr.Sample && n.shape != n.shape.Channels() {
		if f, ok := r.form(n, in); ok {
			r.forms[n] = f
			return r.value(f, n)
		}
	}
	if n.op == expr.OpSum && n.kind == expr.Sample && n.shape == n.in[0].shape.Channels() {
		if f := r.formOf(n.in[0], n.in[0]); len(f.terms) == 1 && f.shift == nil && f.terms[0].scale != nil {
			sum := r.graph.add(expr.OpSum, n.kind, n.shape, n.attr, f.terms[0].base)
			return r.row(expr.OpMul, sum, f.terms[0].scale)
		}
	}
	if slices.Equal(in, n.in) {
		return n
	}
	return r.graph.add(n.op, n.kind, n.shape, n.attr, in...)
}

// form is that of n, if rows have a part in it.
func (r *gatherer) form(n *node, in []*node) (form, bool) {
	switch n.op {
	case expr.OpAdd:
		for i := range 2 {
			if a, row := n.in[i], in[1-i]; isRow(row, n.shape) && a.shape == n.shape {
				f := r.formOf(a, n)
				f.shift = r.plus(f.shift, row)
				return f, true
			}
		}
		if n.in[0].shape == n.in[1].shape {
			a, b := r.formOf(n.in[0], n), r.formOf(n.in[1], n)
			if (a.plain() && b.plain()) || len(a.terms)+len(b.terms) > mostTerms {
				return form{}, false
			}
			return r.sum(a, b), true
		}
	case expr.OpMul:
		for i := range 2 {
			if a, row := n.in[i], in[1-i]; isRow(row, n.shape) && a.shape == n.shape {
				return r.times(r.formOf(a, n), func(x *node) *node {
					if x == nil {
						return row
					}
					return r.row(expr.OpMul, x, row)
				}), true
			}
		}
		for i := range 2 { // a row goes before a product
			if a, b := n.in[i], n.in[1-i]; a.shape == b.shape {
				if f := r.formOf(a, n); len(f.terms) == 1 && f.shift == nil && f.terms[0].scale != nil {
					product := r.graph.add(expr.OpMul, n.kind, n.shape, expr.Attr{}, f.terms[0].base, r.now[b])
					return form{terms: []formTerm{{product, f.terms[0].scale}}}, true
				}
			}
		}
	case expr.OpAffine:
		f := r.formOf(n.in[0], n)
		if f.plain() || n.attr.X[1] != 0 || slices.ContainsFunc(f.terms, func(t formTerm) bool { return t.scale == nil }) {
			return form{}, false
		}
		return r.times(f, func(x *node) *node { return r.graph.add(expr.OpAffine, x.kind, x.shape, n.attr, x) }), true
	}
	return form{}, false
}

// times is a form with every row multiplied; a scale of 1 may have become a row.
func (r *gatherer) times(f form, multiply func(row *node) *node) form {
	out := form{terms: slices.Clone(f.terms)}
	for i := range out.terms {
		out.terms[i].scale = multiply(out.terms[i].scale)
	}
	if f.shift != nil {
		out.shift = multiply(f.shift)
	}
	return out
}

// sum adds two forms.
func (r *gatherer) sum(a, b form) form {
	out := form{terms: slices.Clone(a.terms), shift: a.shift}
	for _, t := range b.terms {
		at := slices.IndexFunc(out.terms, func(u formTerm) bool { return u.base == t.base && u.scale != nil && t.scale != nil })
		if at < 0 {
			out.terms = append(out.terms, t)
		} else {
			out.terms[at].scale = r.plus(out.terms[at].scale, t.scale)
		}
	}
	if b.shift != nil {
		out.shift = r.plus(out.shift, b.shift)
	}
	return out
}

// plus adds rows, of which a may be 0.
func (r *gatherer) plus(a, b *node) *node {
	if a == nil {
		return b
	}
	return r.row(expr.OpAdd, a, b)
}

func (r *gatherer) row(op expr.Op, a, b *node) *node {
	return r.graph.add(op, max(a.kind, b.kind), a.shape, expr.Attr{}, a, b)
}

// value computes a form.
func (r *gatherer) value(f form, n *node) *node {
	add := func(op expr.Op, a, b *node) *node { return r.graph.add(op, n.kind, n.shape, expr.Attr{}, a, b) }
	v := f.shift
	for _, t := range f.terms {
		term := t.base
		if t.scale != nil {
			term = add(expr.OpMul, term, t.scale)
		}
		if v == nil {
			v = term
		} else {
			v = add(expr.OpAdd, term, v)
		}
	}
	return v
}
