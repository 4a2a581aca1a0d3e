package cpu

import (
	"context"
	"sync"
	"sync/atomic"
)

// This file adds up over the batch, in an order that depends neither on the number of threads nor on that of processes.
//
// A lane is a partial sum. Lane l adds up the tiles l, l + lanes, l + 2·lanes, ... in that order, because one worker has a lane from its
// first tile to its last. The lanes are then added in order, in at most eight blocks of neighbours: those of a block first, then the
// blocks. With tiles 0 to 9 and four lanes, which are blocks of one, the sum is always
//
//	(((t0 + t4 + t8) + (t1 + t5 + t9)) + (t2 + t6)) + (t3 + t7)
//
// and with 16 lanes l0 to l15, which are blocks of two,
//
//	((l0 + l1) + (l2 + l3)) + (l4 + l5) + ... + (l14 + l15)
//
// Lanes are for the cores of one process, blocks for several processes: one that has all lanes of a block sends one sum for them.

// DefaultLanes is the usual number of partial sums over the batch.
const DefaultLanes = 4

// mostBlocks is the number of sums that lanes are added to before these are added to each other.
const mostBlocks = 8

// segmentFloats is the length of the pieces that finished lanes are added in, by different workers at the same time.
const segmentFloats = 1 << 16

// lanes hands out the lanes of one process in a run, and adds them up. Without sums over the batch the lanes are single tiles and there
// is no memory. With sums there is memory for as many lanes as there are workers, and for the sums so far: each worker can go on while
// they are kept.
type lanes struct {
	program *program
	share   share
	alone   bool            // all lanes are this process's, and come to one sum; otherwise to one for each of the share's terms
	memory  [][]float32     // all there is, to be given back
	buffers chan []float32  // those no lane uses now; nil if nothing is summed
	used    chan struct{}   // closed when all lanes are handed out
	started atomic.Int64    // lanes handed out
	lanes   []lane          // by place in the share
	pieces  []segmentOfSums // what is added at a time
}

// lane is a partial sum.
type lane struct {
	memory   []float32
	finished atomic.Bool  // the memory holds all of it
	unread   atomic.Int64 // segments that are still to be added to another sum
}

// segmentOfSums is a piece of all sums.
type segmentOfSums struct {
	mutex    sync.Mutex
	from, to int // floats of a lane's memory
	next     int // the lane whose turn it is to be added
}

func (p *program) newLanes(s share) *lanes {
	l := &lanes{program: p, share: s, alone: p.processes() == 1, used: make(chan struct{}), lanes: make([]lane, s.lanes())}
	if !p.sums() {
		return l
	}
	if s.lanes() == 0 {
		close(l.used)
	}
	size := p.arenaSize[laneSpace]
	for from := 0; from < size; from += segmentFloats {
		l.pieces = append(l.pieces, segmentOfSums{from: from, to: min(from+segmentFloats, size)})
	}
	kept := len(s.terms())
	if l.alone {
		kept = min(2, s.block) // the sum, and that of a block which is more than a lane
	}
	l.buffers = make(chan []float32, s.lanes())
	for range min(s.lanes(), p.threads+kept) {
		memory := p.memory.alloc(size)
		l.memory = append(l.memory, memory)
		l.buffers <- memory[:size]
	}
	return l
}

// next gives a worker its next lane, with zeros to add to; false if there is none left or the context ends. A worker waits for memory
// before it takes a lane, so that the lane whose turn it is to be added never waits for memory: no deadlock.
func (l *lanes) next(ctx context.Context, f *frame) (place int, ok bool) {
	if l.buffers != nil {
		select {
		case f.mem[laneSpace] = <-l.buffers:
		case <-l.used:
			return 0, false
		case <-ctx.Done():
			return 0, false
		}
	}
	if place = int(l.started.Add(1)) - 1; place >= len(l.lanes) {
		return 0, false
	}
	if place == len(l.lanes)-1 {
		close(l.used)
	}
	clear(f.mem[laneSpace])
	return place, true
}

// finish takes a worker's complete lane, and adds all lanes whose turn has come. Workers that finish at the same time begin with
// different segments.
func (l *lanes) finish(place int, f *frame) {
	if l.buffers == nil {
		return
	}
	this := &l.lanes[place]
	this.memory = f.mem[laneSpace]
	this.unread.Store(int64(len(l.pieces)))
	this.finished.Store(true)
	for i := range l.pieces {
		l.addFinished(&l.pieces[(i+place*len(l.pieces)/len(l.lanes))%len(l.pieces)])
	}
}

// addFinished adds a segment of all lanes whose turn has come.
func (l *lanes) addFinished(s *segmentOfSums) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	for ; s.next < len(l.lanes) && l.lanes[s.next].finished.Load(); s.next++ {
		term, ends := l.share.termOf(s.next)
		if term != s.next {
			l.add(s, term, s.next)
		}
		if l.alone && ends && term > 0 {
			l.add(s, 0, term)
		}
	}
}

// add adds a segment of one lane's memory to another's, and gives it to the next lane when all segments are added.
func (l *lanes) add(s *segmentOfSums, to, from int) {
	sum, other := l.lanes[to].memory[s.from:s.to], &l.lanes[from]
	l.program.kernels.Add(sum, sum, other.memory[s.from:s.to])
	if other.unread.Add(-1) == 0 {
		l.buffers <- other.memory
	}
}

// terms are the sums that the lanes came to.
func (l *lanes) terms() (terms [][]float32) {
	for _, place := range l.share.terms() {
		terms = append(terms, l.lanes[place].memory)
	}
	return terms
}

// close gives back the memory of all lanes but the first, in which their sum is, and which it returns; nil if there is none.
func (l *lanes) close() (sum []float32) {
	if len(l.lanes) > 0 {
		sum = l.lanes[0].memory
	}
	for _, memory := range l.memory {
		if sum == nil || &memory[0] != &sum[0] {
			l.program.memory.free(memory)
		}
	}
	return sum
}
