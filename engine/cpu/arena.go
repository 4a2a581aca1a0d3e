package cpu

import (
	"math"
	"slices"

	"github.com/joule-ebm/joule/expr"
)

// This file allocates memory: every value that is not merely passed along within a loop gets an address in an arena. It is done once, when
// a program is compiled, by liveness: a value is alive from the group that computes it to the last that reads it, and its memory is reused
// after that.
//
//	group  computes  reads      arena
//	0      a                    a
//	1      b         a          a b
//	2      c         b          c b       a was read last by group 1
//	3      d         b, c       d b       a loop may write d over c, element by element: see canOverwrite
//
// Free memory is found by best fit.

// space is a memory with addresses of its own: one of four arenas, or, from arenaCount on, the caller's memory of a parameter.
type space uint16

const (
	noSpace       space = iota // not in memory: it lives in a loop's registers, or is a constant
	prologueSpace              // the program's: what depends on parameters alone; see memorypool.go
	bodySpace                  // one per worker: the values of a tile, image after image
	laneSpace                  // one per lane: sums over the batch
	epilogueSpace              // the program's: what depends on those sums
	arenaCount                 // arenaCount + i is the i-th parameter
)

// address is where a value lies: in a body of several images, the first of them.
type address struct {
	space  space
	offset int // floats
}

// tailFloats follow every value: the pixel of zeros that stands for a convolution's padding, and what a micro-tile may read beyond the
// last channel.
func tailFloats(n *node) int { return max(n.shape[2], 64) }

// arena hands out intervals of a memory that grows as needed, in multiples of 16 floats: a cache line.
type arena struct {
	size int
	free []interval // by offset; never next to each other
}

type interval struct{ from, to int }

// alloc returns the offset of n floats: in the smallest interval that is large enough, or at the end.
func (a *arena) alloc(n int) int {
	n = roundUp(n, 16)
	best := -1
	for i, f := range a.free {
		if f.to-f.from >= n && (best < 0 || f.to-f.from < a.free[best].to-a.free[best].from) {
			best = i
		}
	}
	if best >= 0 {
		at := a.free[best].from
		a.free[best].from += n
		if a.free[best].from == a.free[best].to {
			a.free = slices.Delete(a.free, best, best+1)
		}
		return at
	}
	at := a.size
	if last := len(a.free) - 1; last >= 0 && a.free[last].to == a.size { // grow the last interval
		at = a.free[last].from
		a.free = a.free[:last]
	}
	a.size = at + n
	return at
}

// release takes back the n floats at an offset, and joins them with free neighbours.
func (a *arena) release(at, n int) {
	n = roundUp(n, 16)
	i, _ := slices.BinarySearchFunc(a.free, at, func(f interval, at int) int { return f.from - at })
	a.free = slices.Insert(a.free, i, interval{at, at + n})
	if i+1 < len(a.free) && a.free[i].to == a.free[i+1].from {
		a.free[i].to = a.free[i+1].to
		a.free = slices.Delete(a.free, i+1, i+2)
	}
	if i > 0 && a.free[i-1].to == a.free[i].from {
		a.free[i-1].to = a.free[i].to
		a.free = slices.Delete(a.free, i, i+1)
	}
}

// needsMemory says whether anything outside its loop reads the node.
func (p *program) needsMemory(n *node) bool {
	if n.op == expr.OpConst {
		return !n.onlyReadByLoops() || slices.Contains(p.graph.outputs, n)
	}
	if n.op.Leaf() || !n.fusible() || n.isReduction() || slices.Contains(p.graph.outputs, n) {
		return true
	}
	return slices.ContainsFunc(n.users, func(u *node) bool { return u.group != n.group })
}

func (n *node) onlyReadByLoops() bool {
	return !slices.ContainsFunc(n.users, func(u *node) bool { return !u.fusible() })
}

// space is the arena that the node's value belongs to.
func (n *node) space() space {
	switch {
	case n.phase == body:
		return bodySpace
	case n.phase == prologue:
		return prologueSpace
	case n.isBatchReduction():
		return laneSpace
	}
	return epilogueSpace
}

// forever is the last use of a value whose memory is never reused.
const forever = math.MaxInt

// lastUses tells the group of its phase that reads each value last, by index. Alive to the end are leaves (a chain reads them again on its
// next step), sums over the batch, what a later phase reads, and outputs, except those of the epilogue: they are handed over as soon as
// they are known.
func (p *program) lastUses() map[*node]int {
	lastUse := map[*node]int{}
	for _, n := range slices.Backward(p.graph.nodes) { // users first, so that a view prolongs the life of what it views
		last := 0
		if n.group != nil {
			last = n.group.index
		}
		for _, u := range n.users {
			switch {
			case u.group.phase() != n.phase:
				last = forever
			case u.view:
				last = max(last, lastUse[u])
			default:
				last = max(last, u.group.index)
			}
		}
		if n.op.Leaf() || n.isBatchReduction() || slices.Contains(p.graph.outputs, n) && n.group.phase() != epilogue {
			last = forever
		}
		lastUse[n] = last
	}
	return lastUse
}

// assignAddresses lays out the arenas: first what lives forever, then, group by group, what each computes.
func (p *program) assignAddresses() {
	l := layout{program: p, lastUse: p.lastUses()}
	for i, n := range p.params {
		n.address = address{space: arenaCount + space(i)}
	}
	for _, n := range p.graph.nodes {
		if n.op.Leaf() && n.op != expr.OpParam && p.needsMemory(n) || n.isBatchReduction() && n.sumInto == nil {
			l.place(n)
		}
	}
	for _, n := range p.graph.nodes {
		if n.sumInto != nil {
			n.address = n.sumInto.address
		}
	}
	for _, groups := range p.phases {
		l.phase(groups)
	}
	for s := range l.arenas {
		p.arenaSize[s] = l.arenas[s].size + 64
	}
}

// layout is the state of assigning addresses.
type layout struct {
	program *program
	arenas  [arenaCount]arena
	lastUse map[*node]int
}

// footprint is the memory of a value: a tile of images in the body, one elsewhere, and the tail.
func (l *layout) footprint(n *node) int {
	images := 1
	if n.space() == bodySpace {
		images = l.program.tile
	}
	return images*n.shape.Size() + tailFloats(n)
}

func (l *layout) place(n *node) {
	n.address = address{n.space(), l.arenas[n.space()].alloc(l.footprint(n))}
}

// phase gives addresses to what the groups of a phase compute, in order, and frees after each what it was the last to read.
func (l *layout) phase(groups []*group) {
	expire := make([][]*node, len(groups)) // by the group that uses them last
	for i, g := range groups {
		for _, n := range g.nodes {
			switch {
			case n.view:
				viewed := n.in[0]
				n.address = address{viewed.address.space, viewed.address.offset + n.attr.N[0]*n.shape[2]}
			case n.op.Leaf() || n.isBatchReduction() || !l.program.needsMemory(n): // has its address, or needs none
			default:
				if at := slices.IndexFunc(expire[i], func(m *node) bool { return g.canOverwrite(m, n) }); at >= 0 {
					n.address = expire[i][at].address
					expire[i] = slices.Delete(expire[i], at, at+1)
				} else {
					l.place(n)
				}
				if last := l.lastUse[n]; last != forever {
					expire[last] = append(expire[last], n)
				}
			}
		}
		for _, n := range expire[i] {
			l.arenas[n.address.space].release(n.address.offset, l.footprint(n))
		}
	}
}

// canOverwrite says whether a loop may write its result n in place of its operand m, which nothing reads afterwards: memory that has just
// been read is written faster than other memory, and less of it is in use. Within an element, m must be read before n is written.
func (g *group) canOverwrite(m, n *node) bool {
	viewed := slices.ContainsFunc(m.users, func(u *node) bool { return u.view }) // the loop may read the views
	return g.isLoop() && m.group != g && m.kind == n.kind && m.shape == n.shape && !m.view && !viewed && !n.isReduction() &&
		g.loop.lastRead(m) <= g.loop.firstWrite(n)
}
