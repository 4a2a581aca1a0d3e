package cpu

import (
	"slices"
	"sync"
)

// This file has the memory that the programs of one engine share. A program takes arenas for its workers, lanes and epilogue when it
// starts to run, and gives them back at the end. What its prologue computed from its parameters, packed kernels above all, it leaves in
// the pool for its next run; but a program that runs in the meantime may take that memory over, and then it is computed again. In training,
//
//	chain (10 MB of packed kernels, say), loss (25 MB), chain, loss, ...
//
// the two use the same 25 MB in turn: the parameters have changed each time, so nothing of worth is lost.

// pool is that memory. What it hands out holds whatever was last written to it.
type pool struct {
	mutex       sync.Mutex
	unused      [][]float32
	reclaimable []*prologueCache // of programs that do not run now, and are not pinned
}

// prologueCache is what a program's prologue computed.
type prologueCache struct {
	memory []float32 // nil if another program has taken it
	batch  int       // the batch size it was computed for; 0: it is not valid
	pinned bool      // other programs may not take it
}

// alloc returns n floats or more: the smallest piece that will do, or a new one in place of the largest.
func (p *pool) alloc(n int) []float32 {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	slices.SortFunc(p.unused, func(a, b []float32) int { return len(a) - len(b) })
	for i, memory := range p.unused {
		if len(memory) >= n {
			p.unused = slices.Delete(p.unused, i, i+1)
			return memory
		}
	}
	if last := len(p.unused) - 1; last >= 0 {
		returnToSystem(p.unused[last])
		p.unused = slices.Delete(p.unused, last, last+1)
	}
	return newFloats(n)
}

// free takes back what alloc returned.
func (p *pool) free(memory []float32) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.unused = append(p.unused, memory[:cap(memory)])
}

// acquire keeps c from other programs until release, and sees to it that it has n floats: its own if they are still there, else those of
// a program that does not run, the smallest that will do, else new ones in place of the largest.
func (p *pool) acquire(c *prologueCache, n int) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if i := slices.Index(p.reclaimable, c); i >= 0 {
		p.reclaimable = slices.Delete(p.reclaimable, i, i+1)
	}
	if c.memory != nil {
		return
	}
	slices.SortFunc(p.reclaimable, func(a, b *prologueCache) int { return len(a.memory) - len(b.memory) })
	for i, other := range p.reclaimable {
		fits := len(other.memory) >= n
		if !fits && i < len(p.reclaimable)-1 {
			continue
		}
		if fits {
			c.memory = other.memory
		} else {
			returnToSystem(other.memory)
		}
		other.memory, other.batch = nil, 0
		p.reclaimable = slices.Delete(p.reclaimable, i, i+1)
		break
	}
	if c.memory == nil {
		c.memory = newFloats(n)
	}
}

// release leaves c to the next run of its program, or to another program that comes first.
func (p *pool) release(c *prologueCache) {
	if c.pinned {
		return
	}
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.reclaimable = append(p.reclaimable, c)
}

// newFloats is memory from the system.
func newFloats(n int) []float32 {
	memory := make([]float32, n)
	adviseHugePages(memory)
	return memory
}
