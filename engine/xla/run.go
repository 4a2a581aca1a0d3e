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

// stage is a program within a sequence, bound to its parameters.
type stage struct {
	precision engine.Precision
	outputs   []*expr.Value
	leaves    []*expr.Value             // inputs, parameters and noises, one for each name
	params    []map[string]*pjrt.Buffer // on each device, but for those in the store; nil before Bind
	store     *store                    // that the stage is bound to, or nil
	places    map[string]engine.Place   // of parameters in the store

	from   map[string]engine.Result // leaves that are results of other stages
	passed []int                    // outputs that other stages take
	onlyIf *engine.Result           // what says that updates are made, or nil
}

// sequence is the stages that run as one.
type sequence struct {
	engine   *Engine
	replicas int // devices that share a batch
	stages   []*stage
	compiled *compiled
	running  chan struct{} // closed when a run that was given up has ended
}

// program is a sequence of one stage.
type program struct {
	*sequence
	*stage
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
func (p *program) Bind(params map[string][]float32) error { return p.bind(p.stage, nil, nil, params) }

// bind copies the parameters of a stage that have no places in the store and do not come from another stage.
func (q *sequence) bind(p *stage, s *store, places map[string]engine.Place, params map[string][]float32) error {
	elsewhere := func(v *expr.Value) bool {
		_, kept := places[v.Attr().Name]
		return v.Op() != expr.OpParam || kept || p.fromStage(v)
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
	q.await()
	for _, device := range p.params {
		for _, b := range device {
			b.Free()
		}
	}
	p.params = nil
	bound := make([]map[string]*pjrt.Buffer, q.replicas)
	for d := range bound {
		bound[d] = map[string]*pjrt.Buffer{}
		for _, v := range p.leaves {
			if elsewhere(v) {
				continue
			}
			name, s := v.Attr().Name, v.Shape()
			b, err := pjrt.Upload(q.engine.client, d, params[name], s[:]...)
			if err != nil {
				return explained(fmt.Sprintf("parameter %q", name), err)
			}
			bound[d][name] = b
		}
	}
	if !maps.Equal(p.places, places) || s != nil && p.store != nil && !maps.Equal(s.sizes, p.store.sizes) { // they are part of the text
		q.compiled = newCompiled()
	}
	p.params, p.store, p.places = bound, s, places
	return nil
}

// await waits for a run that was given up.
func (q *sequence) await() {
	if q.running != nil {
		<-q.running
		q.running = nil
	}
}

// use is what of the calls the text depends on; an error says what is wrong with them.
func (q *sequence) use(calls []engine.Call) (use, error) {
	if len(calls) != len(q.stages) {
		return use{}, fmt.Errorf("xla: %d calls for %d stages", len(calls), len(q.stages))
	}
	u := use{batch: (calls[0].Batch + q.replicas - 1) / q.replicas}
	for i, p := range q.stages {
		if p.params == nil {
			return use{}, errors.New("xla: Run before Bind")
		}
		if p.store != nil && q.store() != p.store {
			return use{}, errors.New("xla: the stages are bound to different stores")
		}
		own := slices.DeleteFunc(slices.Clone(p.leaves), p.fromStage)
		if err := calls[i].Fits(own, p.outputs); err != nil {
			return use{}, fmt.Errorf("xla: %w", err)
		}
		if calls[i].Batch != calls[0].Batch {
			return use{}, fmt.Errorf("xla: stages of %d and of %d images", calls[0].Batch, calls[i].Batch)
		}
		s, err := p.use(calls[i])
		if err != nil {
			return use{}, err
		}
		u.stages = append(u.stages, s)
	}
	return u, nil
}

// use is what of a stage's call the text depends on.
func (p *stage) use(call engine.Call) (u stageUse, err error) {
	u.steps = max(call.Chain.Steps, 1)
	for _, v := range p.leaves {
		if _, ok := call.Chain.PerStep[v.Attr().Name]; ok && v.Op() == expr.OpInput {
			u.perStep = append(u.perStep, v.Attr().Name)
		}
	}
	slices.Sort(u.perStep)
	if u.steps > 1 {
		u.feedback = maps.Clone(call.Chain.Feedback)
	}
	for i, out := range call.Outputs {
		if out != nil {
			u.wanted = append(u.wanted, i)
		}
	}
	u.updates, err = p.updates(call)
	return u, err
}

// Run implements engine.Sequence.
func (q *sequence) Run(ctx context.Context, calls ...engine.Call) error {
	u, err := q.use(calls)
	if err != nil {
		return err
	}
	all, err := q.piece(ctx, u, calls, 0, nil)
	if err != nil {
		return err
	}
	return q.deliver(calls, all)
}

// longest is the number of steps of a chain that a device takes without the host: more than the chains of training have, and few enough
// that one that is given up ends soon.
const longest = 256

// Run computes. If the context ends while a program compiles or a device works, Run returns at once; what has begun goes on, and the
// program's next Run or Bind waits for it. A long chain is run in pieces, which pass on what is fed back without leaving the device.
func (p *program) Run(ctx context.Context, call engine.Call) error {
	calls := []engine.Call{call}
	u, err := p.sequence.use(calls)
	if err != nil {
		return err
	}
	steps := max(call.Chain.Steps, 1)
	pieces := (steps-1)/longest + 1
	perPiece := (steps-1)/pieces + 1
	if pieces > 1 { // what the next takes up
		u.stages[0].wanted = slices.AppendSeq(u.stages[0].wanted, maps.Values(call.Chain.Feedback))
		slices.Sort(u.stages[0].wanted)
		u.stages[0].wanted = slices.Compact(u.stages[0].wanted)
	}
	if len(u.stages[0].wanted)+len(u.stages[0].updates) == 0 {
		return nil
	}
	var last *piece
	for done := 0; done < steps; done += perPiece {
		if u.stages[0].steps = min(perPiece, steps-done); u.stages[0].steps == 1 {
			u.stages[0].feedback = nil
		}
		if last, err = p.piece(ctx, u, calls, done, last); err != nil {
			return err
		}
	}
	return p.deliver(calls, last)
}

// piece is a part of a chain that has run, or a whole sequence: the outputs that were wanted, of each device.
type piece struct {
	x       *executable
	results [][]*pjrt.Buffer
}

// output is an output of a stage on a device.
func (c *piece) output(device, stage, i int) *pjrt.Buffer {
	return c.results[device][c.x.first(stage)+slices.Index(c.x.stages[stage].wanted, i)]
}

// piece runs the steps of the calls from done on, after the last piece if there was one, whose results it frees.
func (q *sequence) piece(ctx context.Context, u use, calls []engine.Call, done int, last *piece) (*piece, error) {
	if last != nil {
		u.batch = last.x.batch // even if those that are there take fewer
	}
	x, err := wait(ctx, q, q.executable(u, last != nil))
	var own [][]*pjrt.Buffer
	if last != nil {
		own = last.results
	}
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		free(own)
		return nil, err
	}
	updated := x.updated()
	if len(updated) > 0 { // an update that is given up halfway would leave the store without it
		ctx = context.WithoutCancel(ctx)
	}
	args, uploaded, err := q.arguments(x, calls, done, last)
	own = append(own, uploaded...)
	if err != nil {
		free(own)
		return nil, err
	}
	return wait(ctx, q, func() (*piece, error) {
		defer free(own)
		results, err := x.Run(args, x.donated(q, len(args[0])))
		if err != nil {
			return nil, explained("a run", err)
		}
		wanted := x.first(len(x.stages))
		for d := range results {
			for i, array := range updated {
				q.store().replace(array, d, results[d][wanted+i])
			}
			results[d] = results[d][:wanted]
		}
		return &piece{x, results}, nil
	})
}

// wait is f's result, or the context's error if it ends before f does.
func wait[T any](ctx context.Context, q *sequence, f func() (T, error)) (T, error) {
	q.await()
	var result T
	var err error
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		result, err = f()
	}()
	select {
	case <-ctx.Done():
		q.running = ended
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

// arguments are those of each device, for the steps from done on, and those of them that are to be freed afterwards. Inputs that are fed
// back are the outputs of the last piece, if there was one.
func (q *sequence) arguments(x *executable, calls []engine.Call, done int, last *piece) (args, own [][]*pjrt.Buffer, err error) {
	args, own = make([][]*pjrt.Buffer, q.replicas), make([][]*pjrt.Buffer, q.replicas)
	for d := range q.replicas {
		upload := func(what string, b *pjrt.Buffer, e error) {
			if e != nil {
				err = explained(what, e)
				return
			}
			args[d], own[d] = append(args[d], b), append(own[d], b)
		}
		for i, p := range q.stages {
			call, c := calls[i], calls[i].Chain
			first := min(d*x.batch, call.Batch)
			here := min(x.batch, call.Batch-first)
			numbers := []uint64{c.Seed, c.FirstImage + uint64(first), c.FirstStep + uint64(done), uint64(here), uint64(call.Batch)}
			b, e := pjrt.Upload(q.engine.client, d, numbers, callNumbers)
			upload("a call", b, e)
			for _, v := range p.leaves {
				name, s := v.Attr().Name, v.Shape()
				fed, isFed := c.Feedback[name]
				values, stepwise := c.PerStep[name]
				switch {
				case isNoise(v), p.kept(v), p.fromStage(v):
				case v.Op() == expr.OpParam:
					args[d] = append(args[d], p.params[d][name])
				case isFed && last != nil:
					args[d] = append(args[d], last.output(d, i, fed))
				case stepwise:
					steps := x.stages[i].steps
					b, e = pjrt.Upload(q.engine.client, d, values[done:done+steps], steps)
					upload(fmt.Sprintf("input %q", name), b, e)
				default:
					b, e = pjrt.Upload(q.engine.client, d, padded(call.Inputs[name], s.Size(), first, here, x.batch), x.batch, s[0], s[1], s[2])
					upload(fmt.Sprintf("input %q", name), b, e)
				}
			}
		}
		if err != nil {
			return nil, own, err
		}
		for _, array := range q.arrays(x.use) {
			args[d] = append(args[d], q.store().arrays[array][d])
		}
	}
	return args, own, nil
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

// deliver copies results to where the calls want them, and frees them.
func (q *sequence) deliver(calls []engine.Call, all *piece) error {
	defer free(all.results)
	for i, p := range q.stages {
		for o, out := range calls[i].Outputs {
			if out == nil {
				continue
			}
			size, shared := p.outputs[o].Shape().Size(), p.outputs[o].Kind() == expr.Shared
			if err := q.download(out, size, shared, func(device int) *pjrt.Buffer { return all.output(device, i, o) }, all.x.batch); err != nil {
				return explained(fmt.Sprintf("output %d", o), err)
			}
		}
	}
	return nil
}

// download copies what the devices have of an output, for so many images each. Of a shared one all have the same.
func (q *sequence) download(out []float32, size int, shared bool, on func(device int) *pjrt.Buffer, batch int) error {
	if shared {
		return on(0).Download(out)
	}
	for d := range q.replicas {
		images := out[min(d*batch*size, len(out)):min((d+1)*batch*size, len(out))]
		all := images
		if len(images) < batch*size { // the rest is padding
			all = make([]float32, batch*size)
		}
		if err := on(d).Download(all); err != nil {
			return err
		}
		copy(images, all)
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
