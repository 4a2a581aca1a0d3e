package cpu

import (
	"context"
	"iter"
	"sync"
	"time"

	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/expr"
)

// This file runs a program: the prologue once for each set of parameters, the body tile by tile on all workers, the epilogue once.
//
// A tile is a few images. With 10 images in tiles of 4 and two workers, say, and no sums over the batch,
//
//	worker 0: images 0-3, all steps of their chain; then whichever tile is left
//	worker 1: images 4-7, all steps; ...
//
// and nobody waits for anybody before the end.

// Run implements engine.Program.
func (p *program) Run(ctx context.Context, call engine.Call) error {
	if err := p.checkCall(call); err != nil {
		return err
	}
	p.memory.acquire(&p.cache, p.arenaSize[prologueSpace])
	defer p.memory.release(&p.cache)
	f := p.acquireWorker(0)
	defer p.releaseWorker(f)
	p.runPrologue(f, call.Batch)
	if len(p.instructions[body]) > 0 || p.hasSampleOutputs() {
		sum, err := p.runBody(ctx, f, call)
		if sum != nil {
			defer p.memory.free(sum)
		}
		if err != nil {
			return err
		}
		f.mem[laneSpace] = sum
	}
	start := time.Now()
	p.runEpilogue(f, call)
	if p.profile != nil {
		p.profile(Work{Kind: Epilogue, Seconds: time.Since(start).Seconds()})
	}
	return nil
}

func (p *program) hasSampleOutputs() bool {
	for _, n := range p.graph.outputs {
		if n.kind == expr.Sample {
			return true
		}
	}
	return false
}

// runPrologue computes what depends on parameters and the batch size alone, unless it is still there from the last run. In training
// parameters are new for each run, and nothing is lost if another program takes the memory in between; a program that lost it between
// two runs with the same parameters keeps it to itself from then on.
func (p *program) runPrologue(f *frame, batch int) {
	c := &p.cache
	if c.batch == batch || c.batch > 0 && !p.sized {
		return
	}
	c.pinned = c.pinned || c.batch == 0 && !p.justBound
	for _, n := range p.graph.nodes {
		if n.address.space != prologueSpace {
			continue
		}
		switch n.op {
		case expr.OpConst:
			c.memory[n.address.offset] = float32(n.attr.X[0])
		case expr.OpBatchSize:
			c.memory[n.address.offset] = float32(batch)
		}
	}
	f.images = 1
	for _, in := range p.instructions[prologue] {
		in.run(f)
	}
	c.batch, p.justBound = batch, false
}

// runBody takes this process's share of the images through the body, and returns the sums over the batch, if there are any, in memory of
// the pool. Lane l of them adds up the tiles l, l + lanes, l + 2·lanes, ... in that order, whoever computes them (see lanes.go).
func (p *program) runBody(ctx context.Context, first *frame, call engine.Call) (sum []float32, err error) {
	if p.processes() > 1 {
		ctx = context.WithoutCancel(ctx) // the others wait for this one's share
	}
	s := p.shareOf(p.rank(), call.Batch)
	workers := []*frame{first}
	for w := 1; w < min(p.threads, s.lanes()); w++ {
		f := p.acquireWorker(w)
		defer p.releaseWorker(f)
		workers = append(workers, f)
	}
	l := p.newLanes(s)
	var wg sync.WaitGroup
	for _, f := range workers {
		wg.Go(func() {
			for {
				place, ok := l.next(ctx, f)
				if !ok {
					return
				}
				for images := range s.tiles(place) {
					if !p.runTile(ctx, f, images, call) {
						return
					}
				}
				l.finish(place, f)
			}
		})
	}
	wg.Wait()
	if p.processes() == 1 {
		return l.close(), ctx.Err()
	}
	return p.complete(l, call)
}

// runTile takes images through every step of the chain; false if the context ended.
func (p *program) runTile(ctx context.Context, f *frame, images span, call engine.Call) bool {
	f.first, f.images, f.chain = images.from, images.to-images.from, call.Chain
	p.readInputs(f, call)
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
			if !p.lastStepOnly[i] || f.step == steps-1 {
				in.run(f)
			}
		}
	}
	p.writeSampleOutputs(f, call)
	return true
}

// readInputs copies the tile's images from the caller's slices.
func (p *program) readInputs(f *frame, call engine.Call) {
	for _, n := range p.graph.leaves {
		if n.op != expr.OpInput {
			continue
		}
		if _, varies := call.Chain.PerStep[n.attr.Name]; !varies {
			size := n.shape.Size()
			copy(f.tileOf(n), call.Inputs[n.attr.Name][f.first*size:(f.first+f.images)*size])
		}
	}
}

// writeSampleOutputs copies the tile's results to the caller's slices.
func (p *program) writeSampleOutputs(f *frame, call engine.Call) {
	for i, n := range p.graph.outputs {
		if out := call.Outputs[i]; out != nil && n.kind == expr.Sample {
			size := n.shape.Size()
			for image := range f.images { // one by one: the images of a view do not lie one after the other
				copy(out[(f.first+image)*size:][:size], f.at(n, image, size))
			}
		}
	}
}

// feedBack makes outputs of a step inputs of the next: all are read before any is written, as an output may itself be an input that is
// to change.
func (p *program) feedBack(f *frame, feedback map[string]int) {
	f.feedback = f.feedback[:0]
	for in, out := range p.feedbackPairs(feedback) {
		for image := range f.images {
			f.feedback = append(f.feedback, f.at(out, image, in.shape.Size())...)
		}
	}
	from := f.feedback
	for in := range p.feedbackPairs(feedback) {
		from = from[copy(f.tileOf(in)[:f.images*in.shape.Size()], from):]
	}
}

// feedbackPairs lists the inputs that are fed back, each with its output, in a fixed order.
func (p *program) feedbackPairs(feedback map[string]int) iter.Seq2[*node, *node] {
	return func(yield func(in, out *node) bool) {
		for _, n := range p.graph.leaves {
			if i, ok := feedback[n.attr.Name]; ok && n.op == expr.OpInput && !yield(n, p.graph.outputs[i]) {
				return
			}
		}
	}
}

// runEpilogue computes what depends on sums over the batch, and copies the shared outputs to the caller's slices: those of the epilogue as
// soon as they are known, because the instructions after it may reuse their memory.
func (p *program) runEpilogue(f *frame, call engine.Call) {
	size := p.arenaSize[epilogueSpace]
	memory := p.memory.alloc(size)
	defer p.memory.free(memory)
	f.mem[epilogueSpace], f.images = memory[:size], 1
	write := func(ready func(n *node) bool) {
		for i, n := range p.graph.outputs {
			if n.kind == expr.Shared && call.Outputs[i] != nil && ready(n) {
				copy(call.Outputs[i], f.at(n, 0, n.shape.Size()))
			}
		}
	}
	for i, in := range p.instructions[epilogue] {
		in.run(f)
		write(func(n *node) bool { return n.group == p.phases[epilogue][i] })
	}
	write(func(n *node) bool { return n.group == nil || n.group.phase() != epilogue })
}
