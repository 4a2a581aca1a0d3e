// The portable micro-tiles of convolutions and of their kernel gradients, four rows by eight columns. They work row by row:
// eight sums, with their operands, fit the sixteen floating-point registers of amd64 as well as the more of arm64.

package kernels

const (
	portableRows = 4
	portableCols = 8
)

type portableRow = [portableCols]float32

func portableConv(dst []float32, stride int, x []float32, offsets []int32, blocks, taps, depth int, w, bias []float32) {
	for p := range blocks * portableRows {
		var sum portableRow
		if bias != nil {
			sum = portableRow(bias)
		}
		block, r := p/portableRows, p%portableRows
		for t := range taps {
			pixel := x[offsets[(block*taps+t)*portableRows+r]:][:depth]
			addProduct(&sum, pixel, w[t*depth*portableCols:][:depth*portableCols])
		}
		*(*portableRow)(dst[p*stride:]) = sum
	}
}

// addProduct adds the row vector a times the matrix w to the sum.
func addProduct(sum *portableRow, a, w []float32) {
	s0, s1, s2, s3, s4, s5, s6, s7 := sum[0], sum[1], sum[2], sum[3], sum[4], sum[5], sum[6], sum[7]
	for k := 0; k < len(a) && len(w) >= portableCols; k++ {
		v := a[k]
		s0 += v * w[0]
		s1 += v * w[1]
		s2 += v * w[2]
		s3 += v * w[3]
		s4 += v * w[4]
		s5 += v * w[5]
		s6 += v * w[6]
		s7 += v * w[7]
		w = w[portableCols:]
	}
	*sum = portableRow{s0, s1, s2, s3, s4, s5, s6, s7}
}

func portableGrad(dst []float32, stride int, x []float32, offsets []int32, dy []float32, dyStride int) {
	for r := range portableRows {
		var s0, s1, s2, s3, s4, s5, s6, s7 float32
		for p, offset := range offsets {
			v, w := x[int(offset)+r], (*portableRow)(dy[p*dyStride:])
			s0 += v * w[0]
			s1 += v * w[1]
			s2 += v * w[2]
			s3 += v * w[3]
			s4 += v * w[4]
			s5 += v * w[5]
			s6 += v * w[6]
			s7 += v * w[7]
		}
		row := (*portableRow)(dst[r*stride:])
		for j, s := range (portableRow{s0, s1, s2, s3, s4, s5, s6, s7}) {
			row[j] += s
		}
	}
}
