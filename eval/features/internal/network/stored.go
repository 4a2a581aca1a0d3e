// Package network is what the small networks shipped with Joule have in common: how their weights are read, how images are classified, and
// how they were learnt.
package network

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/joule-ebm/joule/energy"
	"github.com/joule-ebm/joule/internal/safetensors"
)

// Values are the values of parameters stored in a safetensors file in PyTorch's layout, to be bound to a program.
func Values(specs []energy.Spec, stored []byte) (map[string][]float32, error) {
	file, err := safetensors.Read(bytes.NewReader(stored), int64(len(stored)))
	if err != nil {
		return nil, err
	}
	values := map[string][]float32{}
	for _, s := range specs {
		t, ok := file.Lookup(s.Name)
		if !ok || !slices.Equal(t.Shape, s.TorchShape()) {
			return nil, fmt.Errorf("the weights have no %s of shape %v", s.Name, s.TorchShape())
		}
		numbers, err := t.Float32s()
		if err != nil {
			return nil, err
		}
		values[s.Name] = make([]float32, len(numbers))
		s.FromTorch(values[s.Name], numbers)
	}
	return values, nil
}
