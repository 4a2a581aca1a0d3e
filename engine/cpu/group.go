package cpu

import (
	"unsafe"

	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/expr"
)

// This file has processes complete each other's results: sums over the batch, and images.

// complete gives what the processes have computed to all of them. It closes the lanes.
func (p *program) complete(l *lanes, call engine.Call) (sum []float32, err error) {
	if p.sums() {
		if len(l.lanes) == 0 {
			l.memory = append(l.memory, p.memory.alloc(p.arenaSize[laneSpace]))
			l.lanes = []lane{{memory: l.memory[0][:p.arenaSize[laneSpace]]}}
		}
		err = p.reduce(call.Batch, l.terms(), l.lanes[0].memory)
	}
	if sum = l.close(); err != nil {
		return sum, err
	}
	return sum, p.gather(call)
}

// reduceFloats is the length of the pieces in which sums go from process to process: they stay in a cache.
const reduceFloats = 1 << 18

// reduce adds the sums of all processes in the order of the lanes, piece by piece. A process adds its own to what those before it came to,
// and sends that to the next one; from the last, which has the sum, it goes round to the others. Three pieces of three processes:
//
//	step  rank 0          rank 1          rank 2
//	0     adds a, to 1
//	1     adds b, to 1    adds a, to 2
//	2     adds c, to 1    adds b, to 2    adds a, sum a to 0
//	3     sum a to 1      adds c, to 2    adds b, sum b to 0
//	4     sum b to 1                      adds c, sum c to 0
//	5     sum c to 1
//
// So a process sends two sums at most, however many lanes and processes there are.
func (p *program) reduce(batch int, own [][]float32, sum []float32) error {
	size, rank := p.group.Size(), p.group.Rank()
	here, last := p.shareOf(rank, batch), size-1
	pieces := ceilDiv(len(sum), reduceFloats)
	piece := func(k int) span { // of no numbers where there is none
		return span{min(max(k, 0), pieces) * reduceFloats, min(max(k+1, 0)*reduceFloats, len(sum))}
	}
	to, from := make([]int, size), make([]int, size) // bytes
	out, in := make([]float32, 0, 3*reduceFloats), make([]float32, 3*reduceFloats)
	mine := make([][]float32, len(own))
	var before partial // what the ranks before this one came to, of the piece whose turn it is
	for step := range pieces + 2*size - 3 {
		out = out[:0]
		if k := piece(step - rank); k.from < k.to {
			for i, term := range own {
				mine[i] = term[k.from:k.to]
			}
			after := p.addTerms(here, before, mine)
			if out = append(append(out, after.sum...), after.block...); rank == last {
				copy(sum[k.from:k.to], after.sum)
			}
		}
		if k := piece(step - size - rank); rank < last-1 && k.from < k.to {
			out = append(out, sum[k.from:k.to]...)
		}

		var received, finished span
		if rank > 0 {
			received = piece(step - rank + 1)
		}
		if rank < last {
			finished = piece(step - last - rank)
		}
		n, left := max(0, received.to-received.from), in
		take := func(n int) (taken []float32) {
			taken, left = left[:n:n], left[n:]
			return taken
		}
		before = partial{}
		if here.from >= here.block {
			before.sum = take(n)
		}
		if here.from%here.block != 0 {
			before.block = take(n)
		}
		end := take(max(0, finished.to-finished.from))
		to[(rank+1)%size], from[(rank+last)%size] = 4*len(out), 4*(len(in)-len(left))
		if err := p.group.Exchange(bytesOf(in[:len(in)-len(left)]), from, bytesOf(out), to); err != nil {
			return err
		}
		copy(sum[min(finished.from, len(sum)):], end)
	}
	return nil
}

// partial is what the first so many lanes come to: the sum of the whole blocks, and that of the lanes of a block that goes on; empty where
// there are none.
type partial struct{ sum, block []float32 }

// addTerms adds the sums of a process to what those before it came to, in the order of lanes.addFinished where one process has all: the lanes
// of a block first. The result lies in memory of its operands.
func (p *program) addTerms(s share, so partial, terms [][]float32) partial {
	add := func(sum, v []float32) []float32 {
		if len(sum) == 0 {
			return v
		}
		p.kernels.Add(sum, sum, v)
		return sum
	}
	for i, place := range s.terms() {
		lane := s.from + place
		so.block = add(so.block, terms[i])
		end := min(lane-lane%s.block+s.block, s.count) // of the lane's block
		last := lane + 1                               // that the term has
		if lane%s.block == 0 {
			last = min(end, s.to)
		}
		if last == end {
			so.sum, so.block = add(so.sum, so.block), nil
		}
	}
	return so
}

// gather completes the sample outputs that are wanted by what the other processes have computed.
func (p *program) gather(call engine.Call) error {
	var sizes []int
	var outputs [][]float32
	perImage := 0
	for i, n := range p.graph.outputs {
		if n.kind == expr.Sample && call.Outputs[i] != nil {
			sizes, outputs, perImage = append(sizes, n.shape.Size()), append(outputs, call.Outputs[i]), perImage+n.shape.Size()
		}
	}
	if perImage == 0 {
		return nil
	}
	size, rank := p.group.Size(), p.group.Rank()
	all, counts := make([]float32, 0, call.Batch*perImage), make([]int, size)
	values := func(r int) (list [][]float32) { // of that rank, in the order in which they are sent
		for _, images := range p.shareOf(r, call.Batch).spans(p.sums()) {
			for i, out := range outputs {
				list = append(list, out[images.from*sizes[i]:images.to*sizes[i]])
			}
		}
		return list
	}
	for r := range size {
		before := len(all)
		for _, v := range values(r) {
			all = append(all, v...) // the other ranks' are to be overwritten
		}
		counts[r] = 4 * (len(all) - before)
	}
	if err := p.group.Gather(bytesOf(all), counts); err != nil {
		return err
	}
	for r := range size {
		for _, v := range values(r) {
			if r != rank {
				copy(v, all)
			}
			all = all[len(v):]
		}
	}
	return nil
}

// bytesOf is the memory of numbers.
func bytesOf(v []float32) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(v))), 4*len(v))
}
