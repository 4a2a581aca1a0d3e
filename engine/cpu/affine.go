package cpu

import (
	"slices"

	"github.com/joule-ebm/joule/expr"
)

// This file folds scales and shifts per channel, as normalisation makes them, into as few passes over the pixels as can be. A row is a
// value of one number per channel. What normalisation does to a value, with γ and β of the affine map after it, and its derivative, are
// affine in other values with rows for coefficients:
//
//	γ·((x - μ)·r) + β        =  x·(γr) + (β - μγr)
//	r·(g - m₁ - x̂·m₂)        =  g·r + x·(-r²m₂) + (r²m₂μ - r·m₁)        x̂ = (x - μ)·r
//
// The first is four operations on all pixels before (subtract, multiply twice, add), and one multiply-add after; the rest is arithmetic on
// rows. The second is a multiply-add for g and one for x.
//
// The same holds the other way about where a row leaves the pixels: Sum over pixels of (x·row) is (Sum of x)·row, and (x·row)·y is
// (x·y)·row.

// affineForm is a value as Σ base·scale + shift, with rows for scale and shift. A nil row is 1 as a scale and 0 as a shift.
type affineForm struct {
	terms []affineTerm
	shift *node
}

type affineTerm struct{ base, scale *node }

// maxTerms bounds how far forms are expanded: each term is a pass over a base.
const maxTerms = 3

// foldAffine rewrites the graph: it finds the form of each node, inputs first, and computes the node from it.
func (g *graph) foldAffine() {
	f := affineFolder{graph: g, rewritten: map[*node]*node{}, forms: map[*node]affineForm{}}
	for _, n := range slices.Clone(g.nodes) {
		f.rewritten[n] = f.rewrite(n)
	}
	for i, n := range g.outputs {
		g.outputs[i] = f.rewritten[n]
	}
}

// affineFolder holds what has become of the nodes so far, and their forms, both by the node that was.
type affineFolder struct {
	graph     *graph
	rewritten map[*node]*node
	forms     map[*node]affineForm
}

// operand is the form of n as an operand of user. It is n itself where expanding it would repeat work: n has several terms and several
// users, or has to be computed anyway, for an output or for what is no loop.
func (f *affineFolder) operand(n, user *node) affineForm {
	if form, ok := f.forms[n]; ok && n.shape == user.shape && (len(form.terms) == 1 || len(n.users) == 1) &&
		n.onlyReadByLoops() && !slices.Contains(f.graph.outputs, n) {
		return form
	}
	return affineForm{terms: []affineTerm{{base: f.rewritten[n]}}}
}

// isPlain says whether the form is a value as it is.
func (a affineForm) isPlain() bool {
	return len(a.terms) == 1 && a.terms[0].scale == nil && a.shift == nil
}

// isScaled says whether the form is one value times a row.
func (a affineForm) isScaled() bool {
	return len(a.terms) == 1 && a.terms[0].scale != nil && a.shift == nil
}

// rewrite is what becomes of n.
func (f *affineFolder) rewrite(n *node) *node {
	in := make([]*node, len(n.in))
	for i, u := range n.in {
		in[i] = f.rewritten[u]
	}
	if n.kind == expr.Sample && n.shape != n.shape.Channels() {
		if form, ok := f.formOf(n, in); ok {
			f.forms[n] = form
			return f.compute(form, n)
		}
	}
	if n.op == expr.OpSum && n.kind == expr.Sample && n.shape == n.in[0].shape.Channels() {
		if a := f.operand(n.in[0], n.in[0]); a.isScaled() { // Σ x·row = (Σ x)·row
			sum := f.graph.add(expr.OpSum, n.kind, n.shape, n.attr, a.terms[0].base)
			return f.onRows(expr.OpMul, sum, a.terms[0].scale)
		}
	}
	if slices.Equal(in, n.in) {
		return n
	}
	return f.graph.add(n.op, n.kind, n.shape, n.attr, in...)
}

// formOf is the form of n, whose rewritten inputs are in, if rows have a part in it.
func (f *affineFolder) formOf(n *node, in []*node) (affineForm, bool) {
	switch n.op {
	case expr.OpAdd:
		return f.formOfSum(n, in)
	case expr.OpMul:
		return f.formOfProduct(n, in)
	case expr.OpAffine: // c·a, if all scales of a are rows, which the constant can join
		a := f.operand(n.in[0], n)
		if a.isPlain() || n.attr.X[1] != 0 || slices.ContainsFunc(a.terms, func(t affineTerm) bool { return t.scale == nil }) {
			return affineForm{}, false
		}
		return a.mapRows(func(row *node) *node { return f.graph.add(expr.OpAffine, row.kind, row.shape, n.attr, row) }), true
	}
	return affineForm{}, false
}

// formOfSum is the form of a + row, or of a + b.
func (f *affineFolder) formOfSum(n *node, in []*node) (affineForm, bool) {
	for i := range 2 {
		if a, row := n.in[i], in[1-i]; isRow(row, n.shape) && a.shape == n.shape {
			form := f.operand(a, n)
			form.shift = f.addRows(form.shift, row)
			return form, true
		}
	}
	if n.in[0].shape != n.in[1].shape {
		return affineForm{}, false
	}
	a, b := f.operand(n.in[0], n), f.operand(n.in[1], n)
	if (a.isPlain() && b.isPlain()) || len(a.terms)+len(b.terms) > maxTerms {
		return affineForm{}, false
	}
	return f.addForms(a, b), true
}

// formOfProduct is the form of a·row, or of (x·row)·b, which is (x·b)·row.
func (f *affineFolder) formOfProduct(n *node, in []*node) (affineForm, bool) {
	for i := range 2 {
		if a, row := n.in[i], in[1-i]; isRow(row, n.shape) && a.shape == n.shape {
			return f.operand(a, n).mapRows(func(scale *node) *node {
				if scale == nil {
					return row
				}
				return f.onRows(expr.OpMul, scale, row)
			}), true
		}
	}
	for i := range 2 {
		if a, b := n.in[i], n.in[1-i]; a.shape == b.shape {
			if form := f.operand(a, n); form.isScaled() {
				product := f.graph.add(expr.OpMul, n.kind, n.shape, expr.Attr{}, form.terms[0].base, f.rewritten[b])
				return affineForm{terms: []affineTerm{{product, form.terms[0].scale}}}, true
			}
		}
	}
	return affineForm{}, false
}

// mapRows applies a function to every row of a form: to all scales, also those of 1, which are nil, and to the shift unless it is 0.
func (a affineForm) mapRows(apply func(row *node) *node) affineForm {
	out := affineForm{terms: slices.Clone(a.terms)}
	for i := range out.terms {
		out.terms[i].scale = apply(out.terms[i].scale)
	}
	if a.shift != nil {
		out.shift = apply(a.shift)
	}
	return out
}

// addForms is a + b, with the terms of one base added together.
func (f *affineFolder) addForms(a, b affineForm) affineForm {
	out := affineForm{terms: slices.Clone(a.terms), shift: a.shift}
	for _, t := range b.terms {
		at := slices.IndexFunc(out.terms, func(u affineTerm) bool { return u.base == t.base && u.scale != nil && t.scale != nil })
		if at < 0 {
			out.terms = append(out.terms, t)
		} else {
			out.terms[at].scale = f.addRows(out.terms[at].scale, t.scale)
		}
	}
	if b.shift != nil {
		out.shift = f.addRows(out.shift, b.shift)
	}
	return out
}

// addRows is the row a + b, of which a may be nil: 0.
func (f *affineFolder) addRows(a, b *node) *node {
	if a == nil {
		return b
	}
	return f.onRows(expr.OpAdd, a, b)
}

func (f *affineFolder) onRows(op expr.Op, a, b *node) *node {
	return f.graph.add(op, max(a.kind, b.kind), a.shape, expr.Attr{}, a, b)
}

// compute is the value of a form: the shift, and a multiply-add for each term.
func (f *affineFolder) compute(form affineForm, n *node) *node {
	onPixels := func(op expr.Op, a, b *node) *node { return f.graph.add(op, n.kind, n.shape, expr.Attr{}, a, b) }
	v := form.shift
	for _, t := range form.terms {
		term := t.base
		if t.scale != nil {
			term = onPixels(expr.OpMul, term, t.scale)
		}
		if v == nil {
			v = term
		} else {
			v = onPixels(expr.OpAdd, term, v)
		}
	}
	return v
}
