// Package scenes reads the attributes of the pictures of data set objects back from the pictures: a small network, trained by Joule on
// renders and shipped with it (weights.safetensors, 270 KB). So samples of models of that data set can be judged: what they show, and how
// sure that is.
//
//	32×32 ─ conv 16 ─ conv 24 ─ pool ─ conv 32 ─ residual ─ pool ─ conv 48 ─ residual ─ h
//	w = softmax over pixels p of a score of h(p)                                     where the object is
//	v = Σ_p w(p)·(h(p) + P(p))      m = mean of h                                    what and where it is; all of the picture
//	(v, m) ─ linear 64 ─ linear: a logit for each name of each attribute, mean and log variance of each number, logit of "an object"
//
// with 3×3 kernels and the activation x·sigmoid(x); residual is h + conv(h normalised over all its pixels and channels); P, a vector per pixel, is learnt and tells places apart.
package scenes

import (
	"context"
	_ "embed"
	"fmt"
	"math"

	"github.com/joule-ebm/joule/dataset"
	"github.com/joule-ebm/joule/dataset/objects"
	"github.com/joule-ebm/joule/energy"
	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/eval/features"
	"github.com/joule-ebm/joule/eval/features/internal/network"
	"github.com/joule-ebm/joule/expr"
)

// Side is that of the pictures it looks at, in pixels. Larger ones are averaged down to it.
const Side = 32

const (
	channels = 48
	hidden   = 64
)

// Image is the shape of what the network is given.
var Image = expr.Shape{Side, Side, 3}

// Outputs are what the network says of a picture, before probabilities are made of it.
type Outputs struct {
	Features *expr.Value                          // 1×1×hidden
	Logits   [len(objects.Attributes)]*expr.Value // 1×1×names of each attribute
	// Each number's distribution, after scaling its range to [-1, 1]: mean and logarithm of the variance, 1×1×numbers.
	Mean, LogVariance *expr.Value
	Object            *expr.Value // 1×1×1, logit of there being an object that can be told
}

// Build makes the network of parameters p at images x with values in [0, 1).
func Build(p *energy.Params, x *expr.Value) Outputs {
	h := expr.Affine(x, 4, -2) // mean 0, standard deviation about 1
	conv := func(number int, h *expr.Value, out int) *expr.Value {
		return expr.Swish(energy.Conv(p, fmt.Sprintf("conv%d", number), h, out, energy.PlainKernel), 0)
	}
	residual := func(number int, h *expr.Value) *expr.Value {
		return expr.Add(h, conv(number, expr.Normalise(h, 1, 1e-5), h.Shape()[2]))
	}
	h = conv(1, h, 16)
	h = expr.Pool(conv(2, h, 24))
	h = expr.Pool(residual(4, conv(3, h, 32)))
	h = residual(6, conv(5, h, channels))
	pixels := h.Shape()
	vector := pixels.Channels()
	score := expr.Clamp(energy.Pixelwise(p, "where", h, 1), -30, 30)
	weight := expr.Exp(score)
	weight = expr.Mul(weight, expr.Pow(expr.Total(weight), -1))
	place := p.Get("place", pixels, energy.Constant(0, energy.Array))
	v := expr.Sum(expr.Mul(expr.Add(h, place), weight), vector)
	m := expr.Affine(expr.Sum(h, vector), 1/float64(pixels[0]*pixels[1]), 0)
	both := expr.Add(expr.Embed(v, 0, 2*channels), expr.Embed(m, channels, 2*channels))
	o := Outputs{Features: expr.Swish(energy.Linear(p, "hidden", both, hidden), 0)}
	for i, a := range objects.Attributes {
		o.Logits[i] = energy.Linear(p, a.Name, o.Features, len(a.Values))
	}
	o.Mean = energy.Linear(p, "mean", o.Features, len(objects.Numbers))
	o.LogVariance = expr.Clamp(energy.Linear(p, "log_variance", o.Features, len(objects.Numbers)), -10, 4)
	o.Object = energy.Linear(p, "object", o.Features, 1)
	return o
}

//go:generate go run ./train -o weights.safetensors
//go:embed weights.safetensors
var weights []byte

// Reading is what a picture shows, as far as it can be told.
type Reading struct {
	Probabilities [len(objects.Attributes)][]float64 // of the names of each of objects.Attributes
	Numbers       [len(objects.Numbers)]float64      // as objects.Numbers lists them
	Errors        [len(objects.Numbers)]float64      // their standard deviations
	Object        float64                            // probability that there is an object as the data set has them, one and whole
}

// Label is the likeliest name of an attribute, as an index, and its probability.
func (r Reading) Label(attribute int) (label int, probability float64) {
	for i, p := range r.Probabilities[attribute] {
		if p > probability {
			label, probability = i, p
		}
	}
	return label, probability
}

// Value is the likeliest name of the attribute of that name, for [dataset.Combinations.Hold]. It is empty where there is no such
// attribute, and where the picture is likelier to show no object than one.
func (r Reading) Value(attribute string) string {
	for i, a := range objects.Attributes {
		if a.Name == attribute && r.Object >= 0.5 {
			label, _ := r.Label(i)
			return a.Values[label]
		}
	}
	return ""
}

// A Reader reads pictures. It is for one goroutine at a time; the engine uses its threads.
type Reader struct{ program engine.Program }

var _ features.Network = (*Reader)(nil)

// New makes the reader that comes with Joule.
func New(e engine.Engine) (*Reader, error) { return newReader(e, weights) }

func newReader(e engine.Engine, weights []byte) (*Reader, error) {
	params := energy.NewParams()
	o := Build(params, expr.Input("x", Image))
	values, err := network.Values(params.Specs(), weights)
	if err != nil {
		return nil, fmt.Errorf("scenes: %w", err)
	}
	outputs := []*expr.Value{o.Features, o.Mean, o.LogVariance, o.Object}
	for _, logits := range o.Logits {
		outputs = append(outputs, expr.Softmax(logits))
	}
	program, err := e.Compile(outputs...)
	if err != nil {
		return nil, fmt.Errorf("scenes: %w", err)
	}
	if err := program.Bind(values); err != nil {
		return nil, fmt.Errorf("scenes: %w", err)
	}
	return &Reader{program}, nil
}

// Name is the network's name.
func (r *Reader) Name() string { return "scenes" }

// Dim is the number of features of an image.
func (r *Reader) Dim() int { return hidden }

// Classes is the number of shapes.
func (r *Reader) Classes() int { return len(objects.Attributes[objects.Shape].Values) }

// Batch is the number of images to read at a time.
func (r *Reader) Batch() int { return 256 }

// Takes refuses all images but square ones in colour of 32, 64, 96, ... pixels.
func (r *Reader) Takes(size dataset.Size) error {
	if size.Height != size.Width || size.Channels != 3 || size.Height < Side || size.Height%Side != 0 {
		return fmt.Errorf("images of %v: the reader of objects takes square ones in colour whose sides are multiples of %d", size, Side)
	}
	return nil
}

// Describe gives the features and the probabilities of shapes.
func (r *Reader) Describe(ctx context.Context, pixels []uint8, size dataset.Size) (features.Description, error) {
	all, err := r.run(ctx, pixels, size)
	return features.Description{Features: all[0], Probabilities: all[shapes]}, err
}

// Read says what each of N pictures of a size shows: N·H·W·3 bytes.
func (r *Reader) Read(ctx context.Context, pixels []uint8, size dataset.Size) ([]Reading, error) {
	var readings []Reading
	step := r.Batch() * size.Len()
	for len(pixels) > 0 {
		part := pixels[:min(step, len(pixels))]
		pixels = pixels[len(part):]
		all, err := r.run(ctx, part, size)
		if err != nil {
			return nil, err
		}
		for i := range len(part) / size.Len() {
			readings = append(readings, reading(all, i))
		}
	}
	return readings, nil
}

// The order of the program's outputs; those of the attributes follow.
const (
	means = iota + 1
	logVariances
	object
	shapes
)

func (r *Reader) run(ctx context.Context, pixels []uint8, size dataset.Size) (outputs [shapes + len(objects.Attributes)][]float32, err error) {
	if err := r.Takes(size); err != nil {
		return outputs, err
	}
	if len(pixels)%size.Len() != 0 {
		return outputs, fmt.Errorf("scenes: %d bytes are not whole images of %v", len(pixels), size)
	}
	n := len(pixels) / size.Len()
	widths := [shapes]int{hidden, len(objects.Numbers), len(objects.Numbers), 1}
	for i, width := range widths {
		outputs[i] = make([]float32, n*width)
	}
	for i, a := range objects.Attributes {
		outputs[shapes+i] = make([]float32, n*len(a.Values))
	}
	if n == 0 {
		return outputs, nil
	}
	call := engine.Call{Batch: n, Inputs: map[string][]float32{"x": Intensities(pixels, size.Height)}, Outputs: outputs[:]}
	return outputs, r.program.Run(ctx, call)
}

// reading makes sense of what the network says of image i.
func reading(outputs [shapes + len(objects.Attributes)][]float32, i int) (r Reading) {
	for k, a := range objects.Attributes {
		for _, p := range outputs[shapes+k][i*len(a.Values):][:len(a.Values)] {
			r.Probabilities[k] = append(r.Probabilities[k], float64(p))
		}
	}
	for k, number := range objects.Numbers {
		at, half := i*len(objects.Numbers)+k, (number.Max-number.Min)/2
		r.Numbers[k] = number.Min + half*(1+float64(outputs[means][at]))
		r.Errors[k] = half * math.Exp(float64(outputs[logVariances][at])/2)
	}
	r.Object = 1 / (1 + math.Exp(-float64(outputs[object][i])))
	return r
}

// Intensities gives the values of pictures as [dataset.Intensities] does, each averaged down to 32×32 pixels.
func Intensities(pixels []uint8, side int) []float32 {
	block := side / Side
	x := make([]float32, len(pixels)/(block*block))
	for i := range x {
		image, row, column, channel := i/Image.Size(), i/(3*Side)%Side, i/3%Side, i%3
		sum := 0
		for dy := range block {
			for dx := range block {
				sum += int(pixels[((image*side+row*block+dy)*side+column*block+dx)*3+channel])
			}
		}
		x[i] = (float32(sum)/float32(block*block) + 0.5) / 256
	}
	return x
}
