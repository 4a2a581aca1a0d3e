package cpu

import (
	"slices"

	"github.com/joule-ebm/joule/expr"
)

// This file gives every value that lives in memory its place in an arena. Places are reused as soon as a value has had its last
// user, and a loop writes over an operand where it can.

type space uint16

const (
	nowhere space = iota // lives in a loop's registers, or is a constant
	inPrologue
	inBody  // one per worker: the values of a tile, image after image
	inLanes // one per lane: sums over the batch
	inEpilogue
	spaces // from here on each parameter is a space of its own: the caller's memory
)

type place struct {
	space  space
	offset int
}

// spare floats follow every value: the pixel of zeros that stands for a convolution's padding, and what a micro-tile may read
// beyond the last channel.
func spare(n *node) int { return max(n.shape[2], 64) }

// arena hands out intervals of a growing memory.
type arena struct {
	size int
	free []interval // by offset, never touching
}

type interval struct{ from, to int }

func (a *arena) take(n int) int {
	n = (n + 15) &^ 15
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
	if last := len(a.free) - 1; last >= 0 && a.free[last].to == a.size { // grow the last gap
		at = a.free[last].from
		a.free = a.free[:last]
	}
	a.size = at + n
	return at
}

func (a *arena) give(at, n int) {
	n = (n + 15) &^ 15
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

// inMemory says whether anything outside its loop needs the node.
func (p *program) inMemory(n *node) bool {
	if n.op == expr.OpConst {
		return !n.onlyReadByLoops() || slices.Contains(p.graph.outputs, n)
	}
	if n.op.Leaf() || !n.fusible() || n.isReduction() || slices.Contains(p.graph.outputs, n) {
		return true
	}
	return slices.ContainsFunc(n.users, func(u *node) bool { return u.unit != n.unit })
}

func (n *node) onlyReadByLoops() bool {
	return !slices.ContainsFunc(n.users, func(u *node) bool { return !u.fusible() })
}

// placeValues lays out the arenas.
func (p *program) placeValues() {
	for i, n := range p.params {
		n.place = place{space: spaces + space(i)}
	}
	var arenas [spaces]arena
	images := [spaces]int{inPrologue: 1, inBody: p.tile, inLanes: 1, inEpilogue: 1}
	home := func(n *node) space {
		switch {
		case n.phase == body:
			return inBody
		case n.phase == prologue:
			return inPrologue
		case n.batchReduction():
			return inLanes
		}
		return inEpilogue
	}
	footprint := func(n *node) int { return images[home(n)]*n.shape.Size() + spare(n) }
	put := func(n *node) {
		if n.into != nil {
			n.place = n.into.place
			return
		}
		n.place = place{home(n), arenas[home(n)].take(footprint(n))}
	}

	// What must live to the end: leaves (a chain reads them again), sums over the batch, what a later phase reads, and outputs. Only
	// those of the epilogue are handed over as soon as they are known.
	const forever = int(^uint(0) >> 1)
	lastUse := map[*node]int{}
	for i := len(p.graph.nodes) - 1; i >= 0; i-- { // users first, so that a view prolongs the life of what it views
		n := p.graph.nodes[i]
		last := 0
		if n.unit != nil {
			last = n.unit.index
		}
		for _, u := range n.users {
			switch {
			case u.unit.phase() != n.phase:
				last = forever
			case u.alias:
				last = max(last, lastUse[u])
			default:
				last = max(last, u.unit.index)
			}
		}
		if n.op.Leaf() || n.batchReduction() || slices.Contains(p.graph.outputs, n) && n.unit.phase() != epilogue {
			last = forever
		}
		lastUse[n] = last
	}
	for _, n := range p.graph.nodes {
		if n.op.Leaf() && n.op != expr.OpParam && p.inMemory(n) || n.batchReduction() && n.into == nil {
			put(n)
		}
	}
	for _, n := range p.graph.nodes {
		if n.into != nil {
			put(n)
		}
	}
	for _, units := range p.phases {
		expire := make([][]*node, len(units))
		for i, u := range units {
			for _, n := range u.nodes {
				switch {
				case n.alias:
					root := n.in[0]
					n.place = place{root.place.space, root.place.offset + n.attr.N[0]*n.shape[2]}
				case n.op.Leaf() || n.batchReduction() || !p.inMemory(n):
				default:
					if at := slices.IndexFunc(expire[i], func(m *node) bool { return u.overwrites(m, n) }); at >= 0 {
						n.place = expire[i][at].place
						expire[i] = slices.Delete(expire[i], at, at+1)
					} else {
						put(n)
					}
					if last := lastUse[n]; last != forever {
						expire[last] = append(expire[last], n)
					}
				}
			}
			for _, n := range expire[i] {
				arenas[n.place.space].give(n.place.offset, footprint(n))
			}
		}
	}
	for s := range arenas {
		p.arenaSize[s] = arenas[s].size + 64
	}
}

// overwrites says whether a loop may write its result n over its operand m, which nothing needs afterwards: memory that has been read
// is written faster than other memory, and less of it is in use.
func (u *unit) overwrites(m, n *node) bool {
	return u.loop() && m.unit != u && m.kind == n.kind && m.shape == n.shape && !m.alias && !n.isReduction() &&
		u.code.lastRead(m) <= u.code.firstWrite(n)
}

func (u *unit) phase() phase {
	if u.nodes[0].batchReduction() {
		return body
	}
	return u.nodes[0].phase
}

// stride is the distance from one image's value to the next one's; shared values stay where they are.
func (n *node) stride() int {
	switch {
	case n.kind == expr.Shared:
		return 0
	case n.alias:
		return n.in[0].shape.Size()
	}
	return n.shape.Size()
}
