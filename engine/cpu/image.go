package cpu

import (
	"fmt"
	"math"

	"github.com/joule-ebm/joule/engine/rng"
	"github.com/joule-ebm/joule/expr"
)

// This file holds the instructions that are neither loops nor matrix kernels. Most take little time.

// instruction computes one unit for the images of a tile.
type instruction struct {
	run     func(f *frame)
	scratch int // floats of scratch memory it needs
}

// instruction translates a unit.
func (p *program) instruction(u *unit) instruction {
	n := u.nodes[0]
	if u.loop() {
		return instruction{u.code.run, u.code.scratch()}
	}
	if in, ok := p.partsInstruction(n); ok {
		return in
	}
	switch n.op {
	case opRow, opShared:
		return instruction{run: func(*frame) {}}
	case opMoments:
		return instruction{moments(n), 2 * n.shape[2]}
	case opPack:
		return instruction{run: pack(n)}
	case opPackWinograd:
		return instruction{packWinograd(n, p.winograd(int(n.attr.X[0])), p.threads), n.in[0].shape.Size()}
	case opPackThin:
		return instruction{run: packThin(n)}
	case opPackBias:
		return instruction{run: packBias(n)}
	case expr.OpConv:
		if m := n.attr.N[1]; m > 0 {
			c := p.newWinogradConv(n, p.winograd(m))
			return instruction{c.run, c.scratch()}
		}
		if n.in[1].op == opPackThin {
			c := p.newThinConv(n)
			return instruction{c.run, c.scratch()}
		}
		c := p.newConv(n)
		return instruction{c.run, c.scratch()}
	case expr.OpConvKernel:
		if w := chooseWinogradGrad(p.kernels, p.tile, n.in[0].shape, n.in[1].shape, n.shape[0]); w != nil {
			g := p.newWinogradGrad(n, w)
			return instruction{g.run, g.scratch()}
		}
		g := p.newKernelGrad(n)
		return instruction{g.run, g.scratch()}
	case expr.OpMatMul:
		m := p.newMatMul(n)
		return instruction{m.run, m.scratch()}
	case expr.OpPool:
		return instruction{run: p.pool(n, n.in[0].shape, poolTaps(n.in[0].shape))}
	case expr.OpUnpool:
		return instruction{run: p.pool(n, n.in[0].shape, unpoolTaps(n.shape))}
	case expr.OpSoftmax:
		return instruction{run: func(f *frame) {
			size := f.images * n.shape.Size()
			f.kernels.Softmax(f.tileOf(n)[:size], f.tileOf(n.in[0])[:size], n.shape[2])
		}}
	case expr.OpBatchSum:
		return instruction{run: func(f *frame) {
			sum := f.at(n, 0, n.shape.Size())
			for image := range f.images {
				f.kernels.Add(sum, sum, f.at(n.in[0], image, len(sum)))
			}
		}}
	case expr.OpGaussian, expr.OpUniform:
		return instruction{run: noise(n)}
	case expr.OpNearest:
		return instruction{run: nearest(n)}
	case expr.OpSingular:
		return instruction{run: perImage(n, singular)}
	case expr.OpSum:
		return instruction{run: perImage(n, sumAxes)}
	case expr.OpBroadcast, expr.OpSpread:
		return instruction{run: perImage(n, broadcast)}
	case expr.OpGroupSum:
		return instruction{run: perImage(n, groupSum)}
	case expr.OpSlice:
		return instruction{run: perImage(n, func(n *node, dst, src []float32) {
			from, in, out := n.attr.N[0], n.in[0].shape[2], n.shape[2]
			for p := range len(dst) / out {
				copy(dst[p*out:][:out], src[p*in+from:])
			}
		})}
	case expr.OpEmbed:
		return instruction{run: perImage(n, func(n *node, dst, src []float32) {
			at, in, out := n.attr.N[0], n.in[0].shape[2], n.shape[2]
			clear(dst)
			for p := range len(dst) / out {
				copy(dst[p*out+at:], src[p*in:][:in])
			}
		})}
	case expr.OpFlip:
		return instruction{run: perImage(n, flip)}
	}
	panic(fmt.Sprintf("cpu: operation %v has no instruction", n.op)) // a new operation of expr that this engine does not know yet
}

// perImage applies a function of one input image by image.
func perImage(n *node, apply func(n *node, dst, src []float32)) func(f *frame) {
	return func(f *frame) {
		images := f.images
		if n.kind == expr.Shared {
			images = 1
		}
		for image := range images {
			apply(n, f.at(n, image, n.shape.Size()), f.at(n.in[0], image, n.in[0].shape.Size()))
		}
	}
}

// strides of a value of shape s seen as one of the larger shape: zero along the axes where it is repeated.
func strides(s expr.Shape) (out [3]int) {
	step := 1
	for axis := 2; axis >= 0; axis-- {
		if s[axis] > 1 {
			out[axis] = step
		}
		step *= s[axis]
	}
	return out
}

// walk calls visit with the flat index in a full shape and in one broadcast to it.
func walk(full, small expr.Shape, visit func(i, j int)) {
	s, i := strides(small), 0
	for a := range full[0] {
		for b := range full[1] {
			for c := range full[2] {
				visit(i, a*s[0]+b*s[1]+c*s[2])
				i++
			}
		}
	}
}

func broadcast(n *node, dst, src []float32) {
	walk(n.shape, n.in[0].shape, func(i, j int) { dst[i] = src[j] })
}

func sumAxes(n *node, dst, src []float32) {
	clear(dst)
	walk(n.in[0].shape, n.shape, func(i, j int) { dst[j] += src[i] })
}

func groupSum(n *node, dst, src []float32) {
	size := len(src) / n.attr.N[0]
	for from := 0; from < len(src); from += size {
		sum := float32(0)
		for _, x := range src[from:][:size] {
			sum += x
		}
		fill(dst[from:][:size], sum)
	}
}

func flip(n *node, dst, src []float32) {
	taps, outputs, inputs := n.shape[0], n.shape[1], n.shape[2]
	for t := range taps {
		for o := range outputs {
			for i := range inputs {
				dst[(t*outputs+o)*inputs+i] = src[((taps-1-t)*inputs+i)*outputs+o]
			}
		}
	}
}

// moments computes the mean and 1/√(variance + eps) of each channel's group. The variance of a group is the mean of its channels'
// variances plus the variance of their means.
func moments(n *node) func(f *frame) {
	x := n.in[0]
	channels, groups, eps := x.shape[2], n.attr.N[0], n.attr.X[0]
	size := channels / groups
	return func(f *frame) {
		for image := range f.images {
			out := f.at(n, image, 2*channels)
			mean, variance := out[:channels], out[channels:]
			f.kernels.Moments(mean, variance, f.at(x, image, x.shape.Size()))
			if size > 1 {
				for from := 0; from < channels; from += size {
					m, v := mean[from:][:size], variance[from:][:size]
					centre, spread := 0.0, 0.0
					for _, x := range m {
						centre += float64(x)
					}
					centre /= float64(size)
					for i, x := range m {
						d := float64(x) - centre
						spread += d*d + float64(v[i])
					}
					fill(m, float32(centre))
					fill(v, float32(spread/float64(size)))
				}
			}
			for i, v := range variance {
				variance[i] = float32(1 / math.Sqrt(float64(v)+eps))
			}
		}
	}
}

// poolTaps lists the pixels that each pooled pixel averages: 3×3 around every second pixel; -1 is the padding.
func poolTaps(from expr.Shape) (taps [][]int) {
	for y := 0; y < from[0]; y += 2 {
		for x := 0; x < from[1]; x += 2 {
			var pixels []int
			for t := range 9 {
				ny, nx := y+t/3-1, x+t%3-1
				at := -1
				if ny >= 0 && ny < from[0] && nx >= 0 && nx < from[1] {
					at = ny*from[1] + nx
				}
				pixels = append(pixels, at)
			}
			taps = append(taps, pixels)
		}
	}
	return taps
}

// unpoolTaps lists the pooled pixels that each pixel went into, at most four.
func unpoolTaps(to expr.Shape) (taps [][]int) {
	h, w := (to[0]+1)/2, (to[1]+1)/2
	for y := range to[0] {
		for x := range to[1] {
			pixels := []int{-1, -1, -1, -1}
			for t := range pixels {
				py, px := y/2+t/2, x/2+t%2
				if t/2 == 1 && y%2 == 0 || t%2 == 1 && x%2 == 0 || py >= h || px >= w {
					continue // even pixels lie in the middle of one window
				}
				pixels[t] = py*w + px
			}
			taps = append(taps, pixels)
		}
	}
	return taps
}

// pool averages the listed pixels of each image of a tile.
func (p *program) pool(n *node, from expr.Shape, taps [][]int) func(f *frame) {
	channels := from[2]
	zeros := p.tile * from.Size()
	per := len(taps[0])
	offsets := p.table(tableKey{n.op.String(), n.shape, from.Size(), 0}, func() []int32 {
		var out []int32
		for image := range p.tile {
			for _, pixels := range taps {
				for _, at := range pixels {
					if at < 0 {
						out = append(out, int32(zeros))
					} else {
						out = append(out, int32(image*from.Size()+at*channels))
					}
				}
			}
		}
		return out
	})
	return func(f *frame) {
		x := f.tileOf(n.in[0])
		clear(x[zeros:][:channels])
		y := f.tileOf(n)[:f.images*n.shape.Size()]
		f.kernels.GatherSum(y, x, offsets[:len(y)/channels*per], per, channels, 1.0/9)
	}
}

// noise draws each image's random numbers for this step of its chain.
func noise(n *node) func(f *frame) {
	label := uint64(0)
	for _, c := range []byte(n.attr.Name) {
		label = label*257 + uint64(c)
	}
	return func(f *frame) {
		for image := range f.images {
			s := rng.New(f.chain.Seed, label, f.chain.FirstImage+uint64(f.first+image), f.chain.FirstStep+uint64(f.step))
			if dst := f.at(n, image, n.shape.Size()); n.op == expr.OpGaussian {
				s.FillNormal(dst)
			} else {
				s.FillUniform(dst)
			}
		}
	}
}

// nearest copies the k-th nearest reference image. The references pass by once for all images of the tile; each image keeps the k
// nearest so far, the farthest of them last. Of references at one distance, the first is the nearer.
func nearest(n *node) func(f *frame) {
	x, refs, k := n.in[0], n.in[1], n.attr.N[0]
	size := x.shape.Size()
	type neighbour struct {
		distance float32
		index    int
	}
	return func(f *frame) {
		r := f.at(refs, 0, refs.shape.Size())
		near := make([]neighbour, f.images*k)
		for j := range refs.shape[0] {
			reference := r[j*size:][:size]
			for image := range f.images {
				d := f.kernels.SquaredDistance(f.at(x, image, size), reference)
				known := near[image*k:][:min(j, k)]
				if len(known) < k {
					known = known[:j+1]
				} else if !(d < known[k-1].distance) {
					continue
				}
				at := len(known) - 1
				for ; at > 0 && d < known[at-1].distance; at-- {
					known[at] = known[at-1]
				}
				known[at] = neighbour{d, j}
			}
		}
		for image := range f.images {
			copy(f.at(n, image, size), r[near[image*k:][:k][k-1].index*size:])
		}
	}
}

// singular finds the leading singular vectors of a kernel, read as outputs × (taps·inputs), by power iteration in float64.
func singular(n *node, dst, w []float32) {
	outputs := n.shape[2]
	u, v := make([]float64, outputs), make([]float64, len(w)/outputs)
	for i := range u { // any start with a share of the leading vector will do
		u[i] = 1 + math.Cos(float64(i))
	}
	normalise := func(x []float64) float64 {
		sum := 0.0
		for _, e := range x {
			sum += e * e
		}
		norm := math.Sqrt(sum)
		if norm > 0 {
			for i := range x {
				x[i] /= norm
			}
		}
		return norm
	}
	normalise(u)
	previous := 0.0
	for range 200 {
		for k := range v {
			sum := 0.0
			for o, x := range w[k*outputs:][:outputs] {
				sum += float64(x) * u[o]
			}
			v[k] = sum
		}
		normalise(v)
		clear(u)
		for k, s := range v {
			for o, x := range w[k*outputs:][:outputs] {
				u[o] += float64(x) * s
			}
		}
		sigma := normalise(u)
		if math.Abs(sigma-previous) <= 1e-9*sigma {
			break
		}
		previous = sigma
	}
	for k, s := range v {
		for o := range outputs {
			dst[k*outputs+o] = float32(s * u[o])
		}
	}
}
