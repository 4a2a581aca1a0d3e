package cpu

import (
	"slices"
	"sync"
)

// This file has the memory that the programs of one engine share. What a program needs while it runs it takes and gives back. What
// it has derived from its parameters, packed kernels above all, it leaves behind for its next run, but another program that runs in
// the meantime may take that memory; then it is derived again.

// pool is that memory. It comes with whatever it was left with.
type pool struct {
	mutex sync.Mutex
	free  [][]float32
	idle  []*derived // of programs that do not run now
}

// derived is what a program's prologue computed from its parameters.
type derived struct {
	memory []float32
	batch  int  // it is for this number of images; 0: nothing has been computed
	keep   bool // it is not for others to take
}

// take gives an arena of n floats or more: the smallest that is free, or a new one in place of the largest.
func (p *pool) take(n int) []float32 {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	slices.SortFunc(p.free, func(a, b []float32) int { return len(a) - len(b) })
	for i, memory := range p.free {
		if len(memory) >= n {
			p.free = slices.Delete(p.free, i, i+1)
			return memory
		}
	}
	if last := len(p.free) - 1; last >= 0 {
		release(p.free[last])
		p.free = slices.Delete(p.free, last, last+1)
	}
	return floats(n)
}

func (p *pool) give(memory []float32) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.free = append(p.free, memory[:cap(memory)])
}

// open takes d into use, and sees to it that it has n floats: its own if they are still there, or those of another program, the
// smallest that will do, or new ones in place of the largest.
func (p *pool) open(d *derived, n int) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if i := slices.Index(p.idle, d); i >= 0 {
		p.idle = slices.Delete(p.idle, i, i+1)
	}
	if d.memory != nil {
		return
	}
	slices.SortFunc(p.idle, func(a, b *derived) int { return len(a.memory) - len(b.memory) })
	for i, other := range p.idle {
		fits := len(other.memory) >= n
		if !fits && i < len(p.idle)-1 {
			continue
		}
		if fits {
			d.memory = other.memory
		} else {
			release(other.memory)
		}
		other.memory, other.batch = nil, 0
		p.idle = slices.Delete(p.idle, i, i+1)
		break
	}
	if d.memory == nil {
		d.memory = floats(n)
	}
}

// close leaves d to its program's next run, or to another program.
func (p *pool) close(d *derived) {
	if d.keep {
		return
	}
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.idle = append(p.idle, d)
}

// floats makes an arena.
func floats(n int) []float32 {
	memory := make([]float32, n)
	advise(memory)
	return memory
}
