package inception

// This file brings images to the network's size and scale. Both ways in use are bilinear without smoothing, so that images that
// shrink are aliased, and both are part of what the figures made with them mean:
//
//	PyTorch      position (i + ½)·scale - ½, values 2u/255 - 1      pytorch-fid, and FIDs made with it
//	TensorFlow   position i·scale, values (u - 128)/128             the original, torch-fidelity, torchmetrics
//
// where scale is the image's side over the network's. Grey images have three equal channels.

import (
	"fmt"

	"github.com/joule-ebm/joule/dataset"
	"github.com/joule-ebm/joule/eval/features/inception/forward"
)

// Input is the way that images are brought to the network's size and scale.
type Input int

// The ways.
const (
	PyTorch Input = iota
	TensorFlow
)

// String is the name that [ParseInput] knows.
func (in Input) String() string {
	if in == TensorFlow {
		return "tensorflow"
	}
	return "pytorch"
}

// ParseInput gives the way of a name as given to commands.
func ParseInput(name string) (Input, error) {
	switch name {
	case "pytorch":
		return PyTorch, nil
	case "tensorflow":
		return TensorFlow, nil
	}
	return 0, fmt.Errorf("no input %q: want pytorch or tensorflow", name)
}

// A tap is where along a side a pixel of the result lies: between pixels low and high, a part of the way.
type tap struct {
	low, high int
	part      float32
}

func (in Input) taps(from, to int) []tap {
	taps := make([]tap, to)
	scale := float64(from) / float64(to)
	for i := range taps {
		at := float64(i) * scale
		if in == PyTorch {
			at = max((float64(i)+0.5)*scale-0.5, 0)
		}
		low := min(int(at), from-1)
		taps[i] = tap{low, min(low+1, from-1), float32(at - float64(low))}
	}
	return taps
}

// image resizes one to side×side and scales it.
func (in Input) image(m *forward.Memory, pixels []uint8, size dataset.Size, side int) forward.Image {
	x := m.Image(side, side, 3)
	rows, columns := in.taps(size.Height, side), in.taps(size.Width, side)
	scale := float32(2.0 / 255)
	if in == TensorFlow {
		scale = 1.0 / 128
	}
	c := size.Channels
	for i, r := range rows {
		top, bottom := pixels[r.low*size.Width*c:], pixels[r.high*size.Width*c:]
		for j, q := range columns {
			for k := range 3 {
				k0 := min(k, c-1)
				left, right := q.low*c+k0, q.high*c+k0
				a := float32(top[left]) + q.part*(float32(top[right])-float32(top[left]))
				b := float32(bottom[left]) + q.part*(float32(bottom[right])-float32(bottom[left]))
				x.Data[(i*side+j)*3+k] = (a+r.part*(b-a))*scale - 1
			}
		}
	}
	return x
}
