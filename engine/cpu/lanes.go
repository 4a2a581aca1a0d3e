package cpu

import (
	"context"
	"sync"
	"sync/atomic"
)

// This file adds up sums over the batch, lane by lane: ((lane 0 + lane 1) + lane 2) + ..., whichever is finished first.

// laneCount is the number of partial sums over the batch. It must not depend on the number of threads.
const laneCount = 4

// lanes are the pieces of a run: partial sums over the batch, or tiles if nothing is summed. There is memory for one sum more than
// there are workers: each can go on while the sum of the lanes before is kept.
type lanes struct {
	program *program
	count   int
	memory  [][]float32
	free    chan []float32 // nil if nothing is summed

	started atomic.Int64
	mutex   sync.Mutex
	done    [laneCount][]float32 // finished, but not yet added
	added   int                  // lanes that are in the sum
	sum     []float32
}

func (p *program) newLanes(count int, sums bool) *lanes {
	l := &lanes{program: p, count: count}
	if !sums {
		return l
	}
	l.free = make(chan []float32, l.count)
	for range min(l.count, p.threads+1) {
		memory := p.memory.take(p.arenaSize[inLanes])
		l.memory = append(l.memory, memory)
		l.free <- memory[:p.arenaSize[inLanes]]
	}
	return l
}

// begin gives a worker its next lane; false if there is none left. A worker has memory before it has a lane, so that the lane that the
// sum waits for never waits for memory.
func (l *lanes) begin(ctx context.Context, f *frame) (lane int, ok bool) {
	if l.free != nil {
		select {
		case f.mem[inLanes] = <-l.free:
		case <-ctx.Done():
			return 0, false
		}
	}
	if lane = int(l.started.Add(1)) - 1; lane >= l.count {
		return 0, false
	}
	clear(f.mem[inLanes])
	return lane, true
}

// end adds a worker's lane to the sum, now or when its turn comes.
func (l *lanes) end(lane int, f *frame) {
	if l.free == nil {
		return
	}
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.done[lane] = f.mem[inLanes]
	for ; l.added < l.count && l.done[l.added] != nil; l.added++ {
		memory := l.done[l.added]
		if l.added == 0 {
			l.sum = memory
			continue
		}
		l.program.kernels.Add(l.sum, l.sum, memory)
		l.free <- memory
	}
	if l.added == l.count { // nobody needs to wait any more
		close(l.free)
	}
}

// close gives back the memory of the lanes, except for that of their sum.
func (l *lanes) close() (sum []float32) {
	for _, memory := range l.memory {
		if l.sum == nil || &memory[0] != &l.sum[0] {
			l.program.memory.give(memory)
		}
	}
	return l.sum
}
