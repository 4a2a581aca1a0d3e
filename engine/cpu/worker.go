package cpu

import (
	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/expr"
	"github.com/joule-ebm/joule/internal/kernels"
)

// This file has what instructions work on. Every worker has a frame: the memory of its tile, and where in the batch and in the chain that
// tile is.

// frame is the state of one worker. Frames are kept from run to run, their memory is not.
type frame struct {
	kernels *kernels.Set
	mem     [][]float32 // the arenas and parameters, by space; see arena.go
	own     []float32   // this worker's memory: mem[bodySpace] and scratch are parts of it
	scratch []float32   // for the instruction that is running

	images int // in this tile
	first  int // the place of the first of them in the batch
	step   int // of the chain
	chain  engine.Chain

	// Small slices that instructions would otherwise make anew each time.
	vectors    [][]float32        // the registers of a loop
	contiguous map[[2]int][]int32 // see contiguousRows
	padded     []int32            // see padRows
	feedback   []float32          // outputs that are about to become inputs
}

// acquireWorker is the i-th frame with memory to run in; releaseWorker gives that back.
func (p *program) acquireWorker(i int) *frame {
	for len(p.workers) <= i {
		spaces := int(arenaCount) + len(p.params)
		p.workers = append(p.workers, &frame{kernels: p.kernels, mem: make([][]float32, spaces), contiguous: map[[2]int][]int32{}})
	}
	f := p.workers[i]
	arena, scratch := p.arenaSize[bodySpace], p.scratch+64
	f.own = p.memory.alloc(arena + scratch)
	f.mem[bodySpace], f.scratch = f.own[:arena:arena], f.own[arena:][:scratch:scratch]
	f.mem[prologueSpace] = p.cache.memory
	copy(f.mem[arenaCount:], p.bound)
	return f
}

func (p *program) releaseWorker(f *frame) {
	p.memory.free(f.own)
	f.own, f.scratch = nil, nil
	clear(f.mem)
}

// tileOf is the memory of a value from the tile's first image on. What lies behind the last image is other values' but for
// tailFloats(n).
func (f *frame) tileOf(n *node) []float32 { return f.mem[n.address.space][n.address.offset:] }

// at is the memory of a value for one image of the tile, size floats of it.
func (f *frame) at(n *node, image, size int) []float32 {
	from := n.address.offset + image*n.stride()
	return f.mem[n.address.space][from : from+size : from+size]
}

// stride is the distance from one image's value to the next one's; shared values have but one.
func (n *node) stride() int {
	switch {
	case n.kind == expr.Shared:
		return 0
	case n.view:
		return n.in[0].shape.Size()
	}
	return n.shape.Size()
}

// registers are n slices to fill in: the vectors of a loop.
func (f *frame) registers(n int) [][]float32 {
	for len(f.vectors) < n {
		f.vectors = append(f.vectors, nil)
	}
	return f.vectors[:n]
}

// contiguousRows holds the offsets of the rows of a dense matrix: 0, depth, 2·depth, ...
func (f *frame) contiguousRows(rows, depth int) []int32 {
	key := [2]int{rows, depth}
	if f.contiguous[key] == nil {
		offsets := make([]int32, rows)
		for r := range offsets {
			offsets[r] = int32(r * depth)
		}
		f.contiguous[key] = offsets
	}
	return f.contiguous[key]
}

// padRows keeps the first n offsets and repeats the last of them in place of the others, so that a micro-tile that is taller than the rows
// that are left reads none beyond them: {0, 8, 16, 24} with n = 2 is {0, 8, 8, 8}.
func (f *frame) padRows(offsets []int32, n int) []int32 {
	f.padded = append(f.padded[:0], offsets[:n]...)
	for len(f.padded) < len(offsets) {
		f.padded = append(f.padded, offsets[n-1])
	}
	return f.padded
}
