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
// of sums of 100 numbers, the second of four processes is sent the numbers 25 to 49 of all sums, and sends what these come to to all.
// That is less to send, and to add, than if each process were sent all sums.
func (p *program) reduce(batch int, own [][]float32, sum []float32) error {
	size, rank := p.group.Size(), p.group.Rank()
	shares, terms := make([]share, size), 0
	for r := range shares {
		shares[r] = p.shareOf(r, batch)
		terms += len(shares[r].terms())
	}
	part := ceilDiv(min(len(sum), reduceFloats), size)
	out, in := make([]float32, 0, len(own)*part*size), make([]float32, terms*part)
	to, from, parts := make([]int, size), make([]int, size), make([]int, size) // bytes
	for at := 0; at < len(sum); at += part * size {
		bounds := func(r int) (int, int) { return min(at+r*part, len(sum)), min(at+(r+1)*part, len(sum)) }
		first, last := bounds(rank)
		out = out[:0]
		for r := range size {
			a, b := bounds(r)
			parts[r], to[r], from[r] = 4*(b-a), 4*(b-a)*len(own), 4*(last-first)*len(shares[r].terms())
			for _, term := range own {
				out = append(out, term[a:b]...)
			}
		}
		in := in[:terms*(last-first)]
		if err := p.group.Exchange(bytesOf(in), from, bytesOf(out), to); err != nil {
			return err
		}
		p.addTerms(sum[first:last], shares, in)
		if err := p.group.Gather(bytesOf(sum[at:min(at+part*size, len(sum))]), parts); err != nil {
			return err
		}
	}
	return nil
}

// addTerms adds the same numbers of each process's sums as lanes.addFinished does where one process has all: those of a block first.
func (p *program) addTerms(sum []float32, shares []share, terms []float32) {
	var block []float32
	blocks := 0
	endBlock := func() {
		if blocks++; blocks == 1 {
			copy(sum, block)
		} else {
			p.kernels.Add(sum, sum, block)
		}
	}
	for _, s := range shares {
		for _, place := range s.terms() {
			term := terms[:len(sum)]
			terms = terms[len(sum):]
			if lane := s.from + place; lane%s.block != 0 {
				p.kernels.Add(block, block, term)
				continue
			}
			if block != nil {
				endBlock()
			}
			block = term
		}
	}
	endBlock()
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
