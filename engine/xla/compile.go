//go:build xla

package xla

import (
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"time"

	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/engine/xla/pjrt"
)

// executable is a program compiled for one use.
type executable struct {
	*pjrt.Executable
	use
}

// compiled are a program's executables by the keys of their uses, and those on their way.
type compiled struct {
	sync.Mutex
	ready map[string]*executable
	begun map[string]chan struct{} // closed when it is ready, or has failed
}

func newCompiled() *compiled {
	return &compiled{ready: map[string]*executable{}, begun: map[string]chan struct{}{}}
}

// find is an executable for a use: one that has room for the images without wasting more than half of it. So the last batch of a set,
// smaller than the others, compiles nothing if it is not much smaller. A later piece of a chain takes as many images as the last.
func (c *compiled) find(u use, last *piece) (best *executable) {
	if last != nil {
		u.batch = last.x.batch
		return c.ready[u.key()]
	}
	for _, x := range c.ready {
		candidate := u
		candidate.batch = x.batch
		if x.batch >= u.batch && x.batch <= 2*u.batch && x.key() == candidate.key() && (best == nil || x.batch < best.batch) {
			best = x
		}
	}
	return best
}

// executable is the program for a use: one that has been compiled, or is being compiled, or one compiled now.
func (p *program) executable(u use, last *piece) (*executable, error) {
	c := p.compiled
	c.Lock()
	defer c.Unlock()
	if last != nil {
		u.batch = last.x.batch
	}
	key := u.key()
	for {
		if x := c.find(u, last); x != nil {
			return x, nil
		}
		begun := c.begun[key]
		if begun == nil {
			break
		}
		c.Unlock()
		<-begun
		c.Lock()
	}
	done := make(chan struct{})
	c.begun[key] = done
	c.Unlock()
	x, err := p.compile(u)
	c.Lock()
	delete(c.begun, key)
	close(done)
	if err != nil {
		return nil, err
	}
	c.ready[key] = x
	return x, nil
}

// Prepare implements engine.Preparer: it compiles in the background. An error is told by the Run that needs the program.
func (p *program) Prepare(call engine.Call) {
	updates, err := p.updates(call)
	if steps := max(call.Chain.Steps, 1); err != nil || steps > longest || len(call.Outputs) != len(p.outputs) {
		return
	}
	u := p.use(call, max(call.Chain.Steps, 1), false)
	u.updates = updates
	go func() { _, _ = p.executable(u, nil) }()
}

func (p *program) compile(u use) (*executable, error) {
	text, err := p.text(u)
	if err != nil {
		return nil, err
	}
	x, err := p.engine.compile(text, p.replicas)
	if err != nil {
		return nil, explained(fmt.Sprintf("a program of %d lines does not compile for %s", lines(text), p.engine.client.Platform), err)
	}
	return &executable{x, u}, nil
}

// compile makes a program's text ready to run, from the cache if it is there.
func (e *Engine) compile(text string, replicas int) (*pjrt.Executable, error) {
	o := pjrt.Options{Replicas: replicas, Flags: maps.Clone(flags[e.client.Platform])}
	if e.flags != nil {
		if o.Flags == nil {
			o.Flags = map[string]any{}
		}
		maps.Copy(o.Flags, e.flags)
	}
	start, path := time.Now(), e.cachePath(text, o)
	x := e.cached(path, o)
	known := x != nil
	if !known {
		var err error
		var refused *pjrt.Error
		if x, err = e.client.Compile(text, o); errors.As(err, &refused) && strings.Contains(refused.Message, "No such compile option") {
			o.Flags = nil
			x, err = e.client.Compile(text, o)
		}
		if err != nil {
			return nil, err
		}
		e.keep(path, x)
	}
	if e.Compiled != nil {
		e.Compiled(Compilation{Text: text, Took: time.Since(start), Cached: known})
	}
	return x, nil
}

// flags are XLA's, by platform, for plugins that know them. On CPUs it is told to leave sums to itself: the library of kernels that it
// takes otherwise (YNNPACK) adds up the pixels of large images less exactly: the score of the recorded case celeba_cond was off by 1.1e-5
// with it, and is by 3.0e-6 without.
var flags = map[string]map[string]any{"cpu": {"xla_cpu_experimental_ynn_fusion_type": ""}}
