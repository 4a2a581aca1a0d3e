package cpu

import (
	"context"
	"sync"
	"sync/atomic"
)

// This file adds up over the batch, in an order that does not depend on the number of threads.
//
// A lane is a partial sum. Lane l adds up the tiles l, l + lanes, l + 2·lanes, ... in that order, and the lanes are added in order:
// with tiles 0 to 9 and four lanes the sum is always
//
//	(((t0 + t4 + t8) + (t1 + t5 + t9)) + (t2 + t6)) + (t3 + t7)
//
// because one worker has a lane from its first tile to its last, and a lane that is finished before its turn waits to be added. One
// worker computes the four lanes one after the other, two workers two at a time, and so on; more than four have nothing to do.

// laneCount is the number of partial sums over the batch. It must not depend on the number of threads.
const laneCount = 4

// lanes hands out the lanes of a run, and keeps their sum. Without sums over the batch the lanes are single tiles and there is no memory.
// With sums there is memory for one more lane than there are workers: each can go on while the sum of the lanes so far is kept.
type lanes struct {
	program *program
	count   int
	memory  [][]float32    // all there is, to be given back
	buffers chan []float32 // those no lane uses now; nil if nothing is summed

	started  atomic.Int64 // lanes handed out
	mutex    sync.Mutex
	finished [laneCount][]float32 // lanes that are complete, but not yet added
	added    int                  // lanes that are in the sum: 0 to added-1
	sum      []float32
}

func (p *program) newLanes(count int, sums bool) *lanes {
	l := &lanes{program: p, count: count}
	if !sums {
		return l
	}
	l.buffers = make(chan []float32, l.count)
	for range min(l.count, p.threads+1) {
		memory := p.memory.alloc(p.arenaSize[laneSpace])
		l.memory = append(l.memory, memory)
		l.buffers <- memory[:p.arenaSize[laneSpace]]
	}
	return l
}

// next gives a worker its next lane, with zeros to add to; false if there is none left or the context ends. A worker waits for memory
// before it takes a lane, so that the lane whose turn it is to be added never waits for memory: no deadlock.
func (l *lanes) next(ctx context.Context, f *frame) (lane int, ok bool) {
	if l.buffers != nil {
		select {
		case f.mem[laneSpace] = <-l.buffers:
		case <-ctx.Done():
			return 0, false
		}
	}
	if lane = int(l.started.Add(1)) - 1; lane >= l.count {
		return 0, false
	}
	clear(f.mem[laneSpace])
	return lane, true
}

// finish takes a worker's complete lane, and adds to the sum all lanes whose turn has come.
func (l *lanes) finish(lane int, f *frame) {
	if l.buffers == nil {
		return
	}
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.finished[lane] = f.mem[laneSpace]
	for ; l.added < l.count && l.finished[l.added] != nil; l.added++ {
		memory := l.finished[l.added]
		if l.added == 0 {
			l.sum = memory
			continue
		}
		l.program.kernels.Add(l.sum, l.sum, memory)
		l.buffers <- memory
	}
	if l.added == l.count { // workers that wait for a buffer may stop
		close(l.buffers)
	}
}

// close gives back the memory of all lanes but that of their sum, which it returns.
func (l *lanes) close() (sum []float32) {
	for _, memory := range l.memory {
		if l.sum == nil || &memory[0] != &l.sum[0] {
			l.program.memory.free(memory)
		}
	}
	return l.sum
}
