// The portable micro-tiles of convolutions and of their kernel gradients. Both work in blocks of two rows by four columns:
// eight sums, which with their operands fit the sixteen floating-point registers of amd64 as well as those of arm64.

package kernels

const (
	portableRows = 4
	portableCols = 8
)

func portableConv(dst []float32, stride int, x []float32, offsets []int32, taps, depth int, w, bias []float32) {
	var none [portableCols]float32
	if bias == nil {
		bias = none[:]
	}
	for r := 0; r < portableRows; r += 2 {
		for j := 0; j < portableCols; j += 4 {
			b := (*[4]float32)(bias[j:])
			s00, s01, s02, s03 := b[0], b[1], b[2], b[3]
			s10, s11, s12, s13 := s00, s01, s02, s03
			for t := range taps {
				x0 := x[offsets[t*portableRows+r]:][:depth]
				x1 := x[offsets[t*portableRows+r+1]:][:depth]
				wt := w[t*depth*portableCols+j:]
				for k, a0 := range x0 {
					a1, b := x1[k], (*[4]float32)(wt[k*portableCols:])
					s00 += a0 * b[0]
					s01 += a0 * b[1]
					s02 += a0 * b[2]
					s03 += a0 * b[3]
					s10 += a1 * b[0]
					s11 += a1 * b[1]
					s12 += a1 * b[2]
					s13 += a1 * b[3]
				}
			}
			*(*[4]float32)(dst[r*stride+j:]) = [4]float32{s00, s01, s02, s03}
			*(*[4]float32)(dst[(r+1)*stride+j:]) = [4]float32{s10, s11, s12, s13}
		}
	}
}

func portableGrad(dst []float32, stride int, x []float32, offsets []int32, dy []float32, dyStride int) {
	for r := 0; r < portableRows; r += 2 {
		for j := 0; j < portableCols; j += 4 {
			var s00, s01, s02, s03, s10, s11, s12, s13 float32
			for p, offset := range offsets {
				a, b := (*[2]float32)(x[int(offset)+r:]), (*[4]float32)(dy[p*dyStride+j:])
				s00 += a[0] * b[0]
				s01 += a[0] * b[1]
				s02 += a[0] * b[2]
				s03 += a[0] * b[3]
				s10 += a[1] * b[0]
				s11 += a[1] * b[1]
				s12 += a[1] * b[2]
				s13 += a[1] * b[3]
			}
			d0, d1 := (*[4]float32)(dst[r*stride+j:]), (*[4]float32)(dst[(r+1)*stride+j:])
			d0[0], d0[1], d0[2], d0[3] = d0[0]+s00, d0[1]+s01, d0[2]+s02, d0[3]+s03
			d1[0], d1[1], d1[2], d1[3] = d1[0]+s10, d1[1]+s11, d1[2]+s12, d1[3]+s13
		}
	}
}
