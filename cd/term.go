package cd

// This file says what a term of the loss is:
//
//	L = Σ wᵢ Lᵢ

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"

	"github.com/joule-ebm/joule/expr"
)

// Term is one term of the loss.
type Term struct {
	Name   string  // such as "reg" for L_reg: lower-case letters, digits and underscores
	About  string  // what it is, in a few words
	Weight float64 // its coefficient; 0 leaves the term out
	// Buffer is the number of images that the replay buffer must hold for the term to count; 0: it counts from the beginning.
	Buffer int
	// First takes the term of the first so many images of a batch, and chains, alone: an estimate with the same mean, which takes as much
	// less time; 0: of all. Of all it is too where a device keeps the state of training.
	First int
	// Gradient names the group of terms with which the norm of its gradient is measured, each times its weight; empty: the term's
	// gradient is measured alone, without its weight, under the term's name.
	Gradient string
	// Loss builds the term: a number for the batch, that is, a shared value of shape 1×1×1. It has no state, and is called whenever a loss is
	// put together.
	Loss func(b *Batch) *expr.Value
}

// group is the name under which the norm of the term's gradient is measured.
func (t Term) group() string {
	if t.Gradient != "" {
		return t.Gradient
	}
	return t.Name
}

var termName = regexp.MustCompile(`^[a-z0-9_]+$`)

// checkTerms says what cannot work.
func checkTerms(terms []Term) error {
	seen := map[string]bool{}
	for _, t := range terms {
		switch {
		case !termName.MatchString(t.Name):
			return fmt.Errorf("cd: a term is named %.40q: want lower-case letters, digits and underscores", t.Name)
		case t.Name == "total" || t.group() == "norm": // of the whole loss
			return fmt.Errorf("cd: term %s: in the metrics total and norm are of the whole loss: choose another name", t.Name)
		case t.Gradient != "" && !termName.MatchString(t.Gradient):
			return fmt.Errorf("cd: term %s: its gradient is to be called %.40q: want lower-case letters, digits and underscores", t.Name, t.Gradient)
		case seen[t.Name]:
			return fmt.Errorf("cd: two terms are named %s", t.Name)
		case math.IsNaN(t.Weight) || math.IsInf(t.Weight, 0):
			return fmt.Errorf("cd: term %s: its weight is %v", t.Name, t.Weight)
		case t.First < 0:
			return fmt.Errorf("cd: term %s is of the first %d images: want 0, which is all, or more", t.Name, t.First)
		case t.Loss == nil:
			return fmt.Errorf("cd: term %s: there is no function to build it", t.Name)
		}
		seen[t.Name] = true
	}
	if !slices.ContainsFunc(terms, func(t Term) bool { return t.Weight != 0 }) {
		return errors.New("cd: no term of the loss has a weight")
	}
	return nil
}

// losses builds the terms; those without weight are nil.
func (b *Batch) losses(terms []Term) ([]*expr.Value, error) {
	losses := make([]*expr.Value, len(terms))
	for i, t := range terms {
		if t.Weight == 0 {
			continue
		}
		l := t.Loss(b)
		if l == nil {
			return nil, fmt.Errorf("cd: term %s: its function returns nothing", t.Name)
		}
		if err := expr.Err(l); err != nil {
			return nil, fmt.Errorf("cd: term %s: %w", t.Name, err)
		}
		if l.Kind() != expr.Shared || l.Shape() != expr.Scalar {
			return nil, fmt.Errorf("cd: term %s is a %v value of shape %v: want one number for the batch, such as expr.BatchMean gives",
				t.Name, l.Kind(), l.Shape())
		}
		losses[i] = l
	}
	return losses, nil
}

// Group is the terms whose gradient is computed together.
type Group struct {
	Name string
	// Weight is the factor with which the group's gradient enters that of the loss.
	Weight float64
	loss   *expr.Value
}

// together is the whole loss as one group.
func together(terms []Term, losses []*expr.Value) []Group {
	var sum *expr.Value
	for i, l := range losses {
		if l != nil {
			sum = plus(sum, expr.Affine(l, terms[i].Weight, 0))
		}
	}
	return []Group{{Weight: 1, loss: sum}}
}

// perGroup takes the loss apart into the groups of terms whose gradients are measured, in the order of their first terms. Groups none of
// whose terms is there are left out.
func perGroup(terms []Term, losses []*expr.Value) []Group {
	var groups []Group
	for i, l := range losses {
		if l == nil {
			continue
		}
		t, weight := terms[i], terms[i].Weight
		if slices.ContainsFunc(terms, func(other Term) bool { return other.Gradient == t.group() }) {
			l, weight = expr.Affine(l, weight, 0), 1
		}
		g := slices.IndexFunc(groups, func(g Group) bool { return g.Name == t.group() })
		if g < 0 {
			groups = append(groups, Group{Name: t.group(), Weight: weight, loss: l})
			continue
		}
		groups[g].loss = plus(groups[g].loss, l)
	}
	return groups
}

// plus adds to a sum; nil is the empty one.
func plus(sum, v *expr.Value) *expr.Value {
	if sum == nil {
		return v
	}
	return expr.Add(sum, v)
}
