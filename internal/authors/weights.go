package authors

// This file takes the parameters of a network out of a state_dict. Where a kernel was spectrally normalised, the state_dict has the
// kernel before that and the vectors u and v of the power iteration,
//
//	ŵ = w / (uᵀ W v),      W the kernel as a matrix of outputs × the rest,
//
// as torch.nn.utils.spectral_norm stores and evaluates it (Miyato et al., 2018).

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/joule-ebm/joule/energy"
	"github.com/joule-ebm/joule/model"
)

func (i *Imported) model(n *network, w *weights) error {
	e, err := n.config.NewEnergy(len(n.classes))
	if err != nil {
		return err
	}
	params, err := e.Params()
	if err != nil {
		return err
	}
	values := map[string][]float32{}
	for _, s := range params.Specs() {
		if values[s.Name], err = w.parameter(s, n.folded); err != nil {
			return err
		}
	}
	if left := w.unused(); len(left) > 0 {
		i.note("left out, since the network does not use them: %s", abbreviated(left))
	}
	i.Model, err = model.New(n.config, n.classes, values)
	return err
}

// abbreviated names the first few.
func abbreviated(names []string) string {
	const most = 4
	if more := len(names) - most; more > 1 {
		return fmt.Sprintf("%s and %d others", strings.Join(names[:most], ", "), more)
	}
	return strings.Join(names, ", ")
}

// parameter is a tensor in the order of the energy's numbers.
func (w *weights) parameter(s energy.Spec, folded bool) ([]float32, error) {
	name := s.Name
	normalised := folded && w.shape(name) == nil
	if normalised {
		name += "_orig"
	}
	if shape := w.shape(name); shape != nil && !slices.Equal(shape, s.TorchShape()) {
		return nil, fmt.Errorf("tensor %s has shape %v, the network wants %v", name, shape, s.TorchShape())
	}
	stored, err := w.take(name)
	if err != nil {
		return nil, err
	}
	if normalised {
		if stored, err = w.normalised(s.Name, stored); err != nil {
			return nil, err
		}
	}
	for _, x := range stored {
		if math.IsNaN(float64(x)) || math.IsInf(float64(x), 0) {
			return nil, fmt.Errorf("tensor %s holds %v: the model is of no use", name, x)
		}
	}
	here := make([]float32, s.Shape.Size())
	s.FromTorch(here, stored)
	return here, nil
}

// normalised divides a kernel by its spectral norm.
func (w *weights) normalised(name string, kernel []float32) ([]float32, error) {
	u, err := w.take(name + "_u")
	if err != nil {
		return nil, err
	}
	v, err := w.take(name + "_v")
	if err != nil {
		return nil, err
	}
	if len(u)*len(v) != len(kernel) {
		return nil, fmt.Errorf("tensors %s_u and %s_v do not fit the kernel", name, name)
	}
	var sigma float64
	for row, a := range u {
		for column, b := range v {
			sigma += float64(a) * float64(kernel[row*len(v)+column]) * float64(b)
		}
	}
	divided := make([]float32, len(kernel))
	for k, x := range kernel {
		divided[k] = float32(float64(x) / sigma)
	}
	return divided, nil
}
