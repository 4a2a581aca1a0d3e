package cpu

import (
	"context"
	"fmt"
	"iter"
	"math"
	"slices"
	"sync"

	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/expr"
	"github.com/joule-ebm/joule/internal/kernels"
)

// This file runs a program: tiles of images over workers.

type program struct {
	graph   *graph
	kernels *kernels.Set
	threads int
	tile    int
	profile func(Work)

	phases       [3][]*unit
	instructions [3][]instruction
	sums         []bool // which instructions of the body sum over the batch: what only the last step of a chain does
	params       []*node
	arenaSize    [spaces]int
	scratch      int
	tables       map[tableKey][]int32

	memory  *pool
	bound   [][]float32 // the caller's values of params; nil before Bind
	fresh   bool        // it has not run since
	derived derived
	workers []*frame
}

// tableKey names a table of pixel offsets, shared by the instructions that need the same one.
type tableKey struct {
	kind   string
	shape  expr.Shape
	n, per int
}

func (p *program) table(key tableKey, build func() []int32) []int32 {
	if t := p.tables[key]; t != nil {
		return t
	}
	t := build()
	p.tables[key] = t
	return t
}

// plan schedules, places and translates the graph.
func (p *program) plan() {
	p.tables = map[tableKey][]int32{}
	p.params = slices.DeleteFunc(slices.Clone(p.graph.leaves), func(n *node) bool { return n.op != expr.OpParam })
	p.phases = p.graph.units()
	for _, units := range p.phases {
		for _, u := range units {
			if u.loop() {
				u.code = p.newLoop(u)
			}
		}
	}
	p.placeValues()
	for i, units := range p.phases {
		for _, u := range units {
			in := p.instruction(u)
			if p.profile != nil && phase(i) == body {
				in.run = timed(in.run, u, p.profile)
			}
			p.instructions[i] = append(p.instructions[i], in)
			p.scratch = max(p.scratch, in.scratch)
			if phase(i) == body {
				p.sums = append(p.sums, u.nodes[0].batchReduction())
			}
		}
	}
}

func (p *program) Flops() float64 { return p.graph.flops() }

// frame is what instructions work on: the arenas, the tile's images, and one worker's scratch memory.
type frame struct {
	kernels *kernels.Set
	mem     [][]float32 // by space
	arena   []float32   // of which the worker's own are parts
	images  int         // in this tile
	first   int         // its place in the batch
	step    int
	chain   engine.Chain
	scratch []float32
	regs    [][]float32
	rows    map[[2]int][]int32
	tail    []int32
	fed     []float32 // outputs on their way to be inputs
}

// worker is the frame of a worker, with memory to run in; it is to be rested afterwards.
func (p *program) worker(i int) *frame {
	for len(p.workers) <= i {
		p.workers = append(p.workers, &frame{kernels: p.kernels, mem: make([][]float32, int(spaces)+len(p.params)), rows: map[[2]int][]int32{}})
	}
	f := p.workers[i]
	body, scratch := p.arenaSize[inBody], p.scratch+64
	f.arena = p.memory.take(body + scratch)
	f.mem[inBody], f.scratch = f.arena[:body:body], f.arena[body:][:scratch:scratch]
	f.mem[inPrologue] = p.derived.memory
	copy(f.mem[spaces:], p.bound)
	return f
}

// rest gives back the memory of a worker.
func (p *program) rest(f *frame) {
	p.memory.give(f.arena)
	f.arena, f.scratch = nil, nil
	clear(f.mem)
}

// tileOf is the memory from a value of the whole tile on.
func (f *frame) tileOf(n *node) []float32 { return f.mem[n.place.space][n.place.offset:] }

func (f *frame) registers(n int) [][]float32 {
	for len(f.regs) < n {
		f.regs = append(f.regs, nil)
	}
	return f.regs[:n]
}

// identity holds the offsets of rows that lie one after the other.
func (f *frame) identity(rows, depth int) []int32 {
	key := [2]int{rows, depth}
	if f.rows[key] == nil {
		offsets := make([]int32, rows)
		for r := range offsets {
			offsets[r] = int32(r * depth)
		}
		f.rows[key] = offsets
	}
	return f.rows[key]
}

// repeatLast keeps the first n offsets and repeats the last of them.
func (f *frame) repeatLast(offsets []int32, n int) []int32 {
	f.tail = append(f.tail[:0], offsets[:n]...)
	for len(f.tail) < len(offsets) {
		f.tail = append(f.tail, offsets[n-1])
	}
	return f.tail
}

func (p *program) Bind(params map[string][]float32) error {
	bound := make([][]float32, len(p.params))
	for i, n := range p.params {
		values, ok := params[n.attr.Name]
		if !ok {
			return fmt.Errorf("cpu: no value for parameter %q", n.attr.Name)
		}
		if len(values) != n.shape.Size() {
			return fmt.Errorf("cpu: parameter %q has %d values, its shape %v takes %d", n.attr.Name, len(values), n.shape, n.shape.Size())
		}
		bound[i] = values
	}
	p.bound, p.fresh, p.derived.batch, p.derived.keep = bound, true, 0, false
	return nil
}

// prepare runs the prologue, if what it computed for these parameters and this batch size is not there any more. In training
// parameters are new for each run, and nothing is lost with the memory; a program that lost it between two runs with the same
// parameters keeps it from then on.
func (p *program) prepare(f *frame, batch int) {
	d := &p.derived
	if d.batch == batch {
		return
	}
	d.keep = d.keep || d.batch == 0 && !p.fresh
	for _, n := range p.graph.nodes {
		if n.place.space != inPrologue {
			continue
		}
		switch n.op {
		case expr.OpConst:
			d.memory[n.place.offset] = float32(n.attr.X[0])
		case expr.OpBatchSize:
			d.memory[n.place.offset] = float32(batch)
		}
	}
	f.images = 1
	for _, in := range p.instructions[prologue] {
		in.run(f)
	}
	d.batch, p.fresh = batch, false
}

func (p *program) check(call engine.Call) error {
	if p.bound == nil {
		return fmt.Errorf("cpu: Run before Bind")
	}
	if call.Batch < 1 || call.Batch > math.MaxInt32 {
		return fmt.Errorf("cpu: a batch of %d images: want 1 or more, and fewer than 2³¹", call.Batch)
	}
	steps := max(call.Chain.Steps, 1)
	for _, n := range p.graph.leaves {
		if n.op != expr.OpInput {
			continue
		}
		name := n.attr.Name
		if values, ok := call.Chain.PerStep[name]; ok {
			if len(values) != steps || n.shape != expr.Scalar {
				return fmt.Errorf("cpu: input %q of shape %v has %d values for %d steps", name, n.shape, len(values), steps)
			}
			continue
		}
		values, ok := call.Inputs[name]
		if !ok {
			return fmt.Errorf("cpu: no value for input %q", name)
		}
		if want := call.Batch * n.shape.Size(); len(values) != want {
			return fmt.Errorf("cpu: input %q has %d values, a batch of %d of shape %v takes %d", name, len(values), call.Batch, n.shape, want)
		}
	}
	for name, i := range call.Chain.Feedback {
		input := p.graph.input(name)
		if input == nil || i < 0 || i >= len(p.graph.outputs) || p.graph.outputs[i].shape != input.shape || p.graph.outputs[i].phase != body {
			return fmt.Errorf("cpu: output %d cannot become input %q of the next step", i, name)
		}
	}
	if len(call.Outputs) != len(p.graph.outputs) {
		return fmt.Errorf("cpu: %d outputs asked for, the program has %d", len(call.Outputs), len(p.graph.outputs))
	}
	for i, out := range call.Outputs {
		n := p.graph.outputs[i]
		want := n.shape.Size()
		if n.kind == expr.Sample {
			want *= call.Batch
		}
		if out != nil && len(out) != want {
			return fmt.Errorf("cpu: output %d has room for %d values, it takes %d", i, len(out), want)
		}
	}
	return nil
}

func (g *graph) input(name string) *node {
	for _, n := range g.leaves {
		if n.op == expr.OpInput && n.attr.Name == name {
			return n
		}
	}
	return nil
}

func (p *program) Run(ctx context.Context, call engine.Call) error {
	if err := p.check(call); err != nil {
		return err
	}
	p.memory.open(&p.derived, p.arenaSize[inPrologue])
	defer p.memory.close(&p.derived)
	f := p.worker(0)
	defer p.rest(f)
	p.prepare(f, call.Batch)
	if len(p.instructions[body]) > 0 || p.hasSampleOutputs() {
		sum, err := p.runTiles(ctx, f, call)
		if sum != nil {
			defer p.memory.give(sum)
		}
		if err != nil {
			return err
		}
		f.mem[inLanes] = sum
	}
	p.finish(f, call)
	return nil
}

// finish runs the epilogue and hands over the shared outputs, those of the epilogue as soon as they are known.
func (p *program) finish(f *frame, call engine.Call) {
	size := p.arenaSize[inEpilogue]
	memory := p.memory.take(size)
	defer p.memory.give(memory)
	f.mem[inEpilogue], f.images = memory[:size], 1
	deliver := func(from func(n *node) bool) {
		for i, n := range p.graph.outputs {
			if n.kind == expr.Shared && call.Outputs[i] != nil && from(n) {
				copy(call.Outputs[i], f.at(n, 0, n.shape.Size()))
			}
		}
	}
	for i, in := range p.instructions[epilogue] {
		in.run(f)
		deliver(func(n *node) bool { return n.unit == p.phases[epilogue][i] })
	}
	deliver(func(n *node) bool { return n.unit == nil || n.unit.phase() != epilogue })
}

func (p *program) hasSampleOutputs() bool {
	for _, n := range p.graph.outputs {
		if n.kind == expr.Sample {
			return true
		}
	}
	return false
}

// runTiles takes all images through the body, and gives the sums over the batch, if there are any, in memory of the pool. Lane l of
// them has the tiles l, l + lanes, l + 2·lanes, ... in that order, whoever computes them.
func (p *program) runTiles(ctx context.Context, first *frame, call engine.Call) (sum []float32, err error) {
	sums := p.arenaSize[inLanes] > 64
	images := p.share(call.Batch, sums)
	tiles := cuts(call.Batch, images)
	lanes := tiles // without sums every tile may go its own way
	if sums {
		lanes = min(laneCount, tiles)
	}
	workers := []*frame{first}
	for w := 1; w < min(p.threads, lanes); w++ {
		f := p.worker(w)
		defer p.rest(f)
		workers = append(workers, f)
	}
	l := p.newLanes(lanes, sums)
	var wg sync.WaitGroup
	for _, f := range workers {
		wg.Go(func() {
			for {
				lane, ok := l.begin(ctx, f)
				if !ok {
					return
				}
				for tile := lane; tile < tiles; tile += l.count {
					if !p.runTile(ctx, f, tile*images, images, call) {
						return
					}
				}
				l.end(lane, f)
			}
		})
	}
	wg.Wait()
	return l.close(), ctx.Err()
}

// share is the number of images of a tile, at most p.tile, that gives all workers about as much to do. Sums over the batch depend on
// it, and so must not on the number of workers: their tiles are made for two.
func (p *program) share(batch int, sums bool) int {
	workers := p.threads
	if sums {
		workers = 2
	}
	return cuts(batch, min(batch, roundUp(cuts(batch, p.tile), workers)))
}

// runTile takes so many images from first on through every step; false if the context ended.
func (p *program) runTile(ctx context.Context, f *frame, first, images int, call engine.Call) bool {
	f.first, f.images, f.chain = first, min(images, call.Batch-first), call.Chain
	for _, n := range p.graph.leaves {
		if n.op != expr.OpInput {
			continue
		}
		if _, varies := call.Chain.PerStep[n.attr.Name]; !varies {
			size := n.shape.Size()
			copy(f.tileOf(n), call.Inputs[n.attr.Name][first*size:(first+f.images)*size])
		}
	}
	steps := max(call.Chain.Steps, 1)
	for f.step = range steps {
		if ctx.Err() != nil {
			return false
		}
		if f.step > 0 {
			p.feedBack(f, call.Chain.Feedback)
		}
		for name, values := range call.Chain.PerStep {
			if in := p.graph.input(name); in != nil {
				fill(f.tileOf(in)[:f.images], values[f.step])
			}
		}
		for i, in := range p.instructions[body] {
			if !p.sums[i] || f.step == steps-1 {
				in.run(f)
			}
		}
	}
	for i, n := range p.graph.outputs {
		if out := call.Outputs[i]; out != nil && n.kind == expr.Sample {
			size := n.shape.Size()
			for image := range f.images { // a view's images do not lie one after the other
				copy(out[(first+image)*size:][:size], f.at(n, image, size))
			}
		}
	}
	return true
}

// feedBack makes outputs of a step inputs of the next: all at once, as an output may itself be an input that is to change.
func (p *program) feedBack(f *frame, feedback map[string]int) {
	f.fed = f.fed[:0]
	for in, out := range p.fed(feedback) {
		for image := range f.images {
			f.fed = append(f.fed, f.at(out, image, in.shape.Size())...)
		}
	}
	from := f.fed
	for in := range p.fed(feedback) {
		from = from[copy(f.tileOf(in)[:f.images*in.shape.Size()], from):]
	}
}

// fed lists the inputs that outputs become, in a fixed order.
func (p *program) fed(feedback map[string]int) iter.Seq2[*node, *node] {
	return func(yield func(in, out *node) bool) {
		for _, n := range p.graph.leaves {
			if i, ok := feedback[n.attr.Name]; ok && n.op == expr.OpInput && !yield(n, p.graph.outputs[i]) {
				return
			}
		}
	}
}
