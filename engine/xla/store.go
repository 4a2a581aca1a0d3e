//go:build xla

package xla

// This file keeps arrays on the devices from one call to the next. A program takes arrays as arguments, whole, and cuts its parameters out
// of them; where it replaces an array, the new one is written over the old.

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/engine/xla/pjrt"
	"github.com/joule-ebm/joule/engine/xla/stablehlo"
	"github.com/joule-ebm/joule/expr"
)

// store has each array on each device.
type store struct {
	client *pjrt.Client
	sizes  map[string]int
	arrays map[string][]*pjrt.Buffer
}

// NewStore implements engine.Keeper.
func (e *Engine) NewStore(sizes map[string]int) (engine.Store, error) {
	if err := e.check(); err != nil {
		return nil, err
	}
	s := &store{client: e.client, sizes: maps.Clone(sizes), arrays: map[string][]*pjrt.Buffer{}}
	for array, size := range sizes {
		s.arrays[array] = make([]*pjrt.Buffer, e.replicas())
		if err := s.Write(array, make([]float32, size)); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (s *store) check(array string, values []float32) error {
	size, ok := s.sizes[array]
	if !ok {
		return fmt.Errorf("xla: the store has no array %q", array)
	}
	if size != len(values) {
		return fmt.Errorf("xla: %d numbers for the array %q of %d", len(values), array, size)
	}
	return nil
}

func (s *store) Read(array string, dst []float32) error {
	if err := s.check(array, dst); err != nil {
		return err
	}
	if err := s.arrays[array][0].Download(dst); err != nil {
		return explained(fmt.Sprintf("array %q", array), err)
	}
	return nil
}

func (s *store) Write(array string, src []float32) error {
	if err := s.check(array, src); err != nil {
		return err
	}
	for d := range s.arrays[array] {
		b, err := pjrt.Upload(s.client, d, src, len(src))
		if err != nil {
			return explained(fmt.Sprintf("array %q", array), err)
		}
		s.replace(array, d, b)
	}
	return nil
}

// replace makes b the array on a device.
func (s *store) replace(array string, device int, b *pjrt.Buffer) {
	if old := s.arrays[array][device]; old != nil {
		old.Free()
	}
	s.arrays[array][device] = b
}

// BindStore implements engine.StoreProgram.
func (p *program) BindStore(s engine.Store, places map[string]engine.Place, others map[string][]float32) error {
	return p.sequence.BindStore(0, s, places, others)
}

// BindStore implements engine.Sequence.
func (q *sequence) BindStore(stage int, s engine.Store, places map[string]engine.Place, others map[string][]float32) error {
	if stage < 0 || stage >= len(q.stages) {
		return fmt.Errorf("xla: there is no stage %d of %d", stage, len(q.stages))
	}
	p := q.stages[stage]
	own, ok := s.(*store)
	if !ok || own.client != q.engine.client {
		return errors.New("xla: the store is not one of this engine's device")
	}
	for array, buffers := range own.arrays {
		if len(buffers) != q.replicas {
			return fmt.Errorf("xla: the array %q is on %d devices, the program runs on %d", array, len(buffers), q.replicas)
		}
	}
	for _, v := range p.leaves {
		place, kept := places[v.Attr().Name]
		if v.Op() == expr.OpParam && kept && (place.Offset < 0 || place.Offset+v.Shape().Size() > own.sizes[place.Array]) {
			return fmt.Errorf("xla: parameter %q of %d values does not lie in the store's array %q of %d, at %d", v.Attr().Name, v.Shape().Size(),
				place.Array, own.sizes[place.Array], place.Offset)
		}
	}
	return q.bind(p, own, places, others)
}

// store is that of the stages, or nil.
func (q *sequence) store() *store {
	for _, p := range q.stages {
		if p.store != nil {
			return p.store
		}
	}
	return nil
}

// arrays are those that a text takes parameters from or replaces, in the order of their arguments.
func (q *sequence) arrays(u use) []string {
	arrays := u.updated()
	for _, p := range q.stages {
		for _, v := range p.leaves {
			if p.kept(v) {
				arrays = append(arrays, p.places[v.Attr().Name].Array)
			}
		}
	}
	slices.Sort(arrays)
	return slices.Compact(arrays)
}

// update is an output that goes into a store.
type update struct {
	output int
	place  engine.Place
}

// updates are those of a call, array by array and in the order in which they lie there; an error if they do not make up whole arrays.
func (p *stage) updates(call engine.Call) ([]update, error) {
	if len(call.Updates) == 0 {
		return nil, nil
	}
	if p.store == nil || call.Chain.Steps > 1 {
		return nil, errors.New("xla: updates of a store take a program that is bound to one, and a single step")
	}
	var list []update
	for i, place := range call.Updates {
		if i < 0 || i >= len(p.outputs) || p.outputs[i].Kind() != expr.Shared {
			return nil, fmt.Errorf("xla: output %d cannot go into a store: want a shared one", i)
		}
		list = append(list, update{i, place})
	}
	slices.SortFunc(list, func(a, b update) int {
		if a.place.Array != b.place.Array {
			if a.place.Array < b.place.Array {
				return -1
			}
			return 1
		}
		return a.place.Offset - b.place.Offset
	})
	filled := map[string]int{}
	for _, u := range list {
		if u.place.Offset != filled[u.place.Array] {
			return nil, fmt.Errorf("xla: updates of the array %q leave out what lies at %d, or write it twice", u.place.Array, filled[u.place.Array])
		}
		filled[u.place.Array] += p.outputs[u.output].Shape().Size()
	}
	for array, size := range filled {
		if p.store.sizes[array] != size {
			return nil, fmt.Errorf("xla: updates of the array %q are %d numbers, it has %d", array, size, p.store.sizes[array])
		}
	}
	return list, nil
}

// updated are the arrays that are replaced, in the order of their results.
func (u use) updated() (arrays []string) {
	for _, s := range u.stages {
		for _, one := range s.updates {
			arrays = append(arrays, one.place.Array)
		}
	}
	slices.Sort(arrays)
	return slices.Compact(arrays)
}

// arrayArguments writes the arguments for the arrays in the store. What replaces an array is written over it.
func (q *sequence) arrayArguments(l *lowering, u use) map[string]tensor {
	updated, arrays := u.updated(), map[string]tensor{}
	for _, array := range q.arrays(u) {
		arrays[array] = l.Argument(stablehlo.F32, q.store().sizes[array])
		if i := slices.Index(updated, array); i >= 0 {
			l.Donate(u.first(len(u.stages)) + i)
		}
	}
	return arrays
}

// donated are the numbers of the arguments, of so many, that are written over. Arrays are the last.
func (u use) donated(q *sequence, args int) (list []int) {
	arrays, updated := q.arrays(u), u.updated()
	for i, array := range arrays {
		if slices.Contains(updated, array) {
			list = append(list, args-len(arrays)+i)
		}
	}
	return list
}

// cut takes a stage's parameters out of the arrays.
func (p *stage) cut(l *lowering, arrays, given map[string]tensor) {
	for _, v := range p.leaves {
		if place := p.places[v.Attr().Name]; p.kept(v) {
			part := l.SliceAxis(arrays[place.Array], 0, place.Offset, place.Offset+v.Shape().Size(), 1)
			given[v.Attr().Name] = l.Reshape(part, l.dims(v)...)
		}
	}
}

// replacements are the arrays that the updates of a stage make.
func replacements(l *lowering, u stageUse, made map[int]tensor) map[string]tensor {
	parts := map[string][]tensor{}
	for _, one := range u.updates {
		t := made[one.output]
		parts[one.place.Array] = append(parts[one.place.Array], l.Reshape(t, t.Size()))
	}
	arrays := map[string]tensor{}
	for _, array := range slices.Sorted(maps.Keys(parts)) { // in an order: the text is to be the same each time
		if arrays[array] = parts[array][0]; len(parts[array]) > 1 {
			arrays[array] = l.Concatenate(0, parts[array]...)
		}
	}
	return arrays
}
