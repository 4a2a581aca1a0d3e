// Package cpu compiles expr programs for the processor's cores and runs them.
//
// A program has three phases. The prologue computes what depends on parameters alone, after a Bind. The body computes sample
// values: each worker takes a tile of a few images through the whole body, and through all steps of a chain, without meeting
// another worker; its intermediate values live in one small arena. Sums over the batch are accumulated in a fixed number of lanes
// and added in lane order. The epilogue computes what depends on those sums. Nothing a result depends on is decided by the number
// of workers or by which of them took which tile, so results are bit-identical for any number of threads.
//
// The way of an expression: lower.go (few, shared, engine-level operations), again.go (cheap ones repeated), schedule.go (fusing
// pointwise operations into loops; an order), memory.go (places in the arenas), then loop.go, conv.go, winograd.go and image.go (the
// instructions), run.go (tiles), lanes.go (sums over the batch), pool.go (memory that programs share).
package cpu

import (
	"fmt"
	"runtime"

	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/expr"
	"github.com/joule-ebm/joule/internal/kernels"
	"github.com/joule-ebm/joule/internal/kernels/matrix"
)

// Engine compiles programs for this machine's cores. The zero value uses all of them with the best kernels they can run.
type Engine struct {
	// Threads is the number of workers; 0 means one per available core.
	Threads int
	// Kernels are the inner loops; nil means kernels.Best().
	Kernels *kernels.Set
	// TileImages is the number of images a worker takes through the program at a time; 0 means as many as suit the caches.
	TileImages int
	// Precision is that of the convolutions' products. Where the machine has no matrix unit, Split and BF16 are slower than Float32.
	Precision engine.Precision
	// Profile, if not nil, is told of every piece of work on images. It is called by all workers.
	Profile func(Work)

	memory pool
}

var _ engine.Engine = (*Engine)(nil)

func (e *Engine) threads() int {
	if e.Threads > 0 {
		return e.Threads
	}
	return runtime.GOMAXPROCS(0)
}

// mostArena is the size of a worker's arena above which tiles become smaller, in floats. The loss of a large network, which keeps much
// more alive than a step of its chain, took no longer with smaller arenas down to this, and longer below.
const mostArena = 10 << 20

// Compile prepares a program.
func (e *Engine) Compile(outputs ...*expr.Value) (engine.Program, error) {
	if err := e.Precision.Check(); err != nil {
		return nil, fmt.Errorf("cpu: %w", err)
	}
	return e.compile(parts(Resolve(e.Precision)), outputs...)
}

func (e *Engine) compile(parts matrix.Parts, outputs ...*expr.Value) (engine.Program, error) {
	set := e.Kernels
	if set == nil {
		set = kernels.Best()
	}
	for tile := e.TileImages; ; {
		g, err := lower(outputs, set, tile, parts)
		if err != nil {
			return nil, err
		}
		p := &program{graph: g, kernels: set, threads: e.threads(), tile: g.tile, profile: e.Profile, memory: &e.memory}
		p.plan()
		if tile = g.tile * mostArena / p.arenaSize[inBody]; tile >= g.tile || g.tile == 1 || e.TileImages > 0 {
			return p, nil
		}
		tile = max(tile, 1) // the loss of a large network keeps more alive than a step of its chain
	}
}
