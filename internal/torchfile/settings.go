package torchfile

// This file knows what settings and results are made of beside plain values, in checkpoints of training scripts: the dictionaries that options
// are kept in, and NumPy's numbers. What else such a checkpoint may hold, NumPy's arrays and PyTorch's devices, is nothing here.

import (
	"encoding/binary"
	"math"
	"slices"

	"github.com/joule-ebm/joule/internal/pickle"
)

const (
	easyDict    = "easydict.EasyDict"  // a dictionary whose attributes are its entries, pickled as both
	namespace   = "argparse.Namespace" // the same as attributes alone
	numpyType   = "numpy.dtype"
	numpyArray  = "numpy.ndarray"
	torchDevice = "torch.device"
	torchSize   = "torch.Size"
)

// NumPy's functions, by the names of versions 1 and 2.
var (
	numpyScalars = []pickle.Name{"numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar"}
	numpyArrays  = []pickle.Name{"numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct"}
)

var settingsNames = func() map[pickle.Name]bool {
	known := map[pickle.Name]bool{}
	for _, name := range slices.Concat(numpyScalars, numpyArrays, []pickle.Name{easyDict, namespace, numpyType, numpyArray, torchDevice, torchSize}) {
		known[name] = true
	}
	return known
}()

// dtype is a type of NumPy's, such as f8.
type dtype string

// nothing stands for what has no meaning here.
type nothing struct{}

// setting is the meaning of a call.
func (r *reader) setting(name pickle.Name, args pickle.Tuple) (any, error) {
	argument := func(i int) any {
		if i < len(args) {
			return args[i]
		}
		return nil
	}
	switch {
	case (name == easyDict || name == namespace) && len(args) == 0:
		d := pickle.NewDict()
		r.namespaces[d] = name == namespace
		return d, nil
	case name == numpyType:
		const most = 40 // bytes: a text that is referred to over and over must not become large
		if text, ok := argument(0).(pickle.Text); ok && len(text) <= most {
			return dtype(text), nil
		}
	case slices.Contains(numpyScalars, name):
		kind, ok := argument(0).(dtype)
		data, ok2 := argument(1).(pickle.Text)
		if ok && ok2 {
			return scalar(kind, data), nil
		}
	case slices.Contains(numpyArrays, name) || name == torchDevice || name == torchSize:
		return nothing{}, nil
	}
	return nil, pickle.ErrObject
}

// build gives an object its state: a namespace its entries. Attributes of a dictionary, such as a state_dict's _metadata, are nothing here.
func (r *reader) build(object, state any) error {
	switch d := object.(type) {
	case *pickle.Dict:
		if attributes, ok := state.(*pickle.Dict); ok && r.namespaces[d] {
			*d = *attributes
		}
		return nil
	case dtype, nothing:
		return nil
	}
	return pickle.ErrObject
}

// scalar is one of NumPy's numbers, little-endian.
func scalar(kind dtype, data []byte) any {
	order := binary.LittleEndian
	switch {
	case kind == "f8" && len(data) == 8:
		return math.Float64frombits(order.Uint64(data))
	case kind == "f4" && len(data) == 4:
		return float64(math.Float32frombits(order.Uint32(data)))
	case kind == "i8" && len(data) == 8:
		return int64(order.Uint64(data))
	case kind == "i4" && len(data) == 4:
		return int64(int32(order.Uint32(data)))
	case kind == "b1" && len(data) == 1:
		return data[0] != 0
	}
	return nothing{}
}
