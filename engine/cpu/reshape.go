package cpu

import "github.com/joule-ebm/joule/expr"

// This file has the operations that copy numbers to other places and add up what meets there: Broadcast, Sum over other axes than loops
// can, GroupSum, Slice, Embed, Flip. They are rare, or rows; they take little time.

// broadcastStrides are those of a value of shape s seen as one of a larger shape: zero along the axes where it is repeated. Of 1×3×2 they
// are 0, 2, 1.
func broadcastStrides(s expr.Shape) (out [3]int) {
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
	s, i := broadcastStrides(small), 0
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

func slice(n *node, dst, src []float32) {
	from, in, out := n.attr.N[0], n.in[0].shape[2], n.shape[2]
	for p := range len(dst) / out {
		copy(dst[p*out:][:out], src[p*in+from:])
	}
}

func embed(n *node, dst, src []float32) {
	at, in, out := n.attr.N[0], n.in[0].shape[2], n.shape[2]
	clear(dst)
	for p := range len(dst) / out {
		copy(dst[p*out+at:], src[p*in:][:in])
	}
}
