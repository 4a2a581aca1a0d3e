//go:build xla

package xla

// This file prints programs for one way of using them. Of each stage comes first what does not vary from step to step, then the steps as a
// loop.

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/engine/xla/stablehlo"
	"github.com/joule-ebm/joule/expr"
)

// use is all of a call that a text depends on.
type use struct {
	batch  int // images on each device
	stages []stageUse
}

// stageUse is all of a stage's call that the text depends on, but for the number of images.
type stageUse struct {
	steps    int
	perStep  []string       // sorted
	feedback map[string]int // none if there is one step
	wanted   []int          // outputs that go to the host
	updates  []update       // of a store, by array and offset
}

func (u use) key() string {
	key := fmt.Sprint(u.batch)
	for _, s := range u.stages { // fmt prints maps in the order of their keys
		key += fmt.Sprintf("; %d %q %q %v %q", s.steps, s.perStep, fmt.Sprint(s.feedback), s.wanted, fmt.Sprint(s.updates))
	}
	return key
}

// first is where the results of a stage begin among those of all; the arrays that are replaced come behind the last stage's.
func (u use) first(stage int) (at int) {
	for _, s := range u.stages[:stage] {
		at += len(s.wanted)
	}
	return at
}

// callNumbers is how many numbers the first argument of a stage has.
const callNumbers = 5

// text prints the stages. The arguments are, for each stage, the numbers of its call (seed, first chain, first step, images on the device,
// images in all) and its leaves in their order, without noises and what is in a store or comes from another stage; then the store's arrays.
// The results are each stage's outputs that are wanted, and the arrays that are replaced.
func (s *sequence) text(u use) (string, error) {
	l := &lowering{Printer: &stablehlo.Printer{}, platform: s.engine.client.Platform, batch: u.batch, replicas: s.replicas}
	calls := make([]callTensors, len(s.stages))
	given, perStep := make([]map[string]tensor, len(s.stages)), make([]map[string]tensor, len(s.stages))
	for i, st := range s.stages {
		calls[i] = l.callNumbers()
		given[i], perStep[i] = map[string]tensor{}, map[string]tensor{}
		for _, v := range st.leaves {
			switch name := v.Attr().Name; {
			case isNoise(v), st.kept(v), st.fromStage(v):
			case slices.Contains(u.stages[i].perStep, name):
				perStep[i][name] = l.Argument(stablehlo.F32, u.stages[i].steps)
			default:
				given[i][name] = l.Argument(stablehlo.F32, l.dims(v)...)
			}
		}
	}
	arrays := s.arrayArguments(l, u)
	results, made := []tensor{}, make([]map[int]tensor, len(s.stages))
	for i, st := range s.stages {
		for name, r := range st.from {
			given[i][name] = made[r.Stage][r.Output]
		}
		st.cut(l, arrays, given[i])
		l.precision, l.call = st.precision, calls[i]
		l.known, l.prepared, l.streams = map[*expr.Value]tensor{}, map[string][]tensor{}, map[string]stream{}
		var err error
		if made[i], err = st.print(l, u.stages[i], given[i], perStep[i]); err != nil {
			return "", err
		}
		for _, o := range u.stages[i].wanted {
			results = append(results, made[i][o])
		}
		new := replacements(l, u.stages[i], made[i])
		for _, array := range slices.Sorted(maps.Keys(new)) {
			if r := st.onlyIf; r != nil {
				made := l.Compare("GT", l.Reshape(made[r.Stage][r.Output]), l.Float(0))
				new[array] = l.Select(made, new[array], arrays[array])
			}
			arrays[array] = new[array]
		}
	}
	for _, array := range u.updated() {
		results = append(results, arrays[array])
	}
	return l.Program(results), nil
}

// callNumbers writes the argument that holds the numbers of a call.
func (l *lowering) callNumbers() callTensors {
	numbers := l.Argument(stablehlo.U64, callNumbers)
	number := func(i int) tensor { return l.Reshape(l.SliceAxis(numbers, 0, i, i+1, 1)) }
	c := callTensors{seed: number(0), chain: number(1), step: number(2), images: number(3), total: number(4)}
	c.zero = l.Convert(l.Same("shift_right_logical", c.total, l.Integer(stablehlo.U64, 63)), stablehlo.U32)
	return c
}

// print writes a stage, given the values of its leaves, and gives the outputs that are needed.
func (p *stage) print(l *lowering, u stageUse, given, perStep map[string]tensor) (made map[int]tensor, err error) {
	asked := slices.Concat(u.wanted, p.passed)
	for _, one := range u.updates {
		asked = append(asked, one.output)
	}
	needed := slices.Clone(asked)
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
	// results are the outputs that are asked for.
	results := func() map[int]tensor {
		t := map[int]tensor{}
		for _, i := range asked {
			t[i] = l.known[p.outputs[i]]
		}
		return t
	}
	if err := emit(false, tensor{}); err != nil {
		return nil, err
	}
	for _, v := range order {
		if isNoise(v) {
			l.streamsOf(v)
		}
	}
	if u.steps == 1 {
		if err := emit(true, l.Integer(stablehlo.I32, 0)); err != nil {
			return nil, err
		}
		return results(), nil
	}

	for _, v := range order {
		if v.Op() == expr.OpConv && varies[v] && !varies[v.In()[1]] {
			l.prepare(l.known[v.In()[1]])
		}
	}
	// What goes round: the inputs that are fed, and the outputs asked for that vary and are not such inputs' next values.
	var fed []*expr.Value
	var state []tensor
	for _, v := range p.leaves {
		if _, ok := u.feedback[v.Attr().Name]; ok && v.Op() == expr.OpInput {
			fed, state = append(fed, v), append(state, given[v.Attr().Name])
		}
	}
	var carried []int
	for _, i := range needed {
		isNext := slices.ContainsFunc(fed, func(in *expr.Value) bool { return u.feedback[in.Attr().Name] == i })
		if v := p.outputs[i]; varies[v] && !isNext {
			carried, state = append(carried, i), append(state, l.Float(0, l.dims(v)...))
		}
	}
	first := l.call.step
	last := l.Repeat(u.steps, state, func(round tensor, state []tensor) (next []tensor) {
		for i, v := range fed {
			given[v.Attr().Name] = state[i]
		}
		l.call.step = l.Same("add", first, l.Convert(round, stablehlo.U64))
		if err = emit(true, round); err != nil {
			return state
		}
		for _, v := range fed {
			next = append(next, l.known[p.outputs[u.feedback[v.Attr().Name]]])
		}
		for _, i := range carried {
			next = append(next, l.known[p.outputs[i]])
		}
		return next
	})
	if err != nil {
		return nil, err
	}
	for i, v := range fed {
		l.known[p.outputs[u.feedback[v.Attr().Name]]] = last[i]
	}
	for i, n := range carried {
		l.known[p.outputs[n]] = last[len(fed)+i]
	}
	return results(), nil
}

// kept says whether v is a parameter in a store.
func (p *stage) kept(v *expr.Value) bool {
	_, ok := p.places[v.Attr().Name]
	return ok && v.Op() == expr.OpParam
}

// fromStage says whether v is a result of another stage.
func (p *stage) fromStage(v *expr.Value) bool {
	_, ok := p.from[v.Attr().Name]
	return ok
}

func isNoise(v *expr.Value) bool { return v.Op() == expr.OpGaussian || v.Op() == expr.OpUniform }

// lines is the number of lines of a program's text: how large it is.
func lines(text string) int { return strings.Count(text, "\n") }

var _ engine.Sequence = (*sequence)(nil)
