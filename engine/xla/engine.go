//go:build xla

package xla

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/engine/xla/pjrt"
	"github.com/joule-ebm/joule/expr"
)

// Engine compiles programs for the devices of a PJRT plugin. Use New to make one. It may be used by several goroutines at once, each
// with programs of its own.
type Engine struct {
	// Precision is that of the products of convolutions; Auto is Float32. Everything else is float32.
	Precision engine.Precision
	// Devices is the number of devices that share each batch; 0 means 1.
	Devices int
	// Cache is a directory to keep compiled programs in; none, if it is empty. It is made when it is needed.
	Cache string
	// Compiled, if not nil, is told of every compilation. It may be called by several goroutines at once.
	Compiled func(Compilation)

	client *pjrt.Client
	flags  map[string]any // XLA's, beside those of the platform
}

var (
	_ engine.Sequencer    = (*Engine)(nil)
	_ engine.Preparer     = (*sequence)(nil)
	_ engine.StoreProgram = (*program)(nil)
)

// Compilation is what it took to make a program ready to run.
type Compilation struct {
	Text   string // the program in StableHLO
	Took   time.Duration
	Cached bool // it had been compiled before, and was found in the cache
}

// started are the clients of this process by their plugins' paths: a device's memory goes to the first that asks for it, so that all
// engines of a plugin share one.
var started = struct {
	sync.Mutex
	clients map[string]*pjrt.Client
}{clients: map[string]*pjrt.Client{}}

// New makes an engine for the devices of a plugin, given the path of its shared library.
func New(plugin string) (*Engine, error) {
	started.Lock()
	defer started.Unlock()
	if c := started.clients[plugin]; c != nil {
		return &Engine{client: c}, nil
	}
	e, err := start(plugin, nil)
	if err != nil {
		return nil, err
	}
	started.clients[plugin] = e.client
	return e, nil
}

// start starts a plugin, with options of its own.
func start(plugin string, options map[string]int64) (*Engine, error) {
	p, err := pjrt.Open(plugin)
	if err != nil {
		return nil, fmt.Errorf("xla: %w", err)
	}
	client, err := p.NewClient(options)
	var full *pjrt.Error
	switch {
	case errors.As(err, &full) && full.Code == pjrt.ResourceExhausted:
		return nil, fmt.Errorf("xla: the PJRT plugin %s gets no memory on its device: %w; does another program use it?", plugin, err)
	case err != nil:
		return nil, fmt.Errorf("xla: the PJRT plugin %s has no device to work on: %s; are the device and its driver there?", plugin,
			strings.TrimRight(err.Error(), ". "))
	}
	return &Engine{client: client}, nil
}

// String says what the engine works on, for people.
func (e *Engine) String() string {
	c := e.client
	memory := ""
	if _, limit := c.Devices[0].Memory(); limit > 0 {
		memory = fmt.Sprintf(" of %.1f GiB", float64(limit)/(1<<30))
	}
	return fmt.Sprintf("%d of %d × %s%s (%s, PJRT %d.%d, %s)", e.replicas(), len(c.Devices), c.Devices[0].Kind, memory, c.Platform,
		c.Plugin.Major, c.Plugin.Minor, c.Plugin.Path)
}

// Inventory describes the plugin and, a line each, its devices, of which the first ones are used.
func (e *Engine) Inventory() []string {
	c := e.client
	lines := []string{fmt.Sprintf("%s, PJRT %d.%d, %s", c.Plugin.Path, c.Plugin.Major, c.Plugin.Minor, strings.Join(strings.Fields(c.Version), " "))}
	for i, d := range c.Devices {
		line := fmt.Sprintf("%d: %s", i, d.Kind)
		if used, limit := d.Memory(); limit > 0 {
			line += fmt.Sprintf(", %.1f GiB of memory, %.1f of them in use", float64(limit)/(1<<30), float64(used)/(1<<30))
		}
		lines = append(lines, line)
	}
	return lines
}

// replicas is the number of devices that are used.
func (e *Engine) replicas() int { return max(e.Devices, 1) }

func (e *Engine) check() error {
	if err := e.Precision.Check(); err != nil {
		return fmt.Errorf("xla: %w", err)
	}
	if n := len(e.client.Devices); e.Devices < 0 || e.Devices > n {
		return fmt.Errorf("xla: %d devices asked for, the plugin shows %d", e.Devices, n)
	}
	return nil
}

// Compile prepares a program. What it says is printed and compiled for each batch size and kind of chain when it first runs so.
func (e *Engine) Compile(outputs ...*expr.Value) (engine.Program, error) {
	if err := e.check(); err != nil {
		return nil, err
	}
	if len(outputs) == 0 {
		return nil, fmt.Errorf("xla: a program without outputs")
	}
	if err := expr.Err(outputs...); err != nil {
		return nil, fmt.Errorf("xla: %w", err)
	}
	p := &stage{precision: e.Precision, outputs: expr.Simplify(outputs...)}
	named := map[string]*expr.Value{}
	overBatch := map[*expr.Value]bool{}
	for _, v := range expr.Order(p.outputs...) {
		for _, u := range v.In() {
			overBatch[v] = overBatch[v] || overBatch[u]
		}
		switch {
		case v.Op() == expr.OpBatchSum || v.Op() == expr.OpConvKernel:
			overBatch[v] = true
		case overBatch[v] && v.Kind() == expr.Sample:
			return nil, fmt.Errorf("xla: %v of each image depends on a sum over the batch, which takes a second program", v.Op())
		}
		name := v.Attr().Name
		if name == "" {
			continue
		}
		switch other := named[name]; {
		case other == nil:
			named[name] = v
			p.leaves = append(p.leaves, v)
		case other.Op() != v.Op() || other.Shape() != v.Shape():
			return nil, fmt.Errorf("xla: two different leaves named %q: %v and %v", name, other, v)
		}
	}
	return &program{e.sequence(p), p}, nil
}

func (e *Engine) sequence(stages ...*stage) *sequence {
	return &sequence{engine: e, replicas: e.replicas(), stages: stages, compiled: newCompiled()}
}

// Sequence implements engine.Sequencer.
func (e *Engine) Sequence(stages ...engine.Stage) (engine.Sequence, error) {
	if err := e.check(); err != nil {
		return nil, err
	}
	if len(stages) == 0 {
		return nil, errors.New("xla: a sequence without stages")
	}
	var own []*stage
	for i, s := range stages {
		p, ok := s.Program.(*program)
		if !ok || p.engine.client != e.client || p.replicas != e.replicas() {
			return nil, fmt.Errorf("xla: stage %d is no program of this engine's devices", i)
		}
		// result is the output that a stage before this one gives.
		result := func(r engine.Result) (*expr.Value, error) {
			if r.Stage < 0 || r.Stage >= i || r.Output < 0 || r.Output >= len(own[r.Stage].outputs) {
				return nil, fmt.Errorf("xla: stage %d: no stage before it has the result %d of stage %d", i, r.Output, r.Stage)
			}
			if passed := &own[r.Stage].passed; !slices.Contains(*passed, r.Output) {
				*passed = append(*passed, r.Output)
			}
			return own[r.Stage].outputs[r.Output], nil
		}
		for name, r := range s.From {
			v, err := result(r)
			if err != nil {
				return nil, err
			}
			at := slices.IndexFunc(p.leaves, func(leaf *expr.Value) bool {
				return leaf.Attr().Name == name && !isNoise(leaf) && leaf.Kind() == v.Kind() && leaf.Shape() == v.Shape()
			})
			if at < 0 {
				return nil, fmt.Errorf("xla: stage %d has no leaf %q that a %v value of shape %v could be", i, name, v.Kind(), v.Shape())
			}
		}
		if s.If != nil {
			if v, err := result(*s.If); err != nil {
				return nil, err
			} else if v.Kind() != expr.Shared || v.Shape() != expr.Scalar {
				return nil, fmt.Errorf("xla: stage %d depends on a %v value of shape %v: want a shared number", i, v.Kind(), v.Shape())
			}
		}
		own = append(own, &stage{precision: p.precision, outputs: p.outputs, leaves: p.leaves, from: s.From, onlyIf: s.If})
	}
	return e.sequence(own...), nil
}
