// Package forward runs convolutional networks forwards, image by image, on the kernels of the CPU engine: what feature networks
// need, and nothing that training does. Kernels of any size, stride and padding are tables of offsets for the engine's gather-GEMM
//
//	y[p, o] = bias[o] + Σ_t Σ_i x[place(p, t), i]·w[t, i, o]
//
// with a pixel of zeros behind every image for the padding. Images are channels last. Branches of a network that are to be joined
// write their channels into one image side by side, so that joining costs nothing.
package forward

import (
	"fmt"
	"math"

	"github.com/joule-ebm/joule/internal/kernels"
)

// An Image is a value between layers: H·W pixels of C channels, and behind them one pixel of zeros.
type Image struct {
	H, W, C int
	Data    []float32
}

// Pixels are the values without the pixel of zeros.
func (x Image) Pixels() []float32 { return x.Data[:x.H*x.W*x.C] }

// Memory holds the images of one pass. It is for one goroutine at a time.
type Memory struct {
	block   []float32
	used    int
	total   int // of the pass so far, beyond the block too
	scratch []float32
}

// Reset frees all images.
func (m *Memory) Reset() {
	if m.total > len(m.block) {
		m.block = make([]float32, m.total)
	}
	m.used, m.total = 0, 0
}

// Image is a new one, its values undefined.
func (m *Memory) Image(h, w, c int) Image {
	n := (h*w + 1) * c
	m.total += n
	var data []float32
	if len(m.block)-m.used >= n {
		data = m.block[m.used:][:n:n]
		m.used += n
	} else {
		data = make([]float32, n) // the first pass, which finds out how much is needed
	}
	clear(data[n-c:])
	return Image{h, w, c, data}
}

// Geometry says which pixels a kernel sees.
type Geometry struct {
	Height, Width       int // of the kernel
	Stride              int
	PadHeight, PadWidth int // on each side
}

// Square is a kernel of side×side.
func Square(side, stride, pad int) Geometry { return Geometry{side, side, stride, pad, pad} }

// Of is the size of the result for an image of h by w pixels; 0 where the kernel does not fit.
func (g Geometry) Of(h, w int) (int, int) {
	return max(h+2*g.PadHeight-g.Height+g.Stride, 0) / g.Stride, max(w+2*g.PadWidth-g.Width+g.Stride, 0) / g.Stride
}

// visit calls fn for every pixel of the result and tap of the kernel, taps innermost, with the place of the pixel seen, or -1 in
// the padding.
func (g Geometry) visit(h, w int, fn func(p, tap, place int)) {
	oh, ow := g.Of(h, w)
	for p := range oh * ow {
		for t := range g.Height * g.Width {
			y := p/ow*g.Stride + t/g.Width - g.PadHeight
			x := p%ow*g.Stride + t%g.Width - g.PadWidth
			place := -1
			if y >= 0 && y < h && x >= 0 && x < w {
				place = y*w + x
			}
			fn(p, t, place)
		}
	}
}

// Tables keeps what depends on geometry alone, so that layers share it.
type Tables struct {
	set  *kernels.Set
	conv map[tableKey][]int32
	pool map[tableKey][]int32
}

type tableKey struct {
	g          Geometry
	h, w, c, r int
}

// NewTables makes tables for a set of kernels.
func NewTables(set *kernels.Set) *Tables {
	return &Tables{set, map[tableKey][]int32{}, map[tableKey][]int32{}}
}

// offsets are those of ConvTile: block of pixels, tap, pixel of the block.
func (t *Tables) offsets(g Geometry, h, w, c, rows int) []int32 {
	key := tableKey{g, h, w, c, rows}
	if table, ok := t.conv[key]; ok {
		return table
	}
	oh, ow := g.Of(h, w)
	taps := g.Height * g.Width
	zeros := int32(h * w * c)
	table := make([]int32, (oh*ow+rows-1)/rows*rows*taps)
	for i := range table {
		table[i] = zeros
	}
	g.visit(h, w, func(p, tap, place int) {
		if place >= 0 {
			table[p/rows*rows*taps+tap*rows+p%rows] = int32(place * c)
		}
	})
	t.conv[key] = table
	return table
}

// places are the pixels that each pixel of a pool sees, -1 in the padding.
func (t *Tables) places(g Geometry, h, w int) []int32 {
	key := tableKey{g: g, h: h, w: w}
	if table, ok := t.pool[key]; ok {
		return table
	}
	var table []int32
	g.visit(h, w, func(_, _, place int) { table = append(table, int32(place)) })
	t.pool[key] = table
	return table
}

// A Conv is a convolution, and max(·, 0) of its result if Positive, for images of one size.
type Conv struct {
	Positive bool

	geometry            Geometry
	h, w, inputs        int
	outH, outW, outputs int
	tile                kernels.ConvTile
	set                 *kernels.Set
	offsets             []int32
	packed, bias        []float32
}

// NewConv makes a convolution from weights [outputs, inputs, height, width] and a bias, nil for none, of images of h by w pixels.
func NewConv(t *Tables, g Geometry, h, w, inputs, outputs int, weights, bias []float32) (*Conv, error) {
	c := &Conv{geometry: g, h: h, w: w, inputs: inputs, outputs: outputs, set: t.set}
	taps := g.Height * g.Width
	if c.outH, c.outW = g.Of(h, w); c.outH < 1 || c.outW < 1 {
		return nil, fmt.Errorf("forward: a kernel of %dx%d does not fit images of %dx%d", g.Height, g.Width, h, w)
	}
	if len(weights) != outputs*inputs*taps || bias != nil && len(bias) != outputs {
		return nil, fmt.Errorf("forward: %d weights and %d biases for %d outputs of %d inputs and %d taps", len(weights), len(bias), outputs, inputs, taps)
	}
	c.tile = t.set.Conv[0] // the tile that wastes the fewest outputs, the widest of those
	for _, tile := range t.set.Conv[1:] {
		if roundUp(outputs, tile.Cols) < roundUp(outputs, c.tile.Cols) {
			c.tile = tile
		}
	}
	c.offsets = t.offsets(g, h, w, inputs, c.tile.Rows)
	width := roundUp(outputs, c.tile.Cols)
	c.bias = make([]float32, width)
	copy(c.bias, bias)
	c.packed = make([]float32, width*inputs*taps)
	for o := range outputs {
		panel := c.packed[o/c.tile.Cols*c.tile.Cols*inputs*taps:]
		for i := range inputs {
			for tap := range taps {
				panel[(tap*inputs+i)*c.tile.Cols+o%c.tile.Cols] = weights[(o*inputs+i)*taps+tap]
			}
		}
	}
	return c, nil
}

func roundUp(n, to int) int { return (n + to - 1) / to * to }

// Run computes the convolution of x into an image of its own.
func (c *Conv) Run(m *Memory, x Image) Image {
	y := m.Image(c.outH, c.outW, c.outputs)
	c.RunInto(m, x, y, 0)
	return y
}

// RunInto computes the convolution of x into channels first to first+outputs-1 of y.
func (c *Conv) RunInto(m *Memory, x, y Image, first int) {
	taps, rows, cols := c.geometry.Height*c.geometry.Width, c.tile.Rows, c.tile.Cols
	if len(m.scratch) < rows*cols {
		m.scratch = make([]float32, rows*cols)
	}
	block, pixels := m.scratch[:rows*cols], c.outH*c.outW
	for j := 0; j < c.outputs; j += cols {
		w, bias := c.packed[j*taps*c.inputs:][:cols*taps*c.inputs], c.bias[j:][:cols]
		used := min(cols, c.outputs-j)
		p := 0
		if whole := pixels / rows; used == cols {
			c.tile.Run(y.Data[first+j:], y.C, x.Data, c.offsets, whole, taps, c.inputs, w, bias)
			p = whole * rows
		}
		for ; p < pixels; p += rows {
			c.tile.Run(block, cols, x.Data, c.offsets[p*taps:][:rows*taps], 1, taps, c.inputs, w, bias)
			for r := range min(rows, pixels-p) {
				copy(y.Data[(p+r)*y.C+first+j:][:used], block[r*cols:])
			}
		}
	}
	if !c.Positive {
		return
	}
	infinity := float32(math.Inf(1))
	if y.C == c.outputs {
		c.set.Clamp(y.Pixels(), y.Pixels(), 0, infinity)
		return
	}
	for p := range pixels {
		pixel := y.Data[p*y.C+first:][:c.outputs]
		c.set.Clamp(pixel, pixel, 0, infinity)
	}
}

// A Pool takes the largest value, or the mean, of what a kernel sees, channel by channel; the padding does not count.
type Pool struct {
	mean       bool
	taps       int
	outH, outW int
	places     []int32
}

// NewPool makes a pool of images of h by w pixels.
func NewPool(t *Tables, g Geometry, h, w int, mean bool) (*Pool, error) {
	p := &Pool{mean: mean, taps: g.Height * g.Width}
	if p.outH, p.outW = g.Of(h, w); p.outH < 1 || p.outW < 1 || g.PadHeight >= g.Height || g.PadWidth >= g.Width {
		return nil, fmt.Errorf("forward: a pool of %dx%d does not fit images of %dx%d", g.Height, g.Width, h, w)
	}
	p.places = t.places(g, h, w)
	return p, nil
}

// Run pools x into an image of its own.
func (p *Pool) Run(m *Memory, x Image) Image {
	y := m.Image(p.outH, p.outW, x.C)
	p.RunInto(m, x, y, 0)
	return y
}

// RunInto pools x into channels first to first+x.C-1 of y.
func (p *Pool) RunInto(_ *Memory, x, y Image, first int) {
	for at := range p.outH * p.outW {
		dst, seen := y.Data[at*y.C+first:][:x.C], 0
		for _, place := range p.places[at*p.taps:][:p.taps] {
			if place < 0 {
				continue
			}
			src := x.Data[int(place)*x.C:][:len(dst)]
			switch {
			case seen == 0:
				copy(dst, src)
			case p.mean:
				for c, v := range src {
					dst[c] += v
				}
			default:
				for c, v := range src {
					if v > dst[c] {
						dst[c] = v
					}
				}
			}
			seen++
		}
		if p.mean {
			scale := 1 / float32(seen)
			for c := range dst {
				dst[c] *= scale
			}
		}
	}
}

// Means are the means of x's channels over its pixels.
func Means(set *kernels.Set, x Image) []float32 {
	mean := make([]float32, x.C)
	set.ChannelSum(mean, x.Pixels())
	scale := 1 / float32(x.H*x.W)
	for c := range mean {
		mean[c] *= scale
	}
	return mean
}
