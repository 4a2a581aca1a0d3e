// Package conform holds this implementation to recorded numbers: cases of the networks and losses of Du et al. (ICML 2021),
// computed by the authors' networks in float64. testdata/golden describes the format.
//
// case.go reads a case, compute.go computes its quantities as training would, compare.go measures how far off they are.
package conform

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/joule-ebm/joule/energy"
	"github.com/joule-ebm/joule/expr"
	"github.com/joule-ebm/joule/internal/safetensors"
	"github.com/joule-ebm/joule/mcmc"
)

// Case is a recorded case.
type Case struct {
	Network string // as energy.New names it
	Model   *energy.Energy

	specs    []energy.Spec
	batch    int
	steps    int
	langevin mcmc.Langevin
	params   map[string][]float32 // by name, laid out as this implementation does
	recorded []tensor             // in the order of the file
}

// tensor is a recorded array, laid out as PyTorch does.
type tensor struct {
	name   string
	shape  []int
	values []float32
}

// networks are the names of the authors' networks and ours.
var networks = map[string]string{"MNISTModel": "mnist", "ResNetModel": "cifar10", "CelebAModel": "celeba128"}

// ReadFile reads the case in a safetensors file.
func ReadFile(path string) (*Case, error) {
	f, err := safetensors.ReadFile(path)
	if err != nil {
		return nil, err
	}
	c, err := New(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w; conform wants a recorded case as testdata/golden/README.md describes it", path, err)
	}
	return c, nil
}

// New takes a case from a file's tensors and metadata. Everything a check needs is there and of the right size afterwards.
func New(f *safetensors.File) (*Case, error) {
	c := &Case{params: map[string][]float32{}}
	m := metadata{values: f.Metadata}
	options := energy.Options{Filters: m.integer("filter_dim")}
	if c.Network = networks[m.text("model")]; c.Network == "" && m.err == nil {
		m.err = fmt.Errorf("no network %.40q is known: want MNISTModel, ResNetModel or CelebAModel", f.Metadata["model"])
	}
	if c.Network != "mnist" { // where these two flags mean nothing
		options.MultiScale, options.Attention = m.flag("multiscale"), m.flag("self_attn")
	}
	if m.flag("cond") {
		if options.Classes = m.integer("classes"); options.Classes < 1 {
			m.fail("classes", "below 1 in a conditional case")
		}
	}
	if f.Metadata["spec_norm"] == "True" && m.err == nil {
		m.err = fmt.Errorf("it was recorded with spectral normalisation, whose state it does not hold")
	}
	c.steps = m.integer("steps")
	c.langevin = mcmc.Langevin{StepSize: m.number("step_lr"), Sigma: m.number("noise_scale")}
	if m.err != nil {
		return nil, m.err
	}
	x, ok := f.Lookup("x")
	if !ok || len(x.Shape) != 4 {
		return nil, fmt.Errorf("it has no images x, N×C×H×W")
	}
	c.batch, options.Image = x.Shape[0], expr.Shape{x.Shape[2], x.Shape[3], x.Shape[1]}
	if c.batch < 1 || c.steps < 1 {
		return nil, fmt.Errorf("it has %d images and %d steps: want at least one of each", c.batch, c.steps)
	}
	var err error
	if c.Model, err = energy.New(c.Network, options); err != nil {
		return nil, err
	}
	params, err := c.Model.Params()
	if err != nil {
		return nil, err
	}
	c.specs = params.Specs()
	for _, t := range f.Tensors {
		values, err := t.Float32s()
		if err != nil {
			return nil, err
		}
		c.recorded = append(c.recorded, tensor{t.Name, t.Shape, values})
	}
	if err := c.check(); err != nil {
		return nil, err
	}
	return c, nil
}

// check sees to it that every tensor is there and has the shape that the network gives it, and takes the parameters over.
func (c *Case) check() error {
	scales := len(c.Model.Build(energy.NewParams(), expr.Input("x", c.Model.Image), c.labelInput()))
	image := []int{c.Model.Image[2], c.Model.Image[0], c.Model.Image[1]}
	images := append([]int{c.batch}, image...)
	if t := c.find("compare"); t == nil || len(t.shape) != 4 || t.shape[0] < 1 || !slices.Equal(t.shape[1:], image) {
		return fmt.Errorf("it has no tensor compare of shape [N %d %d %d]", image[0], image[1], image[2])
	}
	want := []tensor{
		{name: "x", shape: images}, {name: "energy", shape: []int{c.batch, scales}}, {name: "score_grad_x", shape: images},
		{name: "noise", shape: append([]int{c.steps}, images...)}, {name: "chain_end", shape: images},
		{name: "chain_before_last_step", shape: images}, {name: "x_pos", shape: images}, {name: "x_kl", shape: images},
	}
	if c.Model.Classes > 0 {
		want = append(want, tensor{name: "label", shape: []int{c.batch, c.Model.Classes}})
	}
	for _, s := range c.specs {
		want = append(want, tensor{name: "param/" + s.Name, shape: s.TorchShape()})
		for _, q := range quantities {
			if name := q.name + "/" + s.Name; c.find(name) != nil {
				want = append(want, tensor{name: name, shape: s.TorchShape()})
			}
		}
	}
	for _, w := range want {
		if t := c.find(w.name); t == nil {
			return fmt.Errorf("it has no tensor %s", w.name)
		} else if !slices.Equal(t.shape, w.shape) {
			return fmt.Errorf("its tensor %s has shape %v, want %v", w.name, t.shape, w.shape)
		}
	}
	for _, q := range quantities {
		if len(c.parts(q.name)) == 0 {
			return fmt.Errorf("it has no tensor %s", q.name)
		}
	}
	for _, s := range c.specs {
		c.params[s.Name] = make([]float32, s.Shape.Size())
		s.FromTorch(c.params[s.Name], c.find("param/"+s.Name).values)
	}
	return nil
}

// find is the recorded tensor of that name, or nil.
func (c *Case) find(name string) *tensor {
	for i := range c.recorded {
		if c.recorded[i].name == name {
			return &c.recorded[i]
		}
	}
	return nil
}

func (c *Case) labelInput() *expr.Value {
	if c.Model.Classes == 0 {
		return nil
	}
	return expr.Input("label", expr.Shape{1, 1, c.Model.Classes})
}

// label is one-hot, N×classes, or nil.
func (c *Case) label() []float32 {
	if t := c.find("label"); t != nil && c.Model.Classes > 0 {
		return t.values
	}
	return nil
}

// images gives recorded images as this implementation lays them out: N,C,H,W to N,H,W,C.
func (c *Case) images(name string) []float32 {
	return transposed(c.find(name).values, c.Model.Image[2], c.Model.Image[0]*c.Model.Image[1])
}

// channelsFirst is the inverse.
func (c *Case) channelsFirst(images []float32) []float32 {
	return transposed(images, c.Model.Image[0]*c.Model.Image[1], c.Model.Image[2])
}

// transposed takes matrices of rows×columns, one after the other, to columns×rows.
func transposed(src []float32, rows, columns int) []float32 {
	dst, size := make([]float32, len(src)), rows*columns
	for first := 0; first < len(src); first += size {
		for r := range rows {
			for k := range columns {
				dst[first+k*rows+r] = src[first+r*columns+k]
			}
		}
	}
	return dst
}

// metadata reads settings and remembers the first mistake.
type metadata struct {
	values map[string]string
	err    error
}

func (m *metadata) text(key string) string {
	v, ok := m.values[key]
	if !ok {
		m.fail(key, "missing")
	}
	return v
}

func (m *metadata) integer(key string) int {
	v := m.text(key)
	n, err := strconv.Atoi(v)
	if err != nil {
		m.fail(key, fmt.Sprintf("%.40q, want a whole number", v))
	}
	return n
}

func (m *metadata) number(key string) float64 {
	v := m.text(key)
	x, err := strconv.ParseFloat(v, 64)
	if err != nil {
		m.fail(key, fmt.Sprintf("%.40q, want a number", v))
	}
	return x
}

func (m *metadata) flag(key string) bool {
	v := m.text(key)
	if v != "True" && v != "False" {
		m.fail(key, fmt.Sprintf("%.40q, want True or False", v))
	}
	return v == "True"
}

func (m *metadata) fail(key, what string) {
	if m.err == nil {
		m.err = fmt.Errorf("its metadata %s is %s", key, what)
	}
}
