package cd

// This file keeps the state of training where the engine computes, on engines that can: parameters, their gradient, optimiser and average
// are arrays of a store, and the update is a program. In go a batch and the chains' starts, out come the chains' ends and some numbers.
// The equations are those of clip.go, adam.go and average.go. Where the engine can, chains, loss and update are one program (whole.go).

import (
	"context"
	"errors"
	"math"

	"github.com/joule-ebm/joule/energy"
	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/expr"
)

// The arrays of the store: each is a flat vector, in the order of the specs.
const (
	keptParameters = "parameters"
	keptAveraged   = "averaged"
	keptMean       = "adam_mean"
	keptSquare     = "adam_square"
	keptGradient   = "gradient"
)

// kept is the state of training in a store.
type kept struct {
	engine       engine.Keeper
	store        engine.Store
	specs        []energy.Spec
	places       map[string]engine.Place // of the parameters
	norm, update engine.StoreProgram
	pushed       bool // the store has what the trainer's fields had
	pulled       bool // the fields have what the store has
}

// newKept prepares the arrays, and the programs that work on them, for a training with such settings. It is nil if an engine has no store.
func newKept(loss, chains engine.Engine, specs []energy.Spec, s Settings) (*kept, error) {
	k, ok := loss.(engine.Keeper)
	if _, also := chains.(engine.Keeper); !ok || !also {
		return nil, nil
	}
	size := energy.Numbers(specs)
	flat := func(array string) *expr.Value { return expr.Param(array, expr.Shape{1, 1, size}) }
	number := func(name string) *expr.Value { return expr.Param(name, expr.Scalar) }

	θ, a, m, v, g := flat(keptParameters), flat(keptAveraged), flat(keptMean), flat(keptSquare), flat(keptGradient)
	square, clipped := expr.Total(expr.Mul(g, g)), g
	if s.ClipNorm > 0 {
		norm := expr.Pow(number(squaredNorm), 0.5)
		clipped = expr.Mul(g, expr.Clamp(expr.Affine(expr.Pow(expr.Affine(norm, 1, 1e-6), -1), s.ClipNorm, 0), 0, 1))
	}
	m = expr.Add(expr.Affine(m, s.Beta1, 0), expr.Affine(clipped, 1-s.Beta1, 0))
	v = expr.Add(expr.Affine(v, s.Beta2, 0), expr.Affine(expr.Mul(clipped, clipped), 1-s.Beta2, 0))
	root := expr.Affine(expr.Mul(expr.Pow(v, 0.5), number("correction")), 1, s.Epsilon)
	θ = expr.Sub(θ, expr.Mul(expr.Mul(m, number("rate")), expr.Pow(root, -1)))
	a = expr.Add(expr.Affine(a, s.Decay, 0), expr.Affine(θ, 1-s.Decay, 0))

	state := &kept{engine: k, specs: specs, places: map[string]engine.Place{}}
	sizes := map[string]int{}
	for _, array := range updated {
		sizes[array] = size
	}
	var err error
	if state.store, err = k.NewStore(sizes); err != nil {
		return nil, err
	}
	offset := 0
	for _, spec := range specs {
		state.places[spec.Name] = engine.Place{Array: keptParameters, Offset: offset}
		offset += spec.Shape.Size()
	}
	if state.norm, err = state.compile(square); err != nil {
		return nil, err
	}
	state.update, err = state.compile(θ, a, m, v)
	return state, err
}

// squaredNorm is the update's parameter ‖g‖².
const squaredNorm = "squared_norm"

func (k *kept) compile(outputs ...*expr.Value) (engine.StoreProgram, error) {
	p, err := k.engine.Compile(outputs...)
	if err != nil {
		return nil, err
	}
	return p.(engine.StoreProgram), nil
}

// wholeArrays are the places of parameters that are arrays as they are.
func wholeArrays(arrays ...string) map[string]engine.Place {
	places := map[string]engine.Place{}
	for _, array := range arrays {
		places[array] = engine.Place{Array: array}
	}
	return places
}

// gradientNorm is ‖g‖.
func (k *kept) gradientNorm(ctx context.Context) (float64, error) {
	if err := k.norm.BindStore(k.store, wholeArrays(keptGradient), nil); err != nil {
		return 0, err
	}
	var square [1]float32
	err := k.norm.Run(ctx, engine.Call{Batch: 1, Outputs: [][]float32{square[:]}})
	return math.Sqrt(float64(square[0])), err
}

// step clips the gradient, of that norm, and moves parameters, optimiser and average: update t of the optimiser.
func (k *kept) step(ctx context.Context, s *Settings, norm, learningRate float64, t int64) error {
	numbers := updateNumbers(s, learningRate, t)
	numbers[squaredNorm] = []float32{float32(norm * norm)}
	if err := k.update.BindStore(k.store, wholeArrays(updated...), numbers); err != nil {
		return err
	}
	k.pulled = false
	return k.update.Run(ctx, updateCall(1))
}

// updated are the arrays that the update replaces by its results, and behind them the gradient.
var updated = []string{keptParameters, keptAveraged, keptMean, keptSquare, keptGradient}

// updateNumbers are the parameters of update t that do not lie in the store.
func updateNumbers(s *Settings, learningRate float64, t int64) map[string][]float32 {
	return map[string][]float32{
		"rate":       {float32(learningRate / (1 - math.Pow(s.Beta1, float64(t))))},
		"correction": {float32(1 / math.Sqrt(1-math.Pow(s.Beta2, float64(t))))},
	}
}

// updateCall replaces the arrays. The number of images counts where the update is a part of an iteration.
func updateCall(n int) engine.Call {
	call := engine.Call{Batch: n, Outputs: make([][]float32, 4), Updates: map[int]engine.Place{}}
	for i, array := range updated[:4] {
		call.Updates[i] = engine.Place{Array: array}
	}
	return call
}

// bind and leave implement memory: parameters and gradients are in the store.
func (k *kept) bind(p engine.Program, others map[string][]float32) error {
	return p.(engine.StoreProgram).BindStore(k.store, k.places, others)
}

func (k *kept) leave(call *engine.Call, _ int, _ bool) {
	call.Updates = map[int]engine.Place{}
	for _, s := range k.specs {
		call.Updates[len(call.Outputs)] = engine.Place{Array: keptGradient, Offset: k.places[s.Name].Offset}
		call.Outputs = append(call.Outputs, nil)
	}
}

// add is never called: there all terms look at all images ([Term].First).
func (k *kept) add(int) error { return errors.New("cd: gradients in a store are not added up") }

// fields are the trainer's, by array.
func (t *Trainer) fields() map[string][]float32 {
	return map[string][]float32{keptParameters: t.Parameters, keptAveraged: t.Averaged, keptMean: t.Adam.Mean, keptSquare: t.Adam.Square}
}

// Pull brings Parameters, Averaged and the vectors of Adam up to date. They are always so where training is on the CPU; on devices that
// keep them they are those of the last Pull.
func (t *Trainer) Pull() error {
	if t.kept == nil || !t.kept.pushed || t.kept.pulled {
		return nil
	}
	for array, values := range t.fields() {
		if err := t.kept.store.Read(array, values); err != nil {
			return err
		}
	}
	t.kept.pulled = true
	return nil
}

// Push is to be called after these fields have been changed.
func (t *Trainer) Push() {
	if t.kept != nil {
		t.kept.pushed = false
	}
}

// push gives the store what the fields hold, if they were changed.
func (t *Trainer) push() error {
	if t.kept == nil || t.kept.pushed {
		return nil
	}
	for array, values := range t.fields() {
		if err := t.kept.store.Write(array, values); err != nil {
			return err
		}
	}
	t.kept.pushed, t.kept.pulled = true, true
	return nil
}
