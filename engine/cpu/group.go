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

// reduceFloats is the length of the pieces in which processes add their sums.
const reduceFloats = 1 << 19

// reduce adds the sums of all processes in the order of the lanes. Each process adds up a part of the numbers, and then all get all parts:
// of sums of 100 numbers, the second of four processes is sent the numbers 25 to 49 of the others' sums, and sends what these and its own
// come to to all. That is less to send, and to add, than if each process were sent all sums.
func (p *program) reduce(batch int, own [][]float32, sum []float32) error {
	size, rank := p.group.Size(), p.group.Rank()
	shares, received := make([]share, size), 0 // sums
	for r := range shares {
		shares[r] = p.shareOf(r, batch)
		if r != rank {
			received += len(shares[r].terms())
		}
	}
	part := ceilDiv(min(len(sum), reduceFloats), size)
	out, in := make([]float32, 0, len(own)*part*(size-1)), make([]float32, received*part)
	to, from, parts := make([]int, size), make([]int, size), make([]int, size) // bytes
	terms := make([][][]float32, size)                                         // of each process, the numbers that this one adds up
	for at := 0; at < len(sum); at += part * size {
		bounds := func(r int) (int, int) { return min(at+r*part, len(sum)), min(at+(r+1)*part, len(sum)) }
		first, last := bounds(rank)
		out = out[:0]
		in := in[:received*(last-first)]
		left := in
		for r := range size {
			a, b := bounds(r)
			parts[r] = 4 * (b - a)
			terms[r] = terms[r][:0]
			if r == rank {
				for _, term := range own {
					terms[r] = append(terms[r], term[a:b])
				}
				continue
			}
			for _, term := range own {
				out = append(out, term[a:b]...)
			}
			for range shares[r].terms() {
				terms[r], left = append(terms[r], left[:last-first]), left[last-first:]
			}
			to[r], from[r] = parts[r]*len(own), 4*(last-first)*len(terms[r])
		}
		if err := p.group.Exchange(bytesOf(in), from, bytesOf(out), to); err != nil {
			return err
		}
		copy(sum[first:last], p.addTerms(shares, terms))
		if err := p.group.Gather(bytesOf(sum[at:min(at+part*size, len(sum))]), parts); err != nil {
			return err
		}
	}
	return nil
}

// addTerms adds the same numbers of each process's sums as lanes.addFinished does where one process has all: those of a block first. The
// result lies where the first of them did.
func (p *program) addTerms(shares []share, terms [][][]float32) (sum []float32) {
	var block []float32
	endBlock := func() {
		if sum == nil {
			sum = block
		} else {
			p.kernels.Add(sum, sum, block)
		}
	}
	for r, s := range shares {
		for i, place := range s.terms() {
			if lane := s.from + place; lane%s.block != 0 {
				p.kernels.Add(block, block, terms[r][i])
				continue
			}
			if block != nil {
				endBlock()
			}
			block = terms[r][i]
		}
	}
	endBlock()
	return sum
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
