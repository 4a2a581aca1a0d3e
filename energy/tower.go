package energy

// This file builds what networks.go lists. A tower is the network of one scale: it halves the image so many times, then
//
//	h = swish(conv(x)), then its blocks in turn, then the head.

import (
	"fmt"

	"github.com/joule-ebm/joule/expr"
)

// network is a named list of towers.
type network struct {
	Network
	towers []tower
}

// tower is the network of one scale.
type tower struct {
	prefix    string // of its parameters' names
	halvings  int    // of the image
	halfWidth bool   // half as many channels in the first layer
	blocks    []block
}

// block is a step of a tower.
type block struct {
	name string
	kind blockKind
}

type blockKind uint8

const (
	plain     blockKind = iota // a residual block
	down                       // a residual block, then half the resolution
	downWiden                  // a residual block, then half the resolution and twice the channels
	attention                  // self-attention
	pool                       // half the resolution
)

func (b blockKind) residual() bool { return b == plain || b == down || b == downWiden }

// used lists the towers and blocks that the options leave.
func (n network) used(o Options) []tower {
	towers := n.towers
	if !o.MultiScale {
		towers = towers[len(towers)-1:]
	}
	var used []tower
	for _, t := range towers {
		blocks := t.blocks
		t.blocks = nil
		for _, b := range blocks {
			if b.kind != attention || o.Attention {
				t.blocks = append(t.blocks, b)
			}
		}
		used = append(used, t)
	}
	return used
}

func (t tower) energy(p *Params, x, label *expr.Value, o Options) *expr.Value {
	for range t.halvings {
		x = expr.Pool(x)
	}
	h := expr.Swish(Conv(p, t.prefix+"conv1", x, t.width(o.Filters), PlainKernel), 0)
	for _, b := range t.blocks {
		h = b.apply(p, t.prefix+b.name, h, label, o)
	}
	return Head(p, t.prefix+"energy_map", h)
}

// width is the number of channels that the first layer makes.
func (t tower) width(filters int) int {
	if t.halfWidth {
		return filters / 2
	}
	return filters
}

func (b block) apply(p *Params, name string, h, label *expr.Value, o Options) *expr.Value {
	if b.kind.residual() {
		h = Residual(p, name, h, label, o.Norm, o.Kernel)
	}
	c := h.Shape()[2]
	switch b.kind {
	case down:
		return Down(p, name, h, c)
	case downWiden:
		return Down(p, name, h, 2*c)
	case attention:
		return Attention(p, name, h)
	case pool:
		return expr.Pool(h)
	}
	return h
}

// check follows the image and the channels through the tower and says where they become too small.
func (t tower) check(o Options) error {
	if t.halfWidth && o.Filters%2 != 0 {
		return fmt.Errorf("the number of filters must be even, got %d", o.Filters)
	}
	h, w, c := o.Image[0], o.Image[1], t.width(o.Filters)
	halve := func() { h, w = (h+1)/2, (w+1)/2 }
	for range t.halvings {
		halve()
	}
	for _, b := range t.blocks {
		if groups := o.Norm.groups(c); b.kind.residual() && groups > 0 {
			switch {
			case c%groups != 0:
				return fmt.Errorf("%s%s has %d channels, which group normalisation cannot divide into %d groups: choose a multiple of %d filters",
					t.prefix, b.name, c, groups, groups)
			case h*w*c == groups:
				return fmt.Errorf("%s%s sees one pixel, of which normalisation leaves nothing: use larger images than %d×%d, or another norm",
					t.prefix, b.name, o.Image[0], o.Image[1])
			}
		}
		switch b.kind {
		case down, pool:
			halve()
		case downWiden:
			halve()
			c *= 2
		case attention:
			if c < keyShare {
				return fmt.Errorf("%s%s has %d channels, attention needs %d or more: choose more filters", t.prefix, b.name, c, keyShare)
			}
		}
	}
	return nil
}
