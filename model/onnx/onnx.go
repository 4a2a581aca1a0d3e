// Package onnx writes a learnt energy as an ONNX file, which ONNX Runtime, OpenVINO and others run: the energy of images and its gradient,
//
//	image      FP32 [N,H,W,C]      intensities in [0, 1]; of a byte u, (u + ½)/256
//	label      FP32 [N,K]          of a conditional model: one-hot, or its numbers from -1 to 1
//	energy     FP32 [N]            E(x), the sum over the scales, or E(x, y)
//	gradient   FP32 [N,H,W,C]      ∂E/∂x
//
// for any number of images N. The file's metadata are those of the model file: configuration, classes, calibration.
//
// The energy and its gradient are expressions of package expr, and each of its operations has its counterpart (lower.go, linear.go,
// statistics.go). What depends on the parameters alone, such as a standardised kernel, is computed here.
package onnx

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/joule-ebm/joule/energy"
	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/expr"
	"github.com/joule-ebm/joule/model"
)

// The names of inputs and outputs.
const (
	ImageInput     = "image"
	LabelInput     = "label"
	EnergyOutput   = "energy"
	GradientOutput = "gradient"
)

// Options say what of a model to write. The zero value is its energy, of a conditional one with the label as an input, and the gradient.
type Options struct {
	Label      string            // of a conditional model: the one to write, E(x) = E(x, y), by name or number; "": any, as an input
	Mixture    bool              // of a conditional model: write the mixture of all labels instead, what an image without a label has
	NoGradient bool              // write the energy alone, which takes a third of the time
	Metadata   map[string]string // to add to the model's
	Version    string            // of the program that writes the file
}

// Write writes a model. The engine computes what depends on parameters alone. Errors are one line.
func Write(ctx context.Context, w io.Writer, on engine.Engine, m *model.Model, o Options) error {
	e, err := chosen(m, o)
	if err != nil {
		return err
	}
	params, err := e.Params()
	if err != nil {
		return err
	}
	x, label := expr.Input(ImageInput, e.Image), e.Label()
	outputs := []*expr.Value{energy.Sum(e.Build(params, x, label))}
	if !o.NoGradient {
		outputs = append(outputs, expr.Grad(outputs[0], x)[0])
	}
	outputs = expr.Simplify(outputs...)
	l := &lowering{graph: graph{named: map[string]string{}}, known: map[*expr.Value]string{}}
	if err := l.computeShared(ctx, on, outputs, m.Params); err != nil {
		return err
	}
	file, err := l.file(e, outputs, m, o)
	if err != nil {
		return err
	}
	_, err = w.Write(file)
	return err
}

// chosen is the energy to write.
func chosen(m *model.Model, o Options) (*energy.Energy, error) {
	switch {
	case o.Mixture && o.Label != "":
		return nil, errors.New("a label or the mixture of all: want one of them")
	case !o.Mixture && o.Label == "":
		return m.Energy, nil
	case m.Labels() == 0:
		return nil, errors.New("the model is not conditional: it has no labels")
	case o.Label != "":
		y, err := m.Condition(o.Label)
		if err != nil {
			return nil, fmt.Errorf("label: %w", err)
		}
		return energy.Given(y, m.Energy)
	}
	var parts []*energy.Energy
	for _, label := range m.Learnt() {
		var y []float64
		for _, v := range m.Conditions([]int32{label}) {
			y = append(y, float64(v))
		}
		part, err := energy.Given(y, m.Energy)
		if err != nil {
			return nil, err
		}
		parts = append(parts, part)
	}
	mixture, err := energy.Or(energy.Mixture{}, parts...)
	if err != nil {
		return nil, err
	}
	shifted := *mixture // model.Meter has -log Σ exp(-E(x, y)), not of the mean
	shifted.Build = func(p *energy.Params, x, label *expr.Value) []*expr.Value {
		return []*expr.Value{expr.Affine(energy.Sum(mixture.Build(p, x, label)), 1, -math.Log(float64(len(parts))))}
	}
	return &shifted, nil
}

// computeShared computes those shared values that sample values, or flipped kernels, are made of.
func (l *lowering) computeShared(ctx context.Context, on engine.Engine, outputs []*expr.Value, params map[string][]float32) error {
	l.shared, l.first = map[*expr.Value][]float32{}, map[*expr.Value]*expr.Value{}
	known := map[string]*expr.Value{}
	var computed []*expr.Value
	for _, v := range expr.Order(outputs...) {
		switch v.Op() {
		case expr.OpBatchSize, expr.OpBatchSum, expr.OpConvKernel:
			return fmt.Errorf("the energy of an image depends on the others, by %v: no ONNX file can hold that here", v.Op())
		}
		if v.Kind() == expr.Shared {
			key := fmt.Sprint(v.Op(), v.Shape(), v.Attr())
			for _, u := range v.In() {
				key += fmt.Sprintf(" %p", l.first[u])
			}
			if known[key] == nil {
				known[key] = v
			}
			l.first[v] = known[key]
		}
		for _, u := range v.In() {
			u = l.first[u]
			if u == nil || u.Op() == expr.OpFlip || l.shared[u] != nil || v.Kind() == expr.Shared && v.Op() != expr.OpFlip {
				continue
			}
			switch u.Op() {
			case expr.OpConst:
				l.shared[u] = []float32{float32(u.Attr().X[0])}
			case expr.OpParam:
				l.shared[u] = params[u.Attr().Name]
			default:
				l.shared[u] = make([]float32, u.Shape().Size())
				computed = append(computed, u)
			}
		}
	}
	if len(computed) == 0 {
		return nil
	}
	program, err := on.Compile(computed...)
	if err != nil {
		return err
	}
	if err := program.Bind(params); err != nil {
		return err
	}
	call := engine.Call{Batch: 1}
	for _, u := range computed {
		call.Outputs = append(call.Outputs, l.shared[u])
	}
	return program.Run(ctx, call)
}

// file writes the nodes and puts all together: a ModelProto.
func (l *lowering) file(e *energy.Energy, outputs []*expr.Value, m *model.Model, o Options) (message, error) {
	l.image = ImageInput
	for _, v := range expr.Order(outputs...) {
		switch {
		case v.Kind() == expr.Shared:
		case v.Op() == expr.OpInput && v.Attr().Name == ImageInput:
			l.known[v] = l.node("Transpose", attributes{"perm": []int64{0, 3, 1, 2}}, ImageInput)
		case v.Op() == expr.OpInput && v.Attr().Name == LabelInput:
			l.known[v] = l.node("Unsqueeze", nil, LabelInput, l.integers(2, 3))
		default:
			if err := l.value(v); err != nil {
				return nil, err
			}
		}
	}
	l.put(EnergyOutput, "Squeeze", nil, []string{l.known[outputs[0]], l.integers(1, 2, 3)})
	if !o.NoGradient {
		l.put(GradientOutput, "Transpose", attributes{"perm": []int64{0, 2, 3, 1}}, []string{l.known[outputs[1]]})
	}
	if l.size > most {
		return nil, fmt.Errorf("the model has %d bytes of parameters, more than the %d that an ONNX file can hold", l.size, most)
	}
	metadata, err := m.Metadata()
	if err != nil {
		return nil, err
	}
	delete(metadata, "format")
	if m.Labels() > 0 && !o.Mixture {
		delete(metadata, "calibration") // it is of the mixture
	}
	for key, value := range o.Metadata {
		metadata[key] = value
	}
	file := message{}.number(1, 8).text(2, "joule").text(3, o.Version).text(6, about).bytes(7, l.proto(e, o)).bytes(8, message{}.text(1, "").number(2, opset))
	for _, key := range sortedKeys(metadata) {
		file = file.bytes(14, message{}.text(1, key).text(2, metadata[key]))
	}
	if len(file) > most {
		return nil, fmt.Errorf("the model takes %d bytes, more than the %d that an ONNX file can hold", len(file), most)
	}
	return file, nil
}

// about is what the file says of itself.
const about = "The energy of images, E(x): low where p(x) ∝ exp(-E(x)) is high. The image of bytes u is (u + 0.5) / 256."

// proto is the GraphProto.
func (l *lowering) proto(e *energy.Energy, o Options) message {
	var g message
	for _, node := range l.nodes {
		g = g.bytes(1, node)
	}
	g = g.text(2, "energy")
	for _, constant := range l.constants {
		g = g.bytes(5, constant)
	}
	image := e.Image[:]
	g = g.bytes(11, valueInfo(ImageInput, "intensities in [0, 1], N×H×W×C", image...))
	if e.Classes > 0 {
		g = g.bytes(11, valueInfo(LabelInput, "one-hot, or numbers from -1 to 1", e.Classes))
	}
	g = g.bytes(12, valueInfo(EnergyOutput, "of each image"))
	if !o.NoGradient {
		g = g.bytes(12, valueInfo(GradientOutput, "of the energy by the image, N×H×W×C", image...))
	}
	return g
}
