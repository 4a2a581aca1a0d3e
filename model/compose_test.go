package model_test

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/joule-ebm/joule/dataset"
	"github.com/joule-ebm/joule/energy"
	"github.com/joule-ebm/joule/engine/cpu"
	"github.com/joule-ebm/joule/engine/rng"
	"github.com/joule-ebm/joule/internal/safetensors"
	"github.com/joule-ebm/joule/mcmc"
	"github.com/joule-ebm/joule/model"
)

// untrained is a small model with first values as the seed has them.
func untrained(t *testing.T, seed uint64, classes []string, change func(*model.Config)) *model.Model {
	t.Helper()
	c := model.Paper()
	c.Network.Filters, c.Network.Image, c.Network.Conditional = 4, []int{12, 12, 1}, len(classes) > 0
	c.Sampler.Steps, c.Generation = 3, model.Generation{Plain: 2}
	if change != nil {
		change(&c)
	}
	e, err := c.NewEnergy(len(classes))
	if err != nil {
		t.Fatal(err)
	}
	p, err := e.Params()
	if err != nil {
		t.Fatal(err)
	}
	m, err := model.New(c, classes, energy.InitialValues(p.Specs(), seed))
	if err != nil {
		t.Fatal(err)
	}
	m.Iterations = int64(seed)
	return m
}

// ofNumbers is a small model that is conditional on numbers.
func ofNumbers(t *testing.T, numbers ...model.Number) *model.Model {
	t.Helper()
	c := model.Paper()
	c.Network.Filters, c.Network.Image = 4, []int{12, 12, 1}
	for _, n := range numbers {
		c.Network.Numbers = append(c.Network.Numbers, n.Name)
	}
	c.Sampler.Steps, c.Generation = 3, model.Generation{Plain: 2}
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	e, err := c.NewEnergy(len(numbers))
	if err != nil {
		t.Fatal(err)
	}
	p, err := e.Params()
	if err != nil {
		t.Fatal(err)
	}
	return &model.Model{Config: c, Numbers: numbers, Energy: e, Params: energy.InitialValues(p.Specs(), 5)}
}

// saved is the model as its file gives it back.
func saved(t *testing.T, m *model.Model) *model.Model {
	t.Helper()
	path := filepath.Join(t.TempDir(), "composed.safetensors")
	if err := m.Save(path); err != nil {
		t.Fatal(err)
	}
	again, err := model.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	second := path + ".again"
	if err := again.Save(second); err != nil {
		t.Fatal(err)
	}
	a, _ := os.ReadFile(path)
	b, _ := os.ReadFile(second)
	if !slices.Equal(a, b) {
		t.Error("a model that was read and saved again has other bytes")
	}
	return again
}

func compose(t *testing.T, expression string, models map[string]*model.Model) *model.Model {
	t.Helper()
	m, err := model.Compose(expression, model.DefaultMixture, models)
	if err != nil {
		t.Fatal(err)
	}
	return saved(t, m)
}

func testImages(m *model.Model, n int) []uint8 {
	pixels, s := make([]uint8, n*m.Energy.Image.Size()), rng.New(3)
	for i := range pixels {
		pixels[i] = uint8(s.IntN(256))
	}
	return pixels
}

// spectrumOf is that of some images of a model's shape.
func spectrumOf(t *testing.T, m *model.Model) *mcmc.Spectrum {
	t.Helper()
	s, err := mcmc.SpectrumOf(testImages(m, 20), m.Energy.Image)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func energiesOf(t *testing.T, m *model.Model, label int) []float64 {
	t.Helper()
	e, err := m.Energies(t.Context(), &cpu.Engine{Threads: 2}, testImages(m, 5), label)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// samplers are changes of a configuration, so that all kinds of samplers are used.
var samplers = map[string]func(*model.Config){
	"langevin":                     nil,
	"langevin, the noise annealed": func(c *model.Config) { c.Sampler.Noise, c.Sampler.Anneal = 0.05, true },
	"langevin, from hot":           func(c *model.Config) { c.Sampler = c.Sampler.AnnealedFrom(1e4, 5) },
	"langevin, augmented":          func(c *model.Config) { c.Augmentation, c.Generation.Augmented = "cifar10", 2 },
	"langevin, noise mixed in":     func(c *model.Config) { c.Generation.Augmented, c.Generation.Renoise = 2, 0.5 },
	"mala":                         func(c *model.Config) { c.Sampler.Kind, c.Sampler.StepSize = "mala", 1e-4 },
	"hmc":                          func(c *model.Config) { c.Sampler.Kind, c.Sampler.StepSize = "hmc", 0.01 },
	"hmc, from hot":                func(c *model.Config) { c.Sampler.Kind, c.Sampler.StepSize, c.Sampler.Hot = "hmc", 0.01, 100 },
}

// A composition of one model is that model: the same energies and samples, bit for bit, from a file too, by any sampler.
func TestOneModelComposed(t *testing.T) {
	classes := []string{"zero", "one", "two"}
	for _, c := range []struct {
		name, expression string
		part             *model.Model
		label            int     // of the part, that the composition has
		labels           []int32 // of the part's samples
	}{
		{"unconditional", "a", untrained(t, 1, nil, nil), model.AnyLabel, nil},
		{"conditional", "a", untrained(t, 2, classes, nil), 2, []int32{2}},
		{"of one class", "a:two", untrained(t, 2, classes, nil), model.AnyLabel, []int32{2}},
		{"a name that is a number", "a:1", untrained(t, 3, []string{"2", "1", "0"}, nil), model.AnyLabel, []int32{1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			whole := compose(t, c.expression, map[string]*model.Model{"a": c.part})
			label := model.AnyLabel
			if len(c.labels) > 0 {
				label = int(c.labels[0])
			}
			if got, want := energiesOf(t, whole, c.label), energiesOf(t, c.part, label); !slices.Equal(got, want) {
				t.Errorf("energies %v, want %v", got, want)
			}
			s := model.Sampling{Images: 3, Seed: 4, Labels: c.labels}
			want, err := c.part.Sample(t.Context(), &cpu.Engine{Threads: 2}, s)
			if err != nil {
				t.Fatal(err)
			}
			if c.label == model.AnyLabel {
				s.Labels = nil
			}
			got, err := whole.Sample(t.Context(), &cpu.Engine{Threads: 2}, s)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got, want) {
				t.Error("other samples")
			}
		})
	}
	for name, change := range samplers {
		part := untrained(t, 1, nil, change)
		if got, want := drawn(t, compose(t, "a", map[string]*model.Model{"a": part}), 4), drawn(t, part, 4); !slices.Equal(got, want) {
			t.Errorf("%s: other samples", name)
		}
	}
}

// drawn are n samples, three at a time.
func drawn(t *testing.T, m *model.Model, n int) []uint8 {
	t.Helper()
	pixels, err := m.Sample(t.Context(), &cpu.Engine{Threads: 2}, model.Sampling{Images: n, Seed: 4, Together: 3})
	if err != nil {
		t.Fatal(err)
	}
	return pixels
}

// weighedBy has the alternatives that have this log Z.
func weighedBy(t *testing.T, m *model.Model, logZ map[string]float64) *model.Model {
	t.Helper()
	weighed, err := m.Weigh(func(alternative *model.Model) (float64, error) {
		return logZ[alternative.Config.Composition.Expression], nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return saved(t, weighed)
}

// A mixture whose log Z are known draws each alternative as often as its share says, and as that draws by itself, bit for bit, by any sampler
// and whatever the energies say of one another.
func TestMixtureDrawsItsAlternatives(t *testing.T) {
	for name, change := range samplers {
		a, b := untrained(t, 1, nil, change), untrained(t, 2, nil, change)
		both := weighedBy(t, compose(t, "a | b", map[string]*model.Model{"a": a, "b": b}), map[string]float64{"a": 700, "b": -300})
		got, of := drawn(t, both, 4), [][]uint8{drawn(t, a, 4), drawn(t, b, 4)}
		for i := range 4 {
			if from, size := i*len(got)/4, len(got)/4; !slices.Equal(got[from:from+size], of[i%2][from:from+size]) {
				t.Errorf("%s: image %d is not that of its alternative", name, i)
			}
		}
		twice := weighedBy(t, compose(t, "a | a", map[string]*model.Model{"a": a}), map[string]float64{"a": 5})
		if !slices.Equal(drawn(t, twice, 4), of[0]) {
			t.Errorf("%s: a | a has other samples than a", name)
		}
	}
}

// used are the parts that an expression names.
func used(parts map[string]*model.Model, expression string) map[string]*model.Model {
	named := map[string]*model.Model{}
	for name, m := range parts {
		if strings.Contains(expression, name) {
			named[name] = m
		}
	}
	return named
}

// The alternatives of a mixture have the shares wᵢZᵢ, whichever way it is put together.
func TestAlternatives(t *testing.T) {
	a, b, c := untrained(t, 1, nil, nil), untrained(t, 2, nil, nil), untrained(t, 3, []string{"off", "on"}, nil)
	parts := map[string]*model.Model{"a": a, "b": b, "c": c}
	logZ := map[string]float64{"a": 2, "b": -30, "c:on": 7, "a & b": 11, "a @ -2 | b @ 30": 13}
	composed := func(expression string) *model.Model { return compose(t, expression, used(parts, expression)) }
	shares := func(m *model.Model) string {
		all, err := m.Config.Composition.Alternatives()
		if err != nil {
			t.Fatal(err)
		}
		var text []string
		for _, one := range all {
			text = append(text, fmt.Sprintf("%s: %.3f", one.Expression, one.Share))
		}
		return strings.Join(text, ", ")
	}
	equal := weighedBy(t, composed("a | b"), logZ)
	parts["m"] = equal
	for _, one := range []struct {
		expression, want string
		weighed          bool
	}{
		{"a | b", "a: 0.500, b: 0.500", true},
		{"a @ -1 | b @ 0.0986122886681098", "a: 0.250, b: 0.750", true}, // log 3 = 1.0986...
		{"a & b | c:on | a", "a & b: 0.333, c:on: 0.333, a: 0.333", true},
		{"(a | b) | c:on", "a: 0.250, b: 0.250, c:on: 0.500", true},
		{"a | b", "a | b: 1.000", false},
		{"(a | b) & c:on", "(a @ -2 | b @ 30) & c:on: 1.000", true},
		{"2*(a | b)", "2*(a @ -2 | b @ 30): 1.000", true},
		{"m", "a: 0.500, b: 0.500", false},
		{"m & c:on", "m & c:on: 1.000", false},
	} {
		m := composed(one.expression)
		if one.weighed {
			m = weighedBy(t, m, logZ)
		}
		if got := shares(m); got != one.want {
			t.Errorf("%s: %s, want %s", one.expression, got, one.want)
		}
		told := strings.Contains(strings.Join(m.Config.Composition.Notes(), " "), "a chain goes to the alternative")
		if undrawn := strings.ContainsAny(one.expression, "|m") && strings.Contains(one.want, "1.000"); told != undrawn {
			t.Errorf("%s: notes %q", one.expression, m.Config.Composition.Notes())
		}
	}
	if got := shares(weighedBy(t, equal, logZ)); got != "a: 0.500, b: 0.500" {
		t.Errorf("weighed twice: %s", got)
	}
	uneven := weighedBy(t, composed("a @ 2 | b @ 1.1527021396127963"), logZ)
	pixels, alone := drawn(t, uneven, 16), drawn(t, a, 16)
	same := 0
	for i, size := 0, len(alone)/16; i < 16; i++ {
		if slices.Equal(pixels[i*size:][:size], alone[i*size:][:size]) {
			same++
		}
	}
	if same != 12 {
		t.Errorf("%d of 16 images are of the alternative with a share of 0.7", same)
	}
	byScale, err := model.Compose("a | b", energy.Mixture{Temperature: 0.01, ByScale: true}, map[string]*model.Model{"a": a, "b": b})
	if err != nil {
		t.Fatal(err)
	}
	if got := shares(weighedBy(t, byScale, logZ)); strings.Contains(got, ",") {
		t.Errorf("joined by scale: %s", got)
	}
}

// Where a mixture leaves the label open, every label is drawn from each alternative as often as its share says.
func TestMixtureDrawsItsAlternativesOfEveryLabel(t *testing.T) {
	classes := []string{"off", "on", "up", "down"}
	a, b := untrained(t, 1, classes, nil), untrained(t, 2, classes, nil)
	for expression, share := range map[string]float64{"a | b": 0.5, "a @ 0 | b @ 1.0986122886681098": 0.25} { // log 3 = 1.0986...
		both := weighedBy(t, compose(t, expression, map[string]*model.Model{"a": a, "b": b}), nil)
		for name, s := range map[string]model.Sampling{
			"all labels": {}, "two labels": {Labels: []int32{3, 1}}, "a label": {Labels: []int32{2}},
			"conditions": {Conditions: [][]float64{{1, 0, 0, 0}, {0, 0, 1, 0}}},
		} {
			turns := max(len(s.Labels), len(s.Conditions))
			if turns == 0 {
				turns = len(classes)
			}
			s.Images, s.Steps, s.Together = 8*turns, 2, 5
			draw := func(m *model.Model) []uint8 {
				pixels, err := m.Sample(t.Context(), &cpu.Engine{Threads: 2}, s)
				if err != nil {
					t.Fatal(err)
				}
				return pixels
			}
			got, of := draw(both), [][]uint8{draw(a), draw(b)}
			size, fromA := len(got)/s.Images, make([]int, turns)
			for i := range s.Images {
				image := func(pixels []uint8) []uint8 { return pixels[i*size:][:size] }
				switch {
				case slices.Equal(image(got), image(of[0])):
					fromA[i%turns]++
				case !slices.Equal(image(got), image(of[1])):
					t.Errorf("%s, %s: image %d is of neither alternative", expression, name, i)
				}
			}
			for turn, n := range fromA {
				if float64(n) != 8*share {
					t.Errorf("%s, %s: %d of 8 images of label %d in turn are of a, want %v", expression, name, n, turn, 8*share)
				}
			}
		}
	}
}

// Models compose, and compositions again, as the sums say; what stands in the file is all that is needed.
func TestComposedModels(t *testing.T) {
	classes := []string{"off", "on"}
	a, b := untrained(t, 1, nil, nil), untrained(t, 2, nil, func(c *model.Config) { c.Network.Filters = 5; c.Sampler.StepSize = 50 })
	c := untrained(t, 3, classes, nil)
	parts := map[string]*model.Model{"a": a, "b": b, "c": c}
	ea, eb, on, off := energiesOf(t, a, model.AnyLabel), energiesOf(t, b, model.AnyLabel), energiesOf(t, c, 1), energiesOf(t, c, 0)
	check := func(name string, got []float64, want func(i int) float64) {
		t.Helper()
		for i, e := range got {
			if w := want(i); math.Abs(e-w) > 1e-5 {
				t.Errorf("%s: image %d has energy %v, want %v", name, i, e, w)
			}
		}
	}

	both := compose(t, "a & 0.5*b & !c:on", parts)
	check("and", energiesOf(t, both, model.AnyLabel), func(i int) float64 { return ea[i] + 0.5*eb[i] - 0.001*on[i] })
	if s := both.Config.Sampler; math.Abs(s.StepSize-1/(1./100+1./50)) > 1e-9 || s.Steps != 20 || both.ChainSteps(model.Sampling{}) != 280 {
		t.Errorf("sampled by steps of %v, %d a round, %d in all", s.StepSize, s.Steps, both.ChainSteps(model.Sampling{}))
	}
	without := compose(t, "!c:on & b", map[string]*model.Model{"b": b, "c": c})
	if got, want := without.Config.Sampler, b.Config.Sampler; got != want || without.Config.Generation != b.Config.Generation {
		t.Errorf("b without c is sampled as %+v, want as b is, %+v", got, want)
	}
	restarts := func(c *model.Config) { c.Generation.Renoise = 0.5 }
	alike := map[string]*model.Model{"a": untrained(t, 1, nil, restarts), "b": untrained(t, 2, nil, restarts)}
	if g := compose(t, "a & b", alike).Config.Generation; g.Renoise == 0 || g.Plain != 0 {
		t.Errorf("of models sampled with noise mixed in: %+v", g)
	}
	alike["c"] = c
	if g := compose(t, "a & b & !c:on", alike).Config.Generation; g.Renoise == 0 {
		t.Errorf("of such models, and without one that does not know the way from noise: %+v", g)
	}
	delete(alike, "c")
	alike["b"] = b
	if g := compose(t, "a & b", alike).Config.Generation; g.Renoise != 0 {
		t.Errorf("of models one of which does not know the way from noise: %+v", g)
	}
	spectrum := func(c *model.Config) {
		c.Noise, c.Spectrum, c.Generation = model.SpectrumNoise, spectrumOf(t, a), model.Generation{Augmented: 5}
	}
	photographs := map[string]*model.Model{"a": untrained(t, 1, nil, spectrum), "b": untrained(t, 2, nil, spectrum)}
	if c, own := compose(t, "a & b", photographs).Config, photographs["a"].Config; c.Generation != own.Generation || c.Sampler.Steps != own.Sampler.Steps {
		t.Errorf("of models whose chains start from noise with the spectrum of images: %d steps a round, %+v", c.Sampler.Steps, c.Generation)
	}
	photographs["b"] = b
	if g := compose(t, "a & b", photographs).Config.Generation; g.Plain != 3 {
		t.Errorf("of models one of which starts from uniform noise: %+v", g)
	}
	if both.Iterations != 3 || both.Parameters() != a.Parameters()+b.Parameters()+c.Parameters() {
		t.Errorf("%d iterations, %d parameters", both.Iterations, both.Parameters())
	}
	open := compose(t, "a & c", map[string]*model.Model{"a": a, "c": c})
	if !slices.Equal(open.Classes, classes) {
		t.Errorf("classes %v", open.Classes)
	}
	check("the label left open", energiesOf(t, open, 1), func(i int) float64 { return ea[i] + on[i] })

	or := compose(t, "c:on | c:off", map[string]*model.Model{"c": c})
	mixed := func(x, y float64) float64 { return -0.01 * math.Log((math.Exp(-100*x)+math.Exp(-100*y))/2) }
	check("or", energiesOf(t, or, model.AnyLabel), func(i int) float64 { return mixed(on[i], off[i]) })

	nested := compose(t, "2*x & y", map[string]*model.Model{"x": both, "y": or})
	check("nested", energiesOf(t, nested, model.AnyLabel), func(i int) float64 {
		return 2*(ea[i]+0.5*eb[i]-0.001*on[i]) + mixed(on[i], off[i])
	})
	if _, ok := nested.Params["x.a.fc.weight"]; !ok && len(nested.Params) != len(both.Params)+len(or.Params) {
		t.Errorf("parameters %d", len(nested.Params))
	}
	pixels, err := nested.Sample(t.Context(), &cpu.Engine{}, model.Sampling{Images: 2, Seed: 1, Steps: 6})
	if err != nil || len(pixels) != 2*144 {
		t.Errorf("%d pixels of samples, error %v", len(pixels), err)
	}
}

// A composition steps as its parts together do, whatever kinds of samplers they have: λ/M for M alike, of the kind of the first; and no further than
// a part does by itself where these go further in what is coarse.
func TestPaceOfSamplers(t *testing.T) {
	as := func(kind string, then func(*model.Sampler)) func(*model.Config) {
		return func(c *model.Config) {
			if c.Sampler = c.Sampler.As(kind); then != nil {
				then(&c.Sampler)
			}
		}
	}
	coarse := as("langevin", func(s *model.Sampler) { s.Coarse = 2 }) // of 12×12, goes 1 + 2 times as far in what is coarse
	parts := map[string]*model.Model{
		"a": untrained(t, 1, nil, nil), "b": untrained(t, 2, nil, as("langevin", func(s *model.Sampler) { s.StepSize = 50 })),
		"h": untrained(t, 3, nil, as("hmc", nil)), "g": untrained(t, 4, nil, as("hmc", func(s *model.Sampler) { s.StepSize /= 2 })),
		"m": untrained(t, 5, nil, as("mala", nil)), "c": untrained(t, 6, nil, coarse), "d": untrained(t, 7, nil, coarse),
	}
	for expression, want := range map[string]struct {
		kind     string
		lambda   float64
		coarse   float64
		sameStep bool // as its first part's, to the last bit
	}{
		"a & b": {"langevin", 1 / (1./100 + 1./50), 0, false}, "a & b & m": {"langevin", 25, 0, false},
		"h": {"hmc", 100, 0, true}, "m": {"mala", 100, 0, true}, "h & !m": {"hmc", 100, 0, true}, "h & h": {"hmc", 50, 0, false},
		"m & m": {"mala", 50, 0, false}, "a & h": {"langevin", 50, 0, false}, "a & m": {"langevin", 50, 0, false}, "h & a": {"hmc", 50, 0, false},
		"m & a": {"mala", 50, 0, false}, "h & g": {"hmc", 20, 0, false}, "h | g": {"hmc", 25, 0, false}, "a | h": {"langevin", 100, 0, true},
		"h & (g | m)": {"hmc", 20, 0, false}, "!h": {"hmc", 100, 0, true},
		"c & d": {"langevin", 50, 2, false}, "a & c": {"langevin", 50, 0, false}, "c & a": {"langevin", 25, 2, false}, "c | a": {"langevin", 100. / 3, 2, false},
		"m & c": {"mala", 50, 0, false}, "c & h": {"langevin", 25, 2, false},
	} {
		m := compose(t, expression, used(parts, expression))
		sampler, err := m.Config.NewSampler()
		if err != nil {
			t.Fatal(err)
		}
		s, first := m.Config.Sampler, parts[strings.Trim(expression, "!")[:1]].Config.Sampler
		if drift := sampler.Drift(); s.Kind != want.kind || math.Abs(drift.StepSize/want.lambda-1) > 1e-12 || drift.Coarse != want.coarse {
			t.Errorf("%s: %s with drift %v, want %+v", expression, s.Kind, drift, want)
		}
		if s.Noise != first.Noise || s.Temperature != first.Temperature || want.sameStep && s.StepSize != first.StepSize {
			t.Errorf("%s: sampled as %+v, the first part as %+v", expression, s, first)
		}
	}
}

// Alternatives weighed by their log Z share a mixture: each density counts as itself, whatever constant its energy has.
func TestWeigh(t *testing.T) {
	a, b := untrained(t, 1, nil, nil), untrained(t, 2, nil, nil)
	m := compose(t, "(a | a & b) & b", map[string]*model.Model{"a": a, "b": b})
	m.Config.Sampler.Steps = 7
	var asked []string
	weighed, err := m.Weigh(func(alternative *model.Model) (float64, error) {
		asked = append(asked, alternative.Config.Composition.Expression)
		return float64(10 * len(asked)), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	weighed = saved(t, weighed)
	if want := "(a @ -10 | a & b @ -20) & b"; weighed.Config.Composition.Expression != want || weighed.Config.Sampler.Steps != 7 {
		t.Errorf("%s, %d steps, want %s and 7", weighed.Config.Composition.Expression, weighed.Config.Sampler.Steps, want)
	}
	if want := []string{"a", "a & b"}; !slices.Equal(asked, want) {
		t.Errorf("asked for %q, want %q", asked, want)
	}
	ea, eb := energiesOf(t, a, model.AnyLabel), energiesOf(t, b, model.AnyLabel)
	low := math.Log(1 + math.Exp(-10))
	for i, e := range energiesOf(t, weighed, model.AnyLabel) {
		x, y := -ea[i]/0.01-low, -(ea[i]+eb[i])/0.01-10-low
		want := -0.01*(max(x, y)+math.Log1p(math.Exp(-math.Abs(x-y)))) + eb[i]
		if math.Abs(e-want) > 1e-5 {
			t.Errorf("image %d has energy %v, want %v", i, e, want)
		}
	}
	if _, err := compose(t, "a & b", map[string]*model.Model{"a": a, "b": b}).Weigh(nil); err == nil {
		t.Error("no error where there is nothing to weigh")
	}
	if _, err := a.Weigh(nil); err == nil {
		t.Error("no error for a model that is not composed")
	}
}

// The parts of a composed file know of their data what they knew before: an alternative is the model that it was, and can be sampled and saved. Files
// of earlier versions, whose parts do not know it, open.
func TestPartsKnowTheirData(t *testing.T) {
	a := untrained(t, 1, nil, nil)
	of := func(seed uint64, images int) *model.Model {
		return untrained(t, seed, nil, func(c *model.Config) {
			c.Noise, c.Spectrum, c.Fingerprint = model.SpectrumNoise, spectrumOf(t, a), &dataset.Fingerprint{Images: images, Checksum: 5}
		})
	}
	parts := map[string]*model.Model{"a": of(1, 10), "b": of(2, 11)}
	parts["x"] = compose(t, "b", map[string]*model.Model{"b": parts["b"]})
	whole := compose(t, "a | b | x", parts)
	if _, err := whole.Weigh(func(alternative *model.Model) (float64, error) {
		name := alternative.Config.Composition.Expression
		if got, want := drawn(t, saved(t, alternative), 2), drawn(t, parts[name], 2); !slices.Equal(got, want) {
			t.Errorf("%s: other samples", name)
		}
		if got, want := alternative.Config.Fingerprint, parts[name].Config.Fingerprint; got == nil || *got != *want {
			t.Errorf("%s: learnt from %v, want %v", name, got, want)
		}
		return 0, nil
	}); err != nil {
		t.Fatal(err)
	}

	path := filepath.Join(t.TempDir(), "model.safetensors")
	if err := whole.Save(path); err != nil {
		t.Fatal(err)
	}
	file, err := safetensors.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	was := file.Metadata["composition"]
	for _, c := range []struct{ find, put, want string }{
		{`"mean":\[`, `"mean":[1,2,`, "part a: spectrum of 3 channels"}, {`,"(spectrum|data_fingerprint)":{[^}]*}`, "", ""},
	} {
		file.Metadata["composition"] = regexp.MustCompile(c.find).ReplaceAllString(was, c.put)
		if file.Metadata["composition"] == was {
			t.Fatal("nothing to change in", was)
		}
		var text bytes.Buffer
		if err := safetensors.Write(&text, file.Tensors, file.Metadata); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, text.Bytes(), 0o666); err != nil {
			t.Fatal(err)
		}
		m, err := model.Open(path)
		if c.want != "" {
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: %v, want %s", c.put, err, c.want)
			}
		} else if err != nil || !slices.Equal(drawn(t, m, 2), drawn(t, whole, 2)) {
			t.Errorf("a file of an earlier version: %v, or other samples", err)
		}
	}
}

// Mistakes are one line that says what to do.
func TestComposeModelsRefuses(t *testing.T) {
	a, c := untrained(t, 1, nil, nil), untrained(t, 2, []string{"off", "on"}, nil)
	large := untrained(t, 3, nil, func(c *model.Config) { c.Network.Image = []int{16, 16, 3} })
	other := untrained(t, 4, []string{"x", "y"}, nil)
	parts := map[string]*model.Model{"a": a, "c": c, "large": large, "other": other}
	for expression, want := range map[string]string{
		"a & b":            "character 5 of the expression (a & ▸b): there is no model b: give it as b=RUN",
		"a & c:up":         `character 7 of the expression (a & c:▸up): c: no class "up": want the name of one ("off", "on") or a number from 0 to 1`,
		"a:1":              "the model is unconditional",
		"a & large":        "a is of images of 12×12×1 and large of 16×16×3",
		"c & other":        "c and other have different classes or numbers",
		"a &":              "character 4",
		"c & other | a":    "different classes",
		"a & c:on & large": "images",
	} {
		_, err := model.Compose(expression, model.DefaultMixture, used(parts, expression))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: error %v, want one line with %q", expression, err, want)
		}
	}
	if _, err := model.Compose("a", model.DefaultMixture, parts); err == nil || !strings.Contains(err.Error(), "is not in the expression a") {
		t.Errorf("models that are not used: %v", err)
	}
}

// What the whole has but once, and parts have differently, is told.
func TestNotes(t *testing.T) {
	a := untrained(t, 1, nil, nil)
	b := untrained(t, 2, nil, func(c *model.Config) { c.Data = "b.zip"; c.Sampler.Noise = 0.01 })
	d := untrained(t, 3, nil, func(c *model.Config) { c.Seed = 9 })
	m := compose(t, "a & b & d", map[string]*model.Model{"a": a, "b": b, "d": d})
	notes := fmt.Sprint(strings.Join(m.Config.Composition.Notes(), "; "))
	for _, want := range []string{"the data of a is mnist, that of b b.zip", "the noise of a is 0.001", "a and d hold out other images"} {
		if !strings.Contains(notes, want) {
			t.Errorf("notes %s: want %s", notes, want)
		}
	}
	notes = strings.Join(compose(t, "!a & b", map[string]*model.Model{"a": a, "b": b}).Config.Composition.Notes(), "; ")
	if !strings.Contains(notes, "has that of b") {
		t.Errorf("notes %s: want what b has, which the composition is sampled as", notes)
	}
	without := untrained(t, 4, nil, func(c *model.Config) {
		c.Exclude, c.Noise, c.Spectrum = "class=cat", model.SpectrumNoise, spectrumOf(t, a)
	})
	notes = strings.Join(compose(t, "a & b", map[string]*model.Model{"a": a, "b": without}).Config.Composition.Notes(), "; ")
	for _, want := range []string{"the setting exclude of a is none, that of b class=cat", "the start of chains of a is uniform, that of b spectrum"} {
		if !strings.Contains(notes, want) {
			t.Errorf("notes %s: want %s", notes, want)
		}
	}
	for expression, want := range map[string]bool{"!a": true, "0.5*a & -0.5*b": true, "a & -0.5*b": false, "a | !b": true, "!(!a)": false} {
		used := map[string]*model.Model{"a": a}
		if strings.Contains(expression, "b") {
			used["b"] = b
		}
		if got := strings.Contains(strings.Join(compose(t, expression, used).Config.Composition.Notes(), " "), "images of nothing"); got != want {
			t.Errorf("%s: a note that nothing outweighs negations: %v, want %v", expression, got, want)
		}
	}
	if notes := compose(t, "a & x", map[string]*model.Model{"a": a, "x": a}).Config.Composition.Notes(); len(notes) > 0 {
		t.Errorf("notes %q of equal parts", notes)
	}
}

// A model of attributes together takes one value of each, and a number beside them; by default those of points that have all of them.
func TestAttributesTogether(t *testing.T) {
	m := &model.Model{Numbers: []model.Number{{"shape=cube", 0, 1}, {"shape=ball", 0, 1}, {"x", 0, 4}, {"colour=red", 0, 1}, {"colour=blue", 0, 1}, {"colour=green", 0, 1}}}
	y, err := m.Condition("x=3, colour=green, shape=cube")
	if want := []float64{1, -1, 0.5, -1, -1, 1}; err != nil || !slices.Equal(y, want) {
		t.Errorf("condition %v, %v, want %v", y, err, want)
	}
	for text, words := range map[string]string{
		"shape=cube,x=1": "colour is missing; want all of shape=cube,x=2,colour=red", "shape=cone,x=1,colour=red": "shape=cone: want one of cube, ball",
		"shape=cube,x=1,colour=red,size=big": `no "size"`, "shape=cube,shape=ball,x=1,colour=red": "shape is given twice", "shape,x=1,colour=red": "shape=: want one of cube, ball",
	} {
		if _, err := m.Condition(text); err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%q: %v, want %q", text, err, words)
		}
	}
	seen := map[string]int{}
	for label := range m.Labels() {
		y := m.Conditions([]int32{int32(label)})
		for _, values := range [][]float32{y[:2], y[3:]} {
			if sum := slices.Max(values); sum != 1 || slices.Index(values, 1) < 0 || slices.Min(values) != -1 {
				t.Fatalf("label %d is %v", label, y)
			}
		}
		seen[fmt.Sprint(slices.Index(y[:2], 1), slices.Index(y[3:], 1))]++
	}
	if len(seen) != 6 {
		t.Errorf("the labels are of %d of 6 combinations: %v", len(seen), seen)
	}
}

// A model of numbers takes any of their values, is measured without one by the mixture of some, and composes.
func TestNumbers(t *testing.T) {
	numbers := []model.Number{{"x", 0, 1}, {"y", -2, 2}}
	m := saved(t, ofNumbers(t, numbers...))
	y, err := m.Condition("y=1, x=0.25")
	if err != nil || !slices.Equal(y, []float64{-0.5, 0.5}) {
		t.Errorf("condition %v, %v", y, err)
	}
	for text, words := range map[string]string{
		"x=0.5": "y is missing", "x=2,y=0": "the model has seen 0 to 1", "x=0,x=0": "x is given twice", "z=1": "all of x=0.5,y=0", "": "x is missing", "x=NaN,y=0": "x=NaN", "x=1,y=0,z=1": `no "z"`,
	} {
		if _, err := m.Condition(text); err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%q: %v, want %q", text, err, words)
		}
	}
	// Without a condition the energy is that of the mixture of the points that samples are drawn for by default.
	any := energiesOf(t, m, model.AnyLabel)
	sums := make([]float64, len(any))
	for label := range m.Labels() {
		for i, e := range energiesOf(t, m, label) {
			sums[i] += math.Exp(-e)
		}
	}
	for i := range any {
		if math.Abs(any[i]+math.Log(sums[i])) > 1e-5 {
			t.Errorf("image %d has energy %v, want %v", i, any[i], -math.Log(sums[i]))
		}
	}
	// A condition in an expression is that of sampling, bit for bit.
	s := model.Sampling{Images: 2, Seed: 3, Conditions: [][]float64{y}}
	want, err := m.Sample(t.Context(), &cpu.Engine{}, s)
	if err != nil {
		t.Fatal(err)
	}
	fixed := compose(t, "p:x=0.25,y=1", map[string]*model.Model{"p": m})
	got, err := fixed.Sample(t.Context(), &cpu.Engine{}, model.Sampling{Images: 2, Seed: 3})
	if err != nil || !slices.Equal(got, want) || len(fixed.Numbers) != 0 {
		t.Errorf("other samples (%v)", err)
	}
	open := compose(t, "p & a", map[string]*model.Model{"p": m, "a": untrained(t, 1, nil, nil)})
	if !slices.Equal(open.Numbers, numbers) {
		t.Errorf("numbers left open: %v", open.Numbers)
	}
	if _, err := m.Sample(t.Context(), &cpu.Engine{}, model.Sampling{Images: 2, Conditions: [][]float64{{1}}}); err == nil {
		t.Error("half a condition accepted")
	}
}
