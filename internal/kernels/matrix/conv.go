package matrix

// This file runs convolutions of images in parts.

// Weights is the kernel of a convolution of stride 1: 3×3 with a border of zeros (Taps = 9) or 1×1 (Taps = 1).
type Weights struct {
	Inputs, Outputs, Taps int
	Parts                 Parts
	Wide                  bool // whether the images are: see IsWide
}

// segments is how many parts the inner sum over taps and inputs has, and the length of each: numbers of the left operand that lie one after
// the other. Of a 3×3 kernel over I inputs, in wide images, they are three of 3·I, the rows of the neighbourhood; in narrow ones, whose
// pixels are interleaved with those of other images, nine of I.
func (w Weights) segments() (count, length int) {
	if w.Wide && w.Taps == 9 {
		return 3, 3 * w.Inputs
	}
	return w.Taps, w.Inputs
}

// steps is the number of steps of a segment: its length in pieces of 32, the last filled up with zeros.
func (w Weights) steps() int {
	_, length := w.segments()
	return (length + stepDepth - 1) / stepDepth
}

// PackedOutputs is the number of outputs with those that fill the last tile: the length of a bias.
func (w Weights) PackedOutputs() int { return roundUp(w.Outputs, tileSide) }

// PackedFloats is the size of packed weights, in float32 numbers.
func (w Weights) PackedFloats() int {
	count, _ := w.segments()
	return w.PackedOutputs() / tileSide * count * w.steps() * int(w.Parts) * tileWords / 2
}

// Pack lays out a kernel of Taps×Inputs×Outputs, or, flipped, one of Taps×Outputs×Inputs whose taps are taken in reverse.
func (w Weights) Pack(u *Unit, packed, kernel []float32, flipped bool) {
	count, length := w.segments()
	var rows [tileWords]float32
	for panel := range w.PackedOutputs() / tileSide {
		first := panel * tileSide
		used := min(tileSide, w.Outputs-first)
		for step := range count * w.steps() {
			clear(rows[:])
			segment, from := step/w.steps(), step%w.steps()*stepDepth
			for k, end := 0, min(stepDepth, length-from); k < end; {
				tap, input := segment*(length/w.Inputs)+(from+k)/w.Inputs, (from+k)%w.Inputs
				n := min(end-k, w.Inputs-input) // as far as the tap goes
				if flipped {
					block := kernel[((w.Taps-1-tap)*w.Outputs+first)*w.Inputs:]
					for j := range used {
						for i, v := range block[j*w.Inputs+input:][:n] {
							rows[(k+i)*tileSide+j] = v
						}
					}
				} else {
					for i := range n {
						copy(rows[(k+i)*tileSide:][:used], kernel[(tap*w.Inputs+input+i)*w.Outputs+first:])
					}
				}
				k += n
			}
			hi, lo := w.Parts.step(words(packed), panel, count*w.steps(), step)
			u.pack(hi, lo, rows[:])
		}
	}
}

// Conv is the plan of a convolution for tiles of a few images.
type Conv struct {
	Weights
	Planes     Planes       // of its input
	direct     bool         // whether results are written to y at once
	blocksOf   []blockLists // by the number of images interleaved, less one
	segmentsOf [][]int32    // of the segments, the same way
}

// NewConv plans the convolution of up to images images of height×width.
func NewConv(w Weights, height, width, images int) *Conv {
	w.Wide = IsWide(width)
	c := &Conv{Weights: w, Planes: NewPlanes(w.Parts, height, width, w.Inputs), direct: w.Wide && w.Outputs%tileSide == 0}
	for n := range c.Planes.group(images) {
		c.blocksOf, c.segmentsOf = append(c.blocksOf, c.blocks(n+1)), append(c.segmentsOf, c.offsets(n+1))
	}
	return c
}

// offsets are where the segments begin, seen from a pixel: of three, a pixel to the left and one row up, the same row, one row down.
func (c *Conv) offsets(together int) (offsets []int32) {
	count, _ := c.segments()
	for s := range count {
		y, x := 0, 0
		switch count {
		case 3:
			y, x = s-1, -1
		case 9:
			y, x = s/3-1, s%3-1
		}
		offsets = append(offsets, int32((y*(c.Planes.width+1)+x)*together*c.Planes.pixel))
	}
	return offsets
}

// blocks covers all pixels of so many images with blocks of the left operand. Results that are not written directly go to scratch memory,
// placed as the operand's pixels are, the border included; copyPixels takes them from there.
func (c *Conv) blocks(together int) (l blockLists) {
	p, outputs := &c.Planes, c.PackedOutputs()
	row, first := p.width*together, p.index(0, 0, 0, together)
	if all := p.index(p.height-1, p.width, 0, together) - first; !c.direct && roundUp(all, tileSide) < p.height*roundUp(row, tileSide) {
		l.cover(all, first*p.pixel, p.pixel, 0, outputs) // few pixels a row: the border between them costs less than half-empty tiles
		return l
	}
	for y := range p.height {
		from := p.index(y, 0, 0, together)
		to := (from - first) * outputs
		if c.direct {
			to = y * p.width * outputs
		}
		l.cover(row, from*p.pixel, p.pixel, to, outputs)
	}
	return l
}

// ScratchFloats is the size of the memory that Run needs beside its arguments, in float32 numbers: that of results which are not
// written directly.
func (c *Conv) ScratchFloats() int {
	if c.direct {
		return 0
	}
	p, together := &c.Planes, len(c.blocksOf)
	return (p.index(p.height-1, p.width, 0, together) - p.index(0, 0, 0, together) + tileSide) * c.PackedOutputs()
}

// Run convolves images: y is images×height×width×Outputs, x what Planes holds of as many, bias PackedOutputs long or nil.
func (c *Conv) Run(u *Unit, y, x []float32, images int, packed, bias, scratch []float32) {
	p, together := &c.Planes, c.Planes.group(images)
	plane, size := p.plane(together), p.height*p.width*c.Outputs
	for a := words(x[:p.Floats(images)]); len(a) > 0; a = a[int(p.Parts)*plane:] {
		out := y
		if !c.direct {
			out = scratch
		}
		u.multiply(c.Parts, c.PackedOutputs(), out, c.PackedOutputs(), bias, 0, a, plane, p.pixel, c.blocksOf[together-1],
			c.segmentsOf[together-1], c.steps(), words(packed))
		if !c.direct {
			c.copyPixels(y, out, together)
		}
		y = y[together*size:]
	}
}

// copyPixels copies results from scratch memory to y, without the border.
func (c *Conv) copyPixels(y, out []float32, together int) {
	p, outputs := &c.Planes, c.PackedOutputs()
	first := p.index(0, 0, 0, together)
	for image := range together {
		for py := range p.height {
			for px := range p.width {
				from := out[(p.index(py, px, image, together)-first)*outputs:]
				copy(y[((image*p.height+py)*p.width+px)*c.Outputs:][:c.Outputs], from)
			}
		}
	}
}
