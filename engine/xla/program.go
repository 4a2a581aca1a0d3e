//go:build xla

package xla

// This file prints a program for one way of using it: what does not vary from step to step first, then the steps as a loop.

import (
	"fmt"
	"slices"
	"strings"

	"github.com/joule-ebm/joule/engine/xla/stablehlo"
	"github.com/joule-ebm/joule/expr"
)

// use is all of a call that its program's text depends on.
type use struct {
	batch    int // images on each device
	steps    int
	perStep  []string       // sorted
	feedback map[string]int // none if there is one step
	wanted   []int          // outputs
	updates  []update       // of a store, by array and offset
}

func (u use) key() string {
	key := fmt.Sprintf("%d %d %v %q", u.batch, u.steps, u.wanted, fmt.Sprint(u.updates))
	for _, name := range u.perStep {
		key += fmt.Sprintf(" %q", name)
	}
	return key + fmt.Sprintf("%q", fmt.Sprint(u.feedback)) // fmt prints maps in the order of their keys
}

// text prints the program. Its arguments are the numbers of the call (seed, first chain, first step, images on the device, images in
// all), the leaves in the order of p.leaves, without noises and what is in a store, and the store's arrays; its results are the outputs
// wanted, and the arrays that are replaced.
func (p *program) text(u use) (string, error) {
	l := p.lowering(u.batch)
	numbers := l.Argument(stablehlo.U64, callNumbers)
	number := func(i int) tensor { return l.Reshape(l.SliceAxis(numbers, 0, i, i+1, 1)) }
	first := number(2)
	l.call = callTensors{seed: number(0), chain: number(1), step: first, images: number(3), total: number(4)}
	high := l.Same("shift_right_logical", l.call.total, l.Integer(stablehlo.U64, 63))
	l.call.zero = l.Convert(high, stablehlo.U32)
	perStep := map[string]tensor{}
	given := map[string]tensor{}
	for _, v := range p.leaves {
		switch name := v.Attr().Name; {
		case isNoise(v), p.kept(v):
		case slices.Contains(u.perStep, name):
			perStep[name] = l.Argument(stablehlo.F32, u.steps)
		default:
			given[name] = l.Argument(stablehlo.F32, l.dims(v)...)
		}
	}
	l.arrays(p, u, given)
	needed := slices.Clone(u.wanted)
	for _, one := range u.updates {
		needed = append(needed, one.output)
	}
	for _, i := range u.feedback {
		needed = append(needed, i)
	}
	slices.Sort(needed)
	needed = slices.Compact(needed)
	roots := make([]*expr.Value, len(needed))
	for i, n := range needed {
		roots[i] = p.outputs[n]
	}
	order := expr.Order(roots...)

	varies := map[*expr.Value]bool{}
	for _, v := range order {
		_, fed := u.feedback[v.Attr().Name]
		_, stepwise := perStep[v.Attr().Name]
		varies[v] = isNoise(v) || v.Op() == expr.OpInput && (fed || stepwise)
		for _, in := range v.In() {
			varies[v] = varies[v] || varies[in]
		}
	}
	// emit writes the values that vary, or those that do not.
	emit := func(now bool, round tensor) error {
		for _, v := range order {
			if varies[v] != now {
				continue
			}
			name := v.Attr().Name
			if t, ok := given[name]; ok {
				l.known[v] = t
			} else if t, ok := perStep[name]; ok {
				l.known[v] = l.as(l.Reshape(l.Element(t, round), 1, 1, 1), l.dims(v))
			} else if err := l.value(v); err != nil {
				return fmt.Errorf("xla: %w", err)
			}
		}
		return nil
	}
	if err := emit(false, tensor{}); err != nil {
		return "", err
	}
	for _, v := range order {
		if isNoise(v) {
			l.streamsOf(v)
		}
	}
	if u.steps == 1 {
		if err := emit(true, l.Integer(stablehlo.I32, 0)); err != nil {
			return "", err
		}
		return l.Program(append(l.results(p.outputs, u.wanted), l.replaced(p, u)...)), nil
	}

	// What goes round: the inputs that are fed, and the outputs wanted that vary and are not such inputs' next values.
	var fed []*expr.Value
	var state []tensor
	for _, v := range p.leaves {
		if _, ok := u.feedback[v.Attr().Name]; ok && v.Op() == expr.OpInput {
			fed, state = append(fed, v), append(state, given[v.Attr().Name])
		}
	}
	next := func() []tensor { // of the fed inputs
		var t []tensor
		for _, v := range fed {
			t = append(t, l.known[p.outputs[u.feedback[v.Attr().Name]]])
		}
		return t
	}
	var carried []int
	for _, i := range u.wanted {
		if v := p.outputs[i]; varies[v] && !slices.ContainsFunc(fed, func(in *expr.Value) bool { return u.feedback[in.Attr().Name] == i }) {
			carried, state = append(carried, i), append(state, l.Float(0, l.dims(v)...))
		}
	}
	var failed error
	last := l.Repeat(u.steps, state, func(round tensor, state []tensor) []tensor {
		for i, v := range fed {
			given[v.Attr().Name] = state[i]
		}
		l.call.step = l.Same("add", first, l.Convert(round, stablehlo.U64))
		failed = emit(true, round)
		if failed != nil {
			return state
		}
		return append(next(), l.results(p.outputs, carried)...)
	})
	if failed != nil {
		return "", failed
	}
	for i, v := range fed {
		l.known[p.outputs[u.feedback[v.Attr().Name]]] = last[i]
	}
	for i, n := range carried {
		l.known[p.outputs[n]] = last[len(fed)+i]
	}
	return l.Program(l.results(p.outputs, u.wanted)), nil
}

// callNumbers is how many numbers the first argument has.
const callNumbers = 5

// kept says whether v is a parameter in a store.
func (p *program) kept(v *expr.Value) bool {
	_, ok := p.places[v.Attr().Name]
	return ok && v.Op() == expr.OpParam
}

func isNoise(v *expr.Value) bool { return v.Op() == expr.OpGaussian || v.Op() == expr.OpUniform }

func (p *program) lowering(batch int) *lowering {
	return &lowering{Printer: &stablehlo.Printer{}, precision: p.precision, platform: p.engine.client.Platform, batch: batch, replicas: p.replicas,
		known: map[*expr.Value]tensor{}, streams: map[string]stream{}}
}

// results are the tensors of some outputs.
func (l *lowering) results(outputs []*expr.Value, which []int) []tensor {
	var t []tensor
	for _, i := range which {
		t = append(t, l.known[outputs[i]])
	}
	return t
}

// lines is the number of lines of a program's text: how large it is.
func lines(text string) int { return strings.Count(text, "\n") }
