// Package ranks makes the engine of a group of processes (engine.Group) out of one that computes alone, on an accelerator say. Each
// process computes its share of the images. What is summed over the batch passes through the hosts: all processes get the others' sums and
// add them up in the order of ranks. What follows from sums is computed by all of them, by an engine whose numbers do not depend on the
// machine.
//
//	rank 0   images 0 to 31  ─ sums ─┐          ┌─ losses, gradients
//	rank 1   images 32 to 63 ─ sums ─┴─ added ──┴─ losses, gradients: the same bits
//
// engine/cpu does not need it: it shares out lanes, so that its numbers are those of one process.
package ranks

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"unsafe"

	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/expr"
)

// Engine is the engine of one process of a group. Its results are those of the engine of images alone, to the rounding of sums; the same, to
// the bit, in all processes.
type Engine struct {
	Images engine.Engine // computes this process's images
	Shared engine.Engine // computes what is not of an image: engine/cpu, which gives the same bits everywhere
	Group  engine.Group
}

// String says what it works on.
func (e *Engine) String() string {
	return fmt.Sprintf("%s, in each of %d processes", engine.Describe(e.Images), e.Group.Size())
}

// program is in two parts: images and sums over them, and what is computed of sums.
type program struct {
	engine  *Engine
	outputs []*expr.Value
	leaves  []*expr.Value // inputs and parameters
	images  engine.Program
	shared  engine.Program
	places  []int // of each output: where it is among those of images, or of shared
	sums    []*expr.Value
	needs   [][]int // of each output: the sums that it is computed of, which lie behind the outputs of images
	first   int     // of the sums, among the outputs of images
	sized   bool    // the images need to know how many there are in all

	params map[string][]float32
	batch  float32 // that the images' program was bound for
}

// The parameters that take the place of what is known after all processes have computed their images.
const batchName = "images in all processes"

func sumName(i int) string { return fmt.Sprintf("sum %d over all processes", i) }

// Compile implements engine.Engine.
func (e *Engine) Compile(outputs ...*expr.Value) (engine.Program, error) {
	if len(outputs) == 0 {
		return nil, errors.New("ranks: a program without outputs")
	}
	if err := expr.Err(outputs...); err != nil {
		return nil, fmt.Errorf("ranks: %w", err)
	}
	p := &program{engine: e, outputs: expr.Simplify(outputs...)}
	batch, sums := expr.Param(batchName, expr.Scalar), map[*expr.Value]*expr.Value{}
	inAll := map[*expr.Value]*expr.Value{} // batch sizes
	of := map[*expr.Value]map[int]bool{}   // the sums that a value is computed of
	named := map[string]*expr.Value{}
	for _, v := range expr.Order(p.outputs...) {
		of[v] = map[int]bool{}
		for _, u := range v.In() {
			maps.Copy(of[v], of[u])
		}
		switch {
		case v.Kind() == expr.Sample && len(of[v]) > 0:
			return nil, fmt.Errorf("ranks: %v of each image depends on a sum over the batch, which takes a second program", v.Op())
		case (v.Op() == expr.OpBatchSum || v.Op() == expr.OpConvKernel) && len(of[v]) > 0:
			return nil, fmt.Errorf("ranks: %v of what depends on a sum over the batch, which takes a second program", v.Op())
		case v.Op() == expr.OpBatchSum || v.Op() == expr.OpConvKernel:
			of[v][len(p.sums)] = true
			sums[v] = expr.Param(sumName(len(p.sums)), v.Shape())
			p.sums = append(p.sums, v)
		case v.Op() == expr.OpBatchSize:
			inAll[v] = batch
		}
		name := v.Attr().Name
		if name == "" {
			continue
		}
		switch other := named[name]; {
		case other == nil:
			named[name] = v
			if v.Op() == expr.OpInput || v.Op() == expr.OpParam {
				p.leaves = append(p.leaves, v)
			}
		case other.Op() != v.Op() || other.Shape() != v.Shape():
			return nil, fmt.Errorf("ranks: two different leaves named %q: %v and %v", name, other, v)
		}
	}

	var perImage, shared []*expr.Value
	p.places, p.needs = make([]int, len(p.outputs)), make([][]int, len(p.outputs))
	for i, v := range p.outputs {
		if v.Kind() == expr.Sample {
			p.places[i], perImage = len(perImage), append(perImage, v)
			continue
		}
		p.places[i], shared = len(shared), append(shared, v)
		p.needs[i] = slices.Sorted(maps.Keys(of[v]))
	}
	p.first = len(perImage)
	perImage = append(perImage, p.sums...)
	for _, v := range expr.Order(perImage...) {
		p.sized = p.sized || inAll[v] != nil
	}
	var err error
	if len(perImage) > 0 {
		if p.images, err = e.Images.Compile(expr.Replace(inAll, perImage...)...); err != nil {
			return nil, err
		}
	}
	if len(shared) > 0 {
		maps.Copy(sums, inAll)
		p.shared, err = e.Shared.Compile(expr.Replace(sums, shared...)...)
	}
	return p, err
}

// Flops counts the work on an image.
func (p *program) Flops() float64 {
	if p.images == nil {
		return 0
	}
	return p.images.Flops()
}

// Bind implements engine.Program.
func (p *program) Bind(params map[string][]float32) error {
	for _, v := range p.leaves {
		if v.Op() != expr.OpParam {
			continue
		}
		name, s := v.Attr().Name, v.Shape()
		values, ok := params[name]
		if !ok {
			return fmt.Errorf("ranks: no value for parameter %q", name)
		}
		if len(values) != s.Size() {
			return fmt.Errorf("ranks: parameter %q has %d values, its shape %v takes %d", name, len(values), s, s.Size())
		}
	}
	all := maps.Clone(params)
	if all == nil {
		all = map[string][]float32{}
	}
	all[batchName] = []float32{max(p.batch, 1)}
	if p.images != nil {
		if err := p.images.Bind(all); err != nil {
			return err
		}
	}
	p.params, p.batch = all, all[batchName][0]
	return nil
}

// share are the images of this process: equal numbers in all, the last ones having fewer.
func (p *program) share(batch int) (from, to int) {
	g := p.engine.Group
	each := (batch + g.Size() - 1) / g.Size()
	return min(g.Rank()*each, batch), min((g.Rank()+1)*each, batch)
}

// local is the part of a call for this process's images, and room for its sums.
func (p *program) local(call engine.Call) (part engine.Call, sums []float32) {
	from, to := p.share(call.Batch)
	part = engine.Call{Batch: to - from, Chain: call.Chain, Inputs: map[string][]float32{}, Outputs: make([][]float32, p.first+len(p.sums))}
	part.Chain.FirstImage += uint64(from)
	for _, v := range p.leaves {
		if values, ok := call.Inputs[v.Attr().Name]; ok && v.Op() == expr.OpInput && call.Chain.PerStep[v.Attr().Name] == nil {
			part.Inputs[v.Attr().Name] = values[from*v.Shape().Size() : to*v.Shape().Size()]
		}
	}
	part.Chain.Feedback = map[string]int{}
	for name, i := range call.Chain.Feedback {
		part.Chain.Feedback[name] = p.places[i]
	}
	needed := map[int]bool{}
	for i, out := range call.Outputs {
		size := p.outputs[i].Shape().Size()
		switch {
		case out == nil:
		case p.outputs[i].Kind() == expr.Sample:
			part.Outputs[p.places[i]] = out[from*size : to*size]
		default:
			for _, k := range p.needs[i] {
				needed[k] = true
			}
		}
	}
	total := 0
	for k := range needed {
		total += p.sums[k].Shape().Size()
	}
	sums = make([]float32, total)
	rest := sums
	for _, k := range slices.Sorted(maps.Keys(needed)) {
		size := p.sums[k].Shape().Size()
		part.Outputs[p.first+k], rest = rest[:size:size], rest[size:]
	}
	return part, sums
}

// check says what is wrong with a call.
func (p *program) check(call engine.Call) error {
	if p.params == nil {
		return errors.New("ranks: Run before Bind")
	}
	if len(call.Updates) > 0 {
		return errors.New("ranks: a group has no stores")
	}
	if err := call.Fits(p.leaves, p.outputs); err != nil {
		return fmt.Errorf("ranks: %w", err)
	}
	return nil
}

// Run implements engine.Program. All processes must call it with the same numbers.
func (p *program) Run(ctx context.Context, call engine.Call) error {
	if err := p.check(call); err != nil {
		return err
	}
	if n := float32(call.Batch); p.sized && n != p.batch {
		p.params[batchName] = []float32{n}
		if err := p.images.Bind(p.params); err != nil {
			return err
		}
		p.batch = n
	}
	if p.engine.Group.Size() > 1 {
		ctx = context.WithoutCancel(ctx) // the others wait for this one's share
	}
	part, sums := p.local(call)
	if wanted := slices.ContainsFunc(part.Outputs, func(out []float32) bool { return out != nil }); wanted && part.Batch > 0 {
		if err := p.images.Run(ctx, part); err != nil {
			return err
		}
	}
	if err := p.gather(call); err != nil {
		return err
	}
	if err := p.add(sums); err != nil {
		return err
	}
	return p.finish(ctx, call, part)
}

// gather brings the other processes' images to this one.
func (p *program) gather(call engine.Call) error {
	g := p.engine.Group
	for i, out := range call.Outputs {
		if out == nil || p.outputs[i].Kind() != expr.Sample {
			continue
		}
		counts := make([]int, g.Size())
		each := (call.Batch + g.Size() - 1) / g.Size()
		for r := range counts {
			counts[r] = 4 * p.outputs[i].Shape().Size() * (min((r+1)*each, call.Batch) - min(r*each, call.Batch))
		}
		if err := g.Gather(raw(out), counts); err != nil {
			return fmt.Errorf("ranks: output %d: %w", i, err)
		}
	}
	return nil
}

// atATime is how many numbers of each process are added at once.
const atATime = 1 << 18

// add makes sums those over all processes, added up in the order of their ranks.
func (p *program) add(sums []float32) error {
	g := p.engine.Group
	for part := range slices.Chunk(sums, atATime) {
		all, counts := make([]float32, len(part)*g.Size()), make([]int, g.Size())
		for r := range counts {
			counts[r] = 4 * len(part)
		}
		copy(all[g.Rank()*len(part):], part)
		if err := g.Gather(raw(all), counts); err != nil {
			return fmt.Errorf("ranks: sums: %w", err)
		}
		for i := range part {
			sum := 0.0
			for r := range counts {
				sum += float64(all[r*len(part)+i])
			}
			part[i] = float32(sum)
		}
	}
	return nil
}

// finish computes what follows from the sums.
func (p *program) finish(ctx context.Context, call, part engine.Call) error {
	wanted := engine.Call{Batch: 1}
	for i, out := range call.Outputs {
		if p.outputs[i].Kind() == expr.Shared {
			wanted.Outputs = append(wanted.Outputs, out)
		}
	}
	if !slices.ContainsFunc(wanted.Outputs, func(out []float32) bool { return out != nil }) {
		return nil
	}
	params := maps.Clone(p.params)
	params[batchName] = []float32{float32(call.Batch)}
	for k, v := range p.sums {
		if params[sumName(k)] = part.Outputs[p.first+k]; params[sumName(k)] == nil { // not needed
			params[sumName(k)] = make([]float32, v.Shape().Size())
		}
	}
	if err := p.shared.Bind(params); err != nil {
		return err
	}
	return p.shared.Run(ctx, wanted)
}

// Prepare implements engine.Preparer where the images' engine does.
func (p *program) Prepare(calls ...engine.Call) {
	images, ok := p.images.(engine.Preparer)
	if !ok || len(calls) != 1 || len(calls[0].Outputs) != len(p.outputs) || calls[0].Batch < 1 {
		return
	}
	call := calls[0]
	numbers := call
	numbers.Inputs = nil
	for _, i := range call.Chain.Feedback {
		if i < 0 || i >= len(p.outputs) {
			return
		}
	}
	if part, _ := p.local(numbers); part.Batch > 0 {
		images.Prepare(part)
	}
}

// raw is the memory of v.
func raw(v []float32) []byte {
	if len(v) == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(v))), 4*len(v))
}
