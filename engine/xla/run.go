//go:build xla

package xla

// This file runs programs: parameters to the devices at Bind, inputs at Run, results back.

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/engine/xla/pjrt"
	"github.com/joule-ebm/joule/expr"
)

type program struct {
	engine    *Engine
	precision engine.Precision
	replicas  int // devices that share a batch
	outputs   []*expr.Value
	leaves    []*expr.Value // inputs, parameters and noises, one for each name
	compiled  *compiled
	params    []map[string]*pjrt.Buffer // on each device, but for those in the store; nil before Bind
	store     *store                    // that the program is bound to, or nil
	places    map[string]engine.Place   // of parameters in the store
	running   chan struct{}             // closed when a run that was given up has ended
}

// Flops counts what is computed for an image; equal computations count once.
func (p *program) Flops() float64 {
	type computation struct {
		op    expr.Op
		kind  expr.Kind
		shape expr.Shape
		attr  expr.Attr
		in    [2]*expr.Value
	}
	first, known, total := map[*expr.Value]*expr.Value{}, map[computation]*expr.Value{}, 0.0
	for _, v := range expr.Order(p.outputs...) {
		c := computation{op: v.Op(), kind: v.Kind(), shape: v.Shape(), attr: v.Attr()}
		for i, in := range v.In() {
			c.in[i] = first[in]
		}
		if known[c] == nil {
			known[c] = v
			if v.Kind() == expr.Sample || v.Op() == expr.OpConvKernel {
				total += flops(v)
			}
		}
		first[v] = known[c]
	}
	return total
}

// Bind copies the parameters to the devices.
func (p *program) Bind(params map[string][]float32) error { return p.bind(nil, nil, params) }

// bind copies the parameters that have no places in the store.
func (p *program) bind(s *store, places map[string]engine.Place, params map[string][]float32) error {
	elsewhere := func(v *expr.Value) bool {
		_, kept := places[v.Attr().Name]
		return v.Op() != expr.OpParam || kept
	}
	for _, v := range p.leaves {
		if elsewhere(v) {
			continue
		}
		name, s := v.Attr().Name, v.Shape()
		values, ok := params[name]
		if !ok {
			return fmt.Errorf("xla: no value for parameter %q", name)
		}
		if len(values) != s.Size() {
			return fmt.Errorf("xla: parameter %q has %d values, its shape %v takes %d", name, len(values), s, s.Size())
		}
	}
	p.await()
	for _, device := range p.params {
		for _, b := range device {
			b.Free()
		}
	}
	p.params = nil
	bound := make([]map[string]*pjrt.Buffer, p.replicas)
	for d := range bound {
		bound[d] = map[string]*pjrt.Buffer{}
		for _, v := range p.leaves {
			if elsewhere(v) {
				continue
			}
			name, s := v.Attr().Name, v.Shape()
			b, err := pjrt.Upload(p.engine.client, d, params[name], s[:]...)
			if err != nil {
				return explained(fmt.Sprintf("parameter %q", name), err)
			}
			bound[d][name] = b
		}
	}
	if !maps.Equal(p.places, places) || s != nil && p.store != nil && !maps.Equal(s.sizes, p.store.sizes) { // they are part of the text
		p.compiled = newCompiled()
	}
	p.params, p.store, p.places = bound, s, places
	return nil
}

// await waits for a run that was given up.
func (p *program) await() {
	if p.running != nil {
		<-p.running
		p.running = nil
	}
}

func (p *program) check(call engine.Call) error {
	if p.params == nil {
		return errors.New("xla: Run before Bind")
	}
	if err := call.Fits(p.leaves, p.outputs); err != nil {
		return fmt.Errorf("xla: %w", err)
	}
	return nil
}

// longest is the number of steps of a chain that a device takes without the host: more than the chains of training have, and few enough
// that one that is given up ends soon.
const longest = 256

// Run computes. If the context ends while a program compiles or a device works, Run returns at once; what has begun goes on, and the
// program's next Run or Bind waits for it. A long chain is run in pieces, which pass on what is fed back without leaving the device.
func (p *program) Run(ctx context.Context, call engine.Call) error {
	if err := p.check(call); err != nil {
		return err
	}
	updates, err := p.updates(call)
	if err != nil {
		return err
	}
	if updates != nil { // an update that is given up halfway would leave the store without it
		ctx = context.WithoutCancel(ctx)
	}
	steps := max(call.Chain.Steps, 1)
	pieces := (steps-1)/longest + 1
	perPiece := (steps-1)/pieces + 1
	var last *piece
	for done := 0; done < steps; done += perPiece {
		if err := ctx.Err(); err != nil {
			return err
		}
		u := p.use(call, min(perPiece, steps-done), pieces > 1)
		u.updates = updates
		if len(u.wanted)+len(u.updates) == 0 {
			return nil
		}
		x, err := wait(ctx, p, func() (*executable, error) { return p.executable(u, last) })
		if err != nil {
			return err
		}
		args, own, err := p.arguments(x, call, done, last)
		if err != nil {
			free(own)
			return err
		}
		if last, err = wait(ctx, p, func() (*piece, error) {
			defer free(own)
			results, err := x.Run(args, p.donated(x.use, len(args[0])))
			if err != nil {
				return nil, explained("a run", err)
			}
			for d := range results {
				for i, array := range x.updated() {
					p.store.replace(array, d, results[d][len(x.wanted)+i])
				}
				results[d] = results[d][:len(x.wanted)]
			}
			return &piece{x, results}, nil
		}); err != nil {
			return err
		}
	}
	defer free(last.results)
	return p.deliver(call, last)
}

// piece is a part of a chain that has run: the outputs that were wanted, of each device.
type piece struct {
	x       *executable
	results [][]*pjrt.Buffer
}

// output is an output of the program on a device.
func (c *piece) output(device, i int) *pjrt.Buffer {
	return c.results[device][slices.Index(c.x.wanted, i)]
}

// wait is f's result, or the context's error if it ends before f does.
func wait[T any](ctx context.Context, p *program, f func() (T, error)) (T, error) {
	p.await()
	var result T
	var err error
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		result, err = f()
	}()
	select {
	case <-ctx.Done():
		p.running = ended
		var none T
		return none, ctx.Err()
	case <-ended:
		return result, err
	}
}

func free(lists [][]*pjrt.Buffer) {
	for _, list := range lists {
		for _, b := range list {
			b.Free()
		}
	}
}

// use is what of the call the program's text depends on, for a piece of so many steps. If another piece may follow, what is fed back is
// wanted too.
func (p *program) use(call engine.Call, steps int, more bool) use {
	u := use{steps: steps}
	for _, v := range p.leaves {
		if _, ok := call.Chain.PerStep[v.Attr().Name]; ok && v.Op() == expr.OpInput {
			u.perStep = append(u.perStep, v.Attr().Name)
		}
	}
	slices.Sort(u.perStep)
	if u.steps > 1 {
		u.feedback = maps.Clone(call.Chain.Feedback)
	}
	fed := slices.Collect(maps.Values(call.Chain.Feedback))
	for i, out := range call.Outputs {
		if out != nil || more && slices.Contains(fed, i) {
			u.wanted = append(u.wanted, i)
		}
	}
	u.batch = (call.Batch + p.replicas - 1) / p.replicas
	return u
}

// arguments are those of each device, for the steps of a chain from done on, and those of them that are to be freed afterwards. Inputs
// that are fed back are the outputs of the last piece, if there was one.
func (p *program) arguments(x *executable, call engine.Call, done int, last *piece) (args, own [][]*pjrt.Buffer, err error) {
	c := call.Chain
	args, own = make([][]*pjrt.Buffer, p.replicas), make([][]*pjrt.Buffer, p.replicas)
	if last != nil {
		own = append(own, last.results...)
	}
	for d := range p.replicas {
		upload := func(what string, b *pjrt.Buffer, e error) {
			if e != nil {
				err = explained(what, e)
				return
			}
			args[d], own[d] = append(args[d], b), append(own[d], b)
		}
		first := min(d*x.batch, call.Batch)
		here := min(x.batch, call.Batch-first)
		numbers := []uint64{c.Seed, c.FirstImage + uint64(first), c.FirstStep + uint64(done), uint64(here), uint64(call.Batch)}
		b, e := pjrt.Upload(p.engine.client, d, numbers, callNumbers)
		upload("a call", b, e)
		for _, v := range p.leaves {
			name, s := v.Attr().Name, v.Shape()
			fed, isFed := c.Feedback[name]
			values, stepwise := c.PerStep[name]
			switch {
			case isNoise(v), p.kept(v):
			case v.Op() == expr.OpParam:
				args[d] = append(args[d], p.params[d][name])
			case isFed && last != nil:
				args[d] = append(args[d], last.output(d, fed))
			case stepwise:
				b, e = pjrt.Upload(p.engine.client, d, values[done:done+x.steps], x.steps)
				upload(fmt.Sprintf("input %q", name), b, e)
			default:
				b, e = pjrt.Upload(p.engine.client, d, padded(call.Inputs[name], s.Size(), first, here, x.batch), x.batch, s[0], s[1], s[2])
				upload(fmt.Sprintf("input %q", name), b, e)
			}
		}
		if err != nil {
			return nil, own, err
		}
		for _, array := range p.stored() {
			args[d] = append(args[d], p.store.arrays[array][d])
		}
	}
	return args, own, nil
}

// donated are the numbers of the arguments, of so many, that the program writes over: arrays that are replaced. Arrays are the last.
func (p *program) donated(u use, args int) (list []int) {
	stored, updated := p.stored(), u.updated()
	for i, array := range stored {
		if slices.Contains(updated, array) {
			list = append(list, args-len(stored)+i)
		}
	}
	return list
}

// padded are the images of a device, followed by repetitions of the last up to a full batch: padding is computed like every image, and
// what is a number for an image is one for its copies.
func padded(values []float32, size, first, here, batch int) []float32 {
	if here == batch {
		return values[first*size:][:batch*size]
	}
	last := max(first+here-1, 0)
	x := slices.Grow([]float32(nil), batch*size)
	x = append(x, values[first*size:][:here*size]...)
	for range batch - here {
		x = append(x, values[min(last, len(values)/size-1)*size:][:size]...)
	}
	return x
}

// deliver copies results to where the call wants them.
func (p *program) deliver(call engine.Call, last *piece) error {
	batch := last.x.batch
	for i, out := range call.Outputs {
		if out == nil {
			continue
		}
		if p.outputs[i].Kind() == expr.Shared { // all devices have the same
			if err := last.output(0, i).Download(out); err != nil {
				return explained(fmt.Sprintf("output %d", i), err)
			}
			continue
		}
		size := p.outputs[i].Shape().Size()
		for d := range last.results {
			first := min(d*batch, call.Batch)
			images := out[first*size : min(first+batch, call.Batch)*size]
			all := images
			if len(images) < batch*size { // the rest is padding
				all = make([]float32, batch*size)
			}
			if err := last.output(d, i).Download(all); err != nil {
				return explained(fmt.Sprintf("output %d", i), err)
			}
			copy(images, all)
		}
	}
	return nil
}

// explained says what can be done about a plugin's error, if that is known.
func explained(what string, err error) error {
	var e *pjrt.Error
	if errors.As(err, &e) && e.Code == pjrt.ResourceExhausted {
		return fmt.Errorf("xla: %s: the device's memory is exhausted, a smaller batch needs less: %w", what, err)
	}
	return fmt.Errorf("xla: %s: %w", what, err)
}
