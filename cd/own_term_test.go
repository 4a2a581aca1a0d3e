package cd_test

// This file adds terms to the loss that the package does not know: an L2 penalty of the parameters, the flatness of the example,
// and one that looks at fewer references than L_ent.

import (
	"context"
	"math"
	"slices"
	"testing"

	"github.com/joule-ebm/joule/cd"
	"github.com/joule-ebm/joule/energy"
	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/engine/reference"
	"github.com/joule-ebm/joule/engine/rng"
	"github.com/joule-ebm/joule/expr"
	"github.com/joule-ebm/joule/mcmc"
)

// decay is L_decay = ‖θ‖².
func decay(b *cd.Batch) *expr.Value {
	sum := expr.Const(0)
	for _, p := range b.Parameters() {
		sum = expr.Add(sum, expr.Total(expr.Mul(p, p)))
	}
	return sum
}

// remember is L_memory = mean ‖x_kl - r‖², r the nearest of three images of the buffer.
func remember(b *cd.Batch) *expr.Value {
	difference := expr.Sub(b.End().X, expr.Nearest(b.End().X, b.References(3), 1))
	return expr.BatchMean(expr.Total(expr.Mul(difference, difference)))
}

var ownTerms = []cd.Term{
	{Name: "decay", About: "squared parameters", Weight: 0.01, Loss: decay},
	{Name: "slope", About: "the energy is flat at the data", Weight: 0.1, Loss: slope},
	{Name: "memory", About: "near the buffer", Weight: 0.02, Buffer: 3 * batch, Gradient: "buffer", Loss: remember},
}

// The value and the gradient's norm of a term of one's own are measured by its name, and it takes part in the update.
func TestOwnTermsTrain(t *testing.T) {
	s := settings()
	s.DiagnoseEvery = 2
	without := newTrainer(t, s, 0)
	mustStep(t, without, 5, false)
	s.Terms = append(s.Terms, ownTerms...)
	with := newTrainer(t, s, 0)
	var norms []float64
	for i := range 5 {
		m := mustStep(t, with, 1, false)
		loss := 0.0
		for j, term := range s.Terms {
			if m.Terms[j].Name != term.Name {
				t.Fatalf("term %d is %s, want %s", j, m.Terms[j].Name, term.Name)
			}
			if counts := (i)*batch >= term.Buffer; (m.Terms[j].Value != 0) != counts {
				t.Errorf("iteration %d: L_%s is %v", m.Iteration, term.Name, m.Terms[j].Value)
			}
			loss += term.Weight * m.Terms[j].Value
		}
		if math.Abs(loss-m.Loss) > 1e-9*math.Abs(loss) {
			t.Errorf("iteration %d: the loss is %v, its terms make %v", m.Iteration, m.Loss, loss)
		}
		var names []string
		for _, g := range m.Gradients {
			if names = append(names, g.Name); !(g.Value > 0) {
				t.Errorf("iteration %d: the gradient of %s is %v", m.Iteration, g.Name, g.Value)
			}
		}
		want := []string{"cd", "opt", "decay", "slope"}
		switch {
		case i%2 == 1:
			want = nil
		case i == 4:
			want = []string{"cd", "opt", "ent", "decay", "slope", "buffer"}
		}
		if !slices.Equal(names, want) {
			t.Errorf("iteration %d: gradients of %v, want %v", m.Iteration, names, want)
		}
		norms = append(norms, value(m.Terms, "decay"))
	}
	if equal(state(t, with), state(t, without)) {
		t.Error("the terms make no difference")
	}
	// At first it is that of the initial parameters.
	sum := 0.0
	for _, p := range newTrainer(t, s, 0).Parameters {
		sum += float64(p) * float64(p)
	}
	if math.Abs(norms[0]-sum) > 1e-5*sum {
		t.Errorf("L_decay is %v at first, want %v", norms[0], sum)
	}
}

// They also do with labels, with chains that are part of the loss, and with the chains of another sampler.
func TestOwnTermsTrainInEveryWay(t *testing.T) {
	for name, change := range map[string]func(*cd.Settings){
		"last step": func(*cd.Settings) {},
		"all steps": func(s *cd.Settings) { s.AllSteps = true },
		"hmc":       func(s *cd.Settings) { s.Sampler = mcmc.HMC{StepSize: 0.02, Leapfrogs: 2, Temperature: 1e-4} },
		"alone":     func(s *cd.Settings) { s.Terms = nil }, // chains are drawn, and one of the terms asks for their ends
	} {
		t.Run(name, func(t *testing.T) {
			s := settings()
			change(&s)
			s.DiagnoseEvery, s.Terms = 1, append(s.Terms, ownTerms...)
			tr := newTrainer(t, s, 2)
			for range 5 {
				m := mustStep(t, tr, 1, true)
				for _, g := range m.Gradients {
					if !(g.Value > 0) || math.IsInf(g.Value, 0) {
						t.Errorf("iteration %d: the gradient of %s is %v", m.Iteration, g.Name, g.Value)
					}
				}
			}
		})
	}
}

// A strong enough term decides where training goes: squared parameters become fewer.
func TestOwnTermDecides(t *testing.T) {
	s := settings()
	s.Terms = append(s.Terms, cd.Term{Name: "decay", Weight: 10, Loss: decay})
	tr := newTrainer(t, s, 0)
	first := value(mustStep(t, tr, 1, false).Terms, "decay")
	if last := value(mustStep(t, tr, 30, false).Terms, "decay"); !(last < 0.9*first) {
		t.Errorf("‖θ‖² is %v after 31 iterations, %v at first", last, first)
	}
}

// capture is an engine that keeps the outputs it is asked for.
type capture struct {
	engine.Program
	outputs []*expr.Value
}

func (c *capture) Compile(outputs ...*expr.Value) (engine.Program, error) {
	c.outputs = append(c.outputs, outputs...)
	return c, expr.Err(outputs...)
}

func (c *capture) Run(context.Context, engine.Call) error { return nil }

// The gradients of terms of one's own are those of finite differences: in the whole loss, and each group on its own.
func TestOwnTermsGradients(t *testing.T) {
	const n = 2
	model := &energy.Energy{Image: expr.Shape{4, 4, 1}, Build: func(p *energy.Params, x, _ *expr.Value) []*expr.Value {
		return []*expr.Value{energy.Head(p, "head", expr.Swish(energy.Conv(p, "conv", x, 3, energy.PlainKernel), 0))}
	}}
	params, err := model.Params()
	if err != nil {
		t.Fatal(err)
	}
	specs := params.Specs()
	terms := append(cd.PaperTerms(cd.Entropy{References: 5}), ownTerms...)
	terms = slices.DeleteFunc(terms, func(t cd.Term) bool { return t.Name == "opt" }) // some of its parameters are held fixed
	for name, weights := range map[string][][]float64{                                // of cd, reg, ent, decay, slope and memory, in each gradient
		"whole": {{1, 1, 0.3, 0.01, 0.1, 0.02}},
		"apart": {{1, 1, 0, 0, 0, 0}, {0, 0, 1, 0, 0, 0}, {0, 0, 0, 1, 0, 0}, {0, 0, 0, 0, 1, 0}, {0, 0, 0, 0, 0, 0.02}},
	} {
		graph := &capture{}
		_, err := cd.NewObjective(graph, model, cd.ObjectiveOptions{Terms: terms, Sampler: mcmc.Langevin{StepSize: 0.5}, PerGroup: name == "apart"})
		if err != nil {
			t.Fatal(err)
		}
		leaves, s := map[string][]float64{}, rng.New(3)
		for _, v := range expr.Order(graph.outputs...) {
			if name := v.Attr().Name; v.Op().Leaf() && name != "" {
				size := v.Shape().Size()
				if v.Kind() == expr.Sample {
					size *= n
				}
				leaves[name] = make([]float64, size)
				for i := range leaves[name] {
					leaves[name][i] = float64(s.Float32())
				}
			}
		}
		evaluate := func() (losses []float64, gradients [][]float64) {
			results, err := reference.Eval(graph.outputs, n, leaves)
			if err != nil {
				t.Fatal(err)
			}
			results = results[3:] // after the energies and x_kl
			for range terms {
				losses, results = append(losses, results[0][0]), results[1:]
			}
			return losses, results
		}
		_, gradients := evaluate()
		if len(gradients) != len(weights)*len(specs) {
			t.Fatalf("%s: %d gradients of parameters, want %d of each of %d", name, len(gradients), len(weights), len(specs))
		}
		for p, spec := range specs {
			for i := range leaves[spec.Name] {
				const h = 1e-5
				moved := func(d float64) []float64 {
					leaves[spec.Name][i] += d
					defer func() { leaves[spec.Name][i] -= d }()
					losses, _ := evaluate()
					return losses
				}
				above, below := moved(h), moved(-h)
				for g := range weights {
					want := 0.0
					for j, w := range weights[g] {
						want += w * (above[j] - below[j]) / (2 * h)
					}
					if got := gradients[g*len(specs)+p][i]; math.Abs(got-want) > 1e-7*(1+math.Abs(want)) {
						t.Errorf("%s, gradient %d, %s[%d]: %v, want %v", name, g, spec.Name, i, got, want)
					}
				}
			}
		}
	}
}
