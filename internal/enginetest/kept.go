package enginetest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/expr"
)

// Kept gives an engine stores and sequences, in the plainest way: arrays are slices, and the stages of a sequence run one after the other.
// It is what engines that have them are compared with.
type Kept struct {
	engine.Engine
	Runs int // of sequences
}

type hostStore map[string][]float32

// NewStore implements engine.Keeper.
func (e *Kept) NewStore(sizes map[string]int) (engine.Store, error) {
	s := hostStore{}
	for array, size := range sizes {
		s[array] = make([]float32, size)
	}
	return s, nil
}

func (s hostStore) Read(array string, dst []float32) error  { copy(dst, s[array]); return nil }
func (s hostStore) Write(array string, src []float32) error { copy(s[array], src); return nil }

// keptProgram remembers what it was compiled of.
type keptProgram struct {
	engine.Program
	outputs []*expr.Value
	stage   keptStage // of a program that runs alone
}

// Compile implements engine.Engine.
func (e *Kept) Compile(outputs ...*expr.Value) (engine.Program, error) {
	p, err := e.Engine.Compile(outputs...)
	if err != nil {
		return nil, err
	}
	return &keptProgram{Program: p, outputs: outputs}, nil
}

func (p *keptProgram) BindStore(s engine.Store, places map[string]engine.Place, others map[string][]float32) error {
	p.stage = keptStage{store: s.(hostStore), places: places, others: others}
	return nil
}

func (p *keptProgram) Bind(params map[string][]float32) error {
	p.stage = keptStage{}
	return p.Program.Bind(params)
}

func (p *keptProgram) Run(ctx context.Context, call engine.Call) error {
	if p.stage.store == nil {
		return p.Program.Run(ctx, call)
	}
	_, err := p.stage.run(ctx, p, call, nil, true)
	return err
}

// keptStage is how a stage is bound.
type keptStage struct {
	store  hostStore
	places map[string]engine.Place
	others map[string][]float32
}

// run runs a program that is bound so, given what comes from other stages, and gives all its outputs.
func (s keptStage) run(ctx context.Context, p *keptProgram, call engine.Call, given map[string][]float32, update bool) ([][]float32, error) {
	params := maps.Clone(given)
	if params == nil {
		params = map[string][]float32{}
	}
	maps.Copy(params, s.others)
	for _, v := range expr.Order(p.outputs...) {
		if at, ok := s.places[v.Attr().Name]; ok && v.Op() == expr.OpParam {
			params[v.Attr().Name] = slices.Clone(s.store[at.Array][at.Offset:][:v.Shape().Size()])
		}
	}
	if err := p.Program.Bind(params); err != nil {
		return nil, err
	}
	inputs := maps.Clone(given)
	if inputs == nil {
		inputs = map[string][]float32{}
	}
	maps.Copy(inputs, call.Inputs)
	maps.Copy(inputs, given)
	outputs := slices.Clone(call.Outputs)
	for i, v := range p.outputs {
		if size := v.Shape().Size(); outputs[i] == nil && v.Kind() == expr.Shared {
			outputs[i] = make([]float32, size)
		} else if outputs[i] == nil {
			outputs[i] = make([]float32, call.Batch*size)
		}
	}
	updates := call.Updates
	call.Inputs, call.Outputs, call.Updates = inputs, outputs, nil
	if err := p.Program.Run(ctx, call); err != nil || !update {
		return outputs, err
	}
	for i, at := range updates {
		copy(s.store[at.Array][at.Offset:], outputs[i])
	}
	return outputs, nil
}

type keptSequence struct {
	engine *Kept
	stages []engine.Stage
	bound  []keptStage
}

// Sequence implements engine.Sequencer.
func (e *Kept) Sequence(stages ...engine.Stage) (engine.Sequence, error) {
	for i, s := range stages {
		if _, ok := s.Program.(*keptProgram); !ok {
			return nil, fmt.Errorf("stage %d is another engine's", i)
		}
	}
	return &keptSequence{e, stages, make([]keptStage, len(stages))}, nil
}

func (q *keptSequence) BindStore(stage int, s engine.Store, places map[string]engine.Place, others map[string][]float32) error {
	q.bound[stage] = keptStage{s.(hostStore), places, others}
	return nil
}

func (q *keptSequence) Run(ctx context.Context, calls ...engine.Call) error {
	if len(calls) != len(q.stages) {
		return errors.New("a call for each stage is wanted")
	}
	q.engine.Runs++
	var made [][][]float32
	for i, s := range q.stages {
		given := map[string][]float32{}
		for name, r := range s.From {
			given[name] = made[r.Stage][r.Output]
		}
		update := s.If == nil || made[s.If.Stage][s.If.Output][0] > 0
		outputs, err := q.bound[i].run(ctx, s.Program.(*keptProgram), calls[i], given, update)
		if err != nil {
			return err
		}
		made = append(made, outputs)
	}
	return nil
}
