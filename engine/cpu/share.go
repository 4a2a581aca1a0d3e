package cpu

import (
	"iter"
	"slices"
)

// This file says which images of a batch a process computes, and which sums.
//
// Where nothing is summed over the batch, a process has neighbouring images: of 10 images three processes have 0-2, 3-5 and 6-9. Where
// there are sums it has neighbouring lanes and their tiles: of four lanes three processes have 0, 1 and 2-3.

// share is what one process computes of a batch. Tiles are numbered from the first of its images on.
type share struct {
	first, last int // the images, in tiles of so many
	images      int
	count       int // lanes of all processes
	from, to    int // those of this one
	block       int // lanes of a block
}

// shareOf is the share of a process. That of another differs in the sizes of tiles that are not summed, which do not matter there.
func (p *program) shareOf(rank, batch int) share {
	size := p.processes()
	if !p.sums() {
		s := share{first: batch * rank / size, last: batch * (rank + 1) / size, block: 1}
		if s.first == s.last {
			return s
		}
		s.images = balancedTile(s.last-s.first, p.tile, p.threads)
		s.count = ceilDiv(s.last-s.first, s.images) // every tile is a lane of its own
		s.to = s.count
		return s
	}
	// The order of sums depends on the tiles, so these must not depend on the number of workers: they are made for half as many as there
	// are lanes.
	s := share{last: batch, images: balancedTile(batch, p.tile, max(1, p.laneCount/2))}
	s.count = min(p.laneCount, ceilDiv(batch, s.images))
	s.block = ceilDiv(s.count, mostBlocks)
	s.from, s.to = s.count*rank/size, s.count*(rank+1)/size
	return s
}

// balancedTile is the number of images of a tile, at most so many, that gives all workers about as much to do: 20 images in tiles of up to
// 8 are three tiles, which two workers cannot share evenly; four tiles of 5 they can.
func balancedTile(batch, most, workers int) int {
	return ceilDiv(batch, min(batch, roundUp(ceilDiv(batch, most), workers)))
}

// sums says whether the program sums over the batch.
func (p *program) sums() bool { return p.arenaSize[laneSpace] > 64 }

// processes is the number of those that compute together.
func (p *program) processes() int {
	if p.group == nil {
		return 1
	}
	return p.group.Size()
}

func (p *program) rank() int {
	if p.group == nil {
		return 0
	}
	return p.group.Rank()
}

// lanes is the number of this process's.
func (s share) lanes() int { return s.to - s.from }

// span is images of the batch: from, and up to but not including to.
type span struct{ from, to int }

// tiles are the images of the lane at a place in the share, a tile at a time, in order.
func (s share) tiles(place int) iter.Seq[span] {
	return func(yield func(span) bool) {
		for from := s.first + (s.from+place)*s.images; from < s.last; from += s.count * s.images {
			if !yield(span{from, min(from+s.images, s.last)}) {
				return
			}
		}
	}
}

// spans are all images of the share, in the order of its tiles where there are sums.
func (s share) spans(sums bool) (all []span) {
	if !sums {
		return []span{{s.first, s.last}}
	}
	for place := range s.lanes() {
		all = slices.AppendSeq(all, s.tiles(place))
	}
	return all
}

// termOf is the lane that the one at a place is added to: the first of its block, or itself, if that is another process's. The first of
// a block is itself. Both are places in the share. Ends says whether the lane is the last of its block.
func (s share) termOf(place int) (term int, ends bool) {
	lane := s.from + place
	if term = lane - lane%s.block - s.from; term < 0 {
		term = place
	}
	return term, (lane+1)%s.block == 0 || lane == s.count-1
}

// terms are the places of the lanes that are not added to another before all processes' lanes are.
func (s share) terms() (places []int) {
	for place := range s.lanes() {
		if term, _ := s.termOf(place); term == place {
			places = append(places, place)
		}
	}
	return places
}
