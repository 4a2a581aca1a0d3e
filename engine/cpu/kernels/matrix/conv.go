package matrix

// This file runs convolutions. The images are split into two planes of bf16 numbers with a border of zeros. There, for each tap, the
// rows of the left operand lie at a constant distance, as the unit wants them:
//
//   - a wide image on its own: a tile's rows are pixels beside each other, and three taps of a row of the kernel lie one after the
//     other, so they are one sum of three times the channels;
//   - narrow images interleaved, pixel by pixel: a tile's rows are the same pixels of several images.

// Weights is the kernel of a convolution of stride 1: 3×3 with a border of zeros (Taps = 9) or 1×1 (Taps = 1).
type Weights struct {
	Inputs, Outputs, Taps int
	Parts                 Parts
	Wide                  bool // whether the images are: see IsWide
}

// IsWide says whether images of that width are taken one by one.
func IsWide(width int) bool { return width >= tileSide }

// segments is how many parts the inner sum has, and the length of each.
func (w Weights) segments() (count, length int) {
	if w.Wide && w.Taps == 9 {
		return 3, 3 * w.Inputs
	}
	return w.Taps, w.Inputs
}

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
	height, width int
	pixel         int          // bf16 numbers of a pixel
	together      int          // images that are interleaved, at most
	direct        bool         // whether results are written where they belong at once
	lists         []blockLists // by the number of images together, less one
	starts        [][]int32    // of the segments, the same way
}

// NewConv plans the convolution of up to images images of height×width.
func NewConv(w Weights, height, width, images int) *Conv {
	w.Wide = IsWide(width)
	c := &Conv{Weights: w, height: height, width: width, together: images, pixel: roundUp(w.Inputs, stepDepth)}
	if w.Wide {
		c.together, c.pixel, c.direct = 1, w.Inputs, w.Outputs%tileSide == 0
	}
	for n := range c.together {
		c.lists, c.starts = append(c.lists, c.blocks(n+1)), append(c.starts, c.offsets(n+1))
	}
	return c
}

// index is the place of a pixel among those of interleaved images; -1 and width or height are the border, of which the right side
// of a row is the left side of the next.
func (c *Conv) index(y, x, image, together int) int { return ((y+1)*(c.width+1)+x+1)*together + image }

// offsets are where the segments begin, seen from a pixel.
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
		offsets = append(offsets, int32((y*(c.width+1)+x)*together*c.pixel))
	}
	return offsets
}

// blocks covers all pixels of so many images. Results that are not written directly go to rows placed as the operand's are.
func (c *Conv) blocks(together int) (l blockLists) {
	outputs, row := c.PackedOutputs(), c.width*together
	first := c.index(0, 0, 0, together)
	if all := c.index(c.height-1, c.width, 0, together) - first; !c.direct && roundUp(all, tileSide) < c.height*roundUp(row, tileSide) {
		l.add(all, first*c.pixel, c.pixel, 0, outputs) // few pixels a row: the border between them costs less than half-empty tiles
		return l
	}
	for y := range c.height {
		from := c.index(y, 0, 0, together)
		to := (from - first) * outputs
		if c.direct {
			to = y * c.width * outputs
		}
		l.add(row, from*c.pixel, c.pixel, to, outputs)
	}
	return l
}

// plane is the size of a plane: the pixels with their border, and as many behind them as a block and a step may run over; whole
// cache lines.
func (c *Conv) plane(together int) int {
	return roundUp((c.index(c.height, c.width, 0, together)+together+tileSide)*c.pixel+stepDepth, stepDepth)
}

// results is the size of results that are not written directly.
func (c *Conv) results(together int) int {
	if c.direct {
		return 0
	}
	return (c.index(c.height-1, c.width, 0, together) - c.index(0, 0, 0, together) + tileSide) * c.PackedOutputs()
}

// ScratchFloats is the size of the memory that Run needs beside its arguments, in float32 numbers.
func (c *Conv) ScratchFloats() int {
	return int(c.Parts)*c.plane(c.together)/2 + c.results(c.together)
}

// Run convolves images: y is images×height×width×Outputs, x the same with Inputs, bias PackedOutputs long or nil.
func (c *Conv) Run(u *Unit, y, x []float32, images int, packed, bias, scratch []float32) {
	for first := 0; first < images; first += c.together {
		n := min(c.together, images-first)
		size := c.height * c.width
		x, y := x[first*size*c.Inputs:], y[first*size*c.Outputs:]
		plane := c.plane(n)
		out := y
		memory := int(c.Parts) * plane / 2
		if !c.direct {
			out = scratch[memory:][:c.results(n)]
		}
		a := words(scratch[:memory])
		c.fill(u, a, plane, x, n)
		u.multiply(c.Parts, c.PackedOutputs(), out, c.PackedOutputs(), bias, 0, a, plane, c.pixel, c.lists[n-1],
			c.starts[n-1], c.steps(), words(packed))
		if !c.direct {
			c.collect(y, out, n)
		}
	}
}

// fill splits images and draws the border.
func (c *Conv) fill(u *Unit, a []uint16, plane int, x []float32, together int) {
	for part := range int(c.Parts) {
		a := a[part*plane:][:plane]
		clear(a[:c.index(0, 0, 0, together)*c.pixel])
		for y := range c.height - 1 {
			clear(a[c.index(y, c.width, 0, together)*c.pixel:][:together*c.pixel])
		}
		clear(a[c.index(c.height-1, c.width, 0, together)*c.pixel:])
	}
	parts := func(at, n int) (hi, lo []uint16) {
		if hi = a[at:][:n]; c.Parts == Split {
			lo = a[at+plane:][:n]
		}
		return hi, lo
	}
	if c.Wide {
		row := c.width * c.Inputs
		for y := range c.height {
			hi, lo := parts(c.index(y, 0, 0, 1)*c.pixel, row)
			u.split(hi, lo, x[y*row:][:row])
		}
		return
	}
	for image := range together {
		for y := range c.height {
			for px := range c.width {
				hi, lo := parts(c.index(y, px, image, together)*c.pixel, c.pixel)
				clear(hi[c.Inputs:])
				if lo != nil {
					clear(lo[c.Inputs:])
				}
				u.split(hi, lo, x[((image*c.height+y)*c.width+px)*c.Inputs:][:c.Inputs])
			}
		}
	}
}

// collect puts results where they belong.
func (c *Conv) collect(y, out []float32, together int) {
	first, outputs := c.index(0, 0, 0, together), c.PackedOutputs()
	for image := range together {
		for py := range c.height {
			for px := range c.width {
				from := out[(c.index(py, px, image, together)-first)*outputs:]
				copy(y[((image*c.height+py)*c.width+px)*c.Outputs:][:c.Outputs], from)
			}
		}
	}
}
