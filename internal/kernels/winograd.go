// Winograd's convolutions. In one dimension, F(2, 3) takes two outputs of a convolution by three weights from four inputs in four
// multiplications instead of six,
//
//	p = (d0 - d2)·g0                  q = (d1 + d2)·(g0 + g1 + g2)/2
//	r = (d2 - d1)·(g0 - g1 + g2)/2    s = (d1 - d3)·g2
//	y0 = p + q + r = d0·g0 + d1·g1 + d2·g2
//	y1 = q - r - s = d1·g0 + d2·g1 + d3·g2
//
// where what is made of the weights alone is computed once. F(m×m, 3×3) does that along both axes: m×m outputs of a 3×3
// convolution from (m+2)×(m+2) inputs d and the kernel g by (m+2)² multiplications instead of 9m²,
//
//	Y = Aᵀ [ (G g Gᵀ) ⊙ (Bᵀ d B) ] A,
//
// 2.25 times fewer for m = 2 and 4 times fewer for m = 4. Over channels the products ⊙ are (m+2)² matrix products, which
// a ConvTile of one tap does. The gradient with respect to the kernel is, over all tiles and with dy for that of Y,
//
//	dg = Gᵀ [ Σ (Bᵀ d B) ⊙ (A dy Aᵀ) ] G,
//
// with a GradTile for the products. Source: Lavin and Gray, "Fast algorithms for convolutional neural networks" (2016).
//
// The matrices follow from m+1 points of interpolation and ∞: 0, ±1 for m = 2, and for m = 4 0, ±5/8, ±3/2 rather than the
// usual 0, ±1, ±2, because the rounding error is 2.3 times smaller (twice that of the direct sum). That is the least over
// pairs of multiples of 1/8, in float32 with normal numbers; the coefficients of Bᵀ and Aᵀ are exact.

package kernels

// Winograd holds the transforms for one m. Channels come in multiples of Lanes.
type Winograd struct {
	M     int // outputs along a side
	Lanes int

	// Input transforms tiles of inputs, tile t being Side·Side pixels of x at offsets[t*Side*Side:], row by row:
	//
	//	dst[i*stride + t*channels + c] = (Bᵀ d B)[i],  d[p] = x[offsets[t*Side*Side+p] + c]
	//
	// for the Side·Side elements i of a transformed tile.
	Input func(dst []float32, stride int, x []float32, offsets []int32, tiles, channels int)
	// Output transforms products back, to the M·M pixels of dst at offsets[t*M*M:]; a nil bias means zero:
	//
	//	dst[offsets[t*M*M+p] + c] = (Aᵀ m A)[p] + bias[c],  m[i] = src[i*stride + t*channels + c]
	Output func(dst []float32, offsets []int32, src []float32, stride int, tiles, channels int, bias []float32)
	// Weights transforms the 3×3 kernels of so many channels: dst[i*stride + c] = (G g Gᵀ)[i],  g[t] = w[t*tapStride + c].
	Weights func(dst []float32, stride int, w []float32, tapStride, channels int)

	// OutputGrad and WeightsGrad are what Output and Weights become in the derivative with respect to the kernel. OutputGrad
	// transforms the gradients dy of M·M outputs as Input does inputs, and WeightsGrad adds to the gradients of so many kernels:
	//
	//	dst[i*stride + t*channels + c] = (A dy Aᵀ)[i],  dy[p] = x[offsets[t*M*M+p] + c]
	//	dst[t*tapStride + c] += (Gᵀ m G)[t],  m[i] = src[i*stride + c]
	OutputGrad  func(dst []float32, stride int, x []float32, offsets []int32, tiles, channels int)
	WeightsGrad func(dst []float32, tapStride int, src []float32, stride int, channels int)
}

// Side is the number of inputs along a side of a tile.
func (w *Winograd) Side() int { return w.M + 2 }

// matrix is a transform of one dimension: rows of coefficients.
type matrix [][]float32

// transforms are the matrices for one m.
type transforms struct{ input, output, weights matrix } // Bᵀ, Aᵀ, G

var winogradMatrices = map[int]transforms{
	2: {
		input:   matrix{{1, 0, -1, 0}, {0, 1, 1, 0}, {0, -1, 1, 0}, {0, 1, 0, -1}},
		output:  matrix{{1, 1, 1, 0}, {0, 1, -1, -1}},
		weights: matrix{{1, 0, 0}, {0.5, 0.5, 0.5}, {0.5, -0.5, 0.5}, {0, 0, 1}},
	},
	4: interpolation(5./8, 3./2),
}

// interpolation gives the matrices for the points 0, ±a, ±b and ∞.
func interpolation(a, b float32) transforms {
	a2, b2 := a*a, b*b
	na, nb := 1/(2*a2*(a2-b2)), 1/(2*b2*(b2-a2))
	return transforms{
		input: matrix{
			{a2 * b2, 0, -a2 - b2, 0, 1, 0},
			{0, -a * b2, -b2, a, 1, 0},
			{0, a * b2, -b2, -a, 1, 0},
			{0, -b * a2, -a2, b, 1, 0},
			{0, b * a2, -a2, -b, 1, 0},
			{0, a2 * b2, 0, -a2 - b2, 0, 1},
		},
		output: matrix{
			{1, 1, 1, 1, 1, 0},
			{0, a, -a, b, -b, 0},
			{0, a2, a2, b2, b2, 0},
			{0, a2 * a, -a2 * a, b2 * b, -b2 * b, 1},
		},
		weights: matrix{
			{1 / (a2 * b2), 0, 0},
			{na, na * a, na * a2},
			{na, -na * a, na * a2},
			{nb, nb * b, nb * b2},
			{nb, -nb * b, nb * b2},
			{0, 0, 1},
		},
	}
}

// maxSide is the side of the largest tile.
const maxSide = 6

// transposed exchanges rows and columns.
func (t matrix) transposed() matrix {
	out := make(matrix, len(t[0]))
	for _, row := range t {
		for j, v := range row {
			out[j] = append(out[j], v)
		}
	}
	return out
}

// both applies a transform to the columns and then the rows of the n×n values of in.
func (t matrix) both(out, in *[maxSide * maxSide]float32, n int) {
	var half [maxSide * maxSide]float32 // len(t)×n
	for i, row := range t {
		for j := range n {
			var sum float32
			for k, c := range row {
				sum += c * in[k*n+j]
			}
			half[i*n+j] = sum
		}
	}
	for i := range t {
		for j, row := range t {
			var sum float32
			for k, c := range row {
				sum += c * half[i*n+k]
			}
			out[i*len(t)+j] = sum
		}
	}
}

func portableWinograd(m int) Winograd {
	side, t := m+2, winogradMatrices[m]
	back := t.weights.transposed()
	return Winograd{
		M: m, Lanes: 1,
		Input:      portableGather(t.input, side),
		OutputGrad: portableGather(t.output.transposed(), m),
		Output: func(dst []float32, offsets []int32, src []float32, stride int, tiles, channels int, bias []float32) {
			var in, out [maxSide * maxSide]float32
			for tile := range tiles {
				for c := range channels {
					for i := range side * side {
						in[i] = src[i*stride+tile*channels+c]
					}
					t.output.both(&out, &in, side)
					for p, at := range offsets[tile*m*m:][:m*m] {
						dst[int(at)+c] = out[p]
						if bias != nil {
							dst[int(at)+c] += bias[c]
						}
					}
				}
			}
		},
		Weights: func(dst []float32, stride int, w []float32, tapStride, channels int) {
			var in, out [maxSide * maxSide]float32
			for c := range channels {
				for tap := range 9 {
					in[tap] = w[tap*tapStride+c]
				}
				t.weights.both(&out, &in, 3)
				for i, v := range out[:side*side] {
					dst[i*stride+c] = v
				}
			}
		},
		WeightsGrad: func(dst []float32, tapStride int, src []float32, stride int, channels int) {
			var in, out [maxSide * maxSide]float32
			for c := range channels {
				for i := range side * side {
					in[i] = src[i*stride+c]
				}
				back.both(&out, &in, side)
				for tap, v := range out[:9] {
					dst[tap*tapStride+c] += v
				}
			}
		},
	}
}

// portableGather transforms n×n pixels of each tile.
func portableGather(t matrix, n int) func(dst []float32, stride int, x []float32, offsets []int32, tiles, channels int) {
	return func(dst []float32, stride int, x []float32, offsets []int32, tiles, channels int) {
		var in, out [maxSide * maxSide]float32
		for tile := range tiles {
			for c := range channels {
				for p, at := range offsets[tile*n*n:][:n*n] {
					in[p] = x[int(at)+c]
				}
				t.both(&out, &in, n)
				for i, v := range out[:len(t)*len(t)] {
					dst[i*stride+tile*channels+c] = v
				}
			}
		}
	}
}
