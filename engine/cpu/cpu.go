// Package cpu compiles expr programs for the processor's cores and runs them, in float32.
//
// # Phases
//
// A program has three. The prologue computes what depends on parameters alone, after a Bind: standardised, normalised, packed kernels. The
// body computes sample values: each worker takes a tile of a few images through the whole body, and through all steps of a chain, without
// meeting another worker; its intermediate values live in one small arena. The epilogue computes what depends on sums over the batch, once.
//
// # Determinism
//
// Results have the same bits for any number of threads and of processes. Noise is a function of seed, leaf, image and step. Sums over the
// batch are accumulated in a fixed number of lanes, each of fixed tiles, and the lanes are added in order (lanes.go). Nothing that a result
// depends on is decided by the number of workers or by which of them took which tile. Results do differ, within rounding, between kinds of
// kernels (AVX-512, AVX2, portable), and sums over the batch between sizes of tiles and numbers of lanes.
//
// # From an expression to instructions
//
// Compile makes these passes, in this order; each is described where it is.
//
//	lower.go          operations of expr become nodes: common subexpressions once, an algorithm for each convolution
//	bias.go           a bias joins its convolution
//	affine.go         scales and shifts per channel, as of normalisation, are folded together
//	accumulate.go     sums over the batch that are added later share one accumulator
//	rematerialise.go  cheap values are computed again rather than kept
//	fuse.go           pointwise operations become loops
//	schedule.go       an order of execution that keeps little alive
//	loopcode.go       the loops, as code for a small vector machine (loop.go)
//	arena.go          liveness, and an address in an arena for each value
//	instruction.go    an instruction for each loop and for each node that is none
//
// Then worker.go, share.go, lanes.go, run.go, group.go and memorypool.go run the program.
package cpu

import (
	"cmp"
	"fmt"
	"runtime"

	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/expr"
	"github.com/joule-ebm/joule/internal/kernels"
	"github.com/joule-ebm/joule/internal/kernels/matrix"
)

// Engine compiles programs for this machine's cores. The zero value uses all of them with the best kernels they can run. Its programs share
// memory, and may run at the same time.
type Engine struct {
	// Threads is the number of workers; 0 means one per available core.
	Threads int
	// Kernels are the inner loops; nil means kernels.Best().
	Kernels *kernels.Set
	// TileImages is the number of images a worker takes through the program at a time; 0 means as many as suit the caches.
	TileImages int
	// Lanes is the number of partial sums that sums over the batch are made of: so many workers, of all processes together, can compute them
	// at a time, and half as many share them evenly. The results depend on it in their last bits, the memory does not. 0 means
	// DefaultLanes.
	Lanes int
	// Group are the processes that share out the images of each run; nil means that this one computes all of them.
	Group engine.Group
	// Precision is that of the convolutions' products. Where the machine has no matrix unit, Split and BF16 are slower than Float32.
	Precision engine.Precision
	// Profile, if not nil, is told of every piece of work. It is called by all workers.
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

// Compile implements engine.Engine. A sample value that depends on a sum over the batch is refused: it takes a second program.
func (e *Engine) Compile(outputs ...*expr.Value) (engine.Program, error) {
	if err := e.Precision.Check(); err != nil {
		return nil, fmt.Errorf("cpu: %w", err)
	}
	if e.Precision == engine.TF32 {
		return nil, fmt.Errorf("cpu: precision %s is for GPUs: want auto, float32, split or bf16", e.Precision)
	}
	return e.compile(partsOf(Resolve(e.Precision)), outputs...)
}

// maxArenaFloats is the size of a worker's arena above which tiles are made smaller. The loss of a large network, which keeps much more
// alive than a step of its chain, took no longer with smaller arenas down to this, and longer below.
const maxArenaFloats = 10 << 20

// compile lowers and plans, again with fewer images to a tile if the arena that comes out is too large: if a tile of 8 takes 25M floats,
// the next attempt is a tile of 8·10/25 = 3.
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
		p := &program{graph: g, kernels: set, threads: e.threads(), tile: g.tile, laneCount: cmp.Or(max(e.Lanes, 0), DefaultLanes), group: e.Group,
			profile: e.Profile, memory: &e.memory}
		if err := p.plan(); err != nil {
			return nil, err
		}
		if tile = g.tile * maxArenaFloats / p.arenaSize[bodySpace]; tile >= g.tile || g.tile == 1 || e.TileImages > 0 {
			return p, nil
		}
		tile = max(tile, 1)
	}
}
