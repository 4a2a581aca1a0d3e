package matrix

// This file runs kernel gradients,
//
//	k[t, i, o] = Σ_images Σ_p x[p + t, i]·dy[p, o]
//
// The unit sums along the rows of its left operand, so here that is x transposed: a row of it is one channel of all pixels, images one
// below the other with a border of zeros between them. A tap is then a distance along the rows. The right operand is dy over the same pixels,
// with zeros for the border. For one channel of two images [a b; c d] and [e f; g h] a row is
//
//	0 0 0   0 a b   0 c d   0 0 0   0 e f   0 g h   0 0 0
//
// and the tap to the right of a pixel is the next number, that below it the third.

// KernelGrad is the plan of the gradient with respect to the kernel of a convolution.
type KernelGrad struct {
	Weights
	height, width int
	perPass       int          // images summed in one pass, at most
	blocksOf      []blockLists // by the number of images of the pass, less one
}

// passPixels is the number of pixels of a pass, about: both operands of a pass should stay in the second-level cache.
const passPixels = 1024

// NewKernelGrad plans the kernel gradient of a convolution over up to images images of height×width.
func NewKernelGrad(w Weights, height, width, images int) *KernelGrad {
	g := &KernelGrad{Weights: w, height: height, width: width}
	g.perPass = min(images, max(1, passPixels/((height+1)*(width+1))))
	for n := range g.perPass {
		g.blocksOf = append(g.blocksOf, g.blocks(n+1))
	}
	return g
}

// index is the place of a pixel; the border below an image is that above the next, and the right side of a row is the left side of
// the next.
func (g *KernelGrad) index(image, y, x int) int {
	return (image*(g.height+1)+y+1)*(g.width+1) + x + 1
}

// passSteps is the number of steps over the pixels of so many images.
func (g *KernelGrad) passSteps(images int) int {
	return (g.index(images-1, g.height-1, g.width-1) - g.index(0, 0, 0) + stepDepth) / stepDepth
}

// row is the length of a row of x transposed: what the steps read for the last tap.
func (g *KernelGrad) row(images int) int {
	return roundUp(2*g.index(0, 0, 0)+g.passSteps(images)*stepDepth, stepDepth)
}

func (g *KernelGrad) inputRows() int { return roundUp(g.Inputs, tileSide) }

// whole says whether the gradient has no tiles that are partly filled.
func (g *KernelGrad) whole() bool { return g.Inputs%tileSide == 0 && g.Outputs%tileSide == 0 }

// sizes of what the scratch memory holds, in float32 numbers: both operands; sums in whole tiles, unless the gradient itself is whole; and
// staging, where a pixel's parts, or the rows of a step, are put together before they are laid out.
func (g *KernelGrad) sizes(images int) (left, right, sums, staging int) {
	parts := int(g.Parts)
	left = parts * g.inputRows() * g.row(images) / 2
	right = g.PackedOutputs() / tileSide * g.passSteps(images) * parts * tileWords / 2
	if !g.whole() {
		sums = g.Taps * g.inputRows() * g.PackedOutputs()
	}
	return left, right, sums, max((parts*g.Inputs+1)/2, tileWords)
}

// ScratchFloats is the size of the memory that Run needs beside its arguments, in float32 numbers.
func (g *KernelGrad) ScratchFloats() int {
	left, right, sums, staging := g.sizes(g.perPass)
	return left + right + sums + staging
}

// Run adds the kernel gradient, Taps×Inputs×Outputs, to sum. x is images×height×width×Inputs, dy the same with Outputs.
func (g *KernelGrad) Run(u *Unit, sum, x, dy []float32, images int, scratch []float32) {
	size := g.height * g.width
	for first := 0; first < images; first += g.perPass {
		n := min(g.perPass, images-first)
		g.pass(u, sum, x[first*size*g.Inputs:], dy[first*size*g.Outputs:], n, scratch)
	}
}

var oneSegment [1]int32 // the sum over the pixels

// pass adds the kernel gradient of so many images, at most perPass.
func (g *KernelGrad) pass(u *Unit, sum, x, dy []float32, images int, scratch []float32) {
	leftSize, rightSize, sumsSize, stagingSize := g.sizes(images)
	left, scratch := words(scratch[:leftSize]), scratch[leftSize:]
	right, scratch := words(scratch[:rightSize]), scratch[rightSize:]
	sums, staging := scratch[:sumsSize], scratch[sumsSize:][:stagingSize]
	steps, row, plane := g.passSteps(images), g.row(images), g.inputRows()*g.row(images)
	clear(left)
	for image := range images {
		for y := range g.height {
			for px := range g.width {
				from := x[((image*g.height+y)*g.width+px)*g.Inputs:][:g.Inputs]
				g.transpose(u, left[g.index(image, y, px):], row, plane, from, words(staging))
			}
		}
	}
	g.pack(u, right, dy, images, staging[:tileWords])
	dst, rows, columns := sum, g.Inputs, g.Outputs
	if !g.whole() {
		dst, rows, columns = sums, g.inputRows(), g.PackedOutputs()
		clear(dst)
	}
	u.multiply(g.Parts, columns, dst, columns, dst, columns, left, plane, row, g.blocksOf[images-1], oneSegment[:], steps, right)
	if g.whole() {
		return
	}
	for tap := range g.Taps {
		for i := range g.Inputs {
			to, from := sum[(tap*g.Inputs+i)*g.Outputs:][:g.Outputs], dst[(tap*rows+i)*columns:]
			for j := range to {
				to[j] += from[j]
			}
		}
	}
}

// pack lays out dy, with zeros for the border.
func (g *KernelGrad) pack(u *Unit, right []uint16, dy []float32, images int, rows []float32) {
	steps, base := g.passSteps(images), g.index(0, 0, 0)
	for panel := range g.PackedOutputs() / tileSide {
		first := panel * tileSide
		used := min(tileSide, g.Outputs-first)
		for step := range steps {
			clear(rows)
			for k := range stepDepth {
				line, px := (base+step*stepDepth+k)/(g.width+1)-1, (base+step*stepDepth+k)%(g.width+1)-1
				image, y := line/(g.height+1), line%(g.height+1)
				if px >= 0 && y < g.height && image < images {
					copy(rows[k*tileSide:][:used], dy[((image*g.height+y)*g.width+px)*g.Outputs+first:])
				}
			}
			hi, lo := g.Parts.step(right, panel, steps, step)
			u.pack(hi, lo, rows)
		}
	}
}

// transpose writes a pixel's channels to a column of x transposed.
func (g *KernelGrad) transpose(u *Unit, column []uint16, row, plane int, x []float32, pixel []uint16) {
	hi, lo := pixel[:len(x)], []uint16(nil)
	if g.Parts == Split {
		lo = pixel[len(x):][:len(x)]
	}
	u.split(hi, lo, x)
	for i, v := range hi {
		column[i*row] = v
	}
	for i, v := range lo {
		column[plane+i*row] = v
	}
}

// blocks are those of all taps and inputs: their sums start from what is there already.
func (g *KernelGrad) blocks(images int) (l blockLists) {
	rows, columns, row := g.inputRows(), g.PackedOutputs(), g.row(images)
	for tap := range g.Taps {
		shift := 0
		if g.Taps == 9 {
			shift = (tap/3-1)*(g.width+1) + tap%3 - 1
		}
		for i := 0; i < rows; i += 2 * tileSide {
			to := (tap*rows + i) * columns
			l.addBlock(min(2, (rows-i)/tileSide), g.index(0, 0, 0)+shift+i*row, to, to)
		}
	}
	return l
}
