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
// smaller than the others, compiles nothing if it is not much smaller.
func (c *compiled) find(u use, exactly bool) (best *executable) {
	if exactly {
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

// executable gives a function that gives the executable for a use, or for exactly as many images: one that has been compiled, or is being
// compiled, or one compiled now.
func (q *sequence) executable(u use, exactly bool) func() (*executable, error) {
	c := q.compiled
	c.Lock()
	x := c.find(u, exactly)
	c.Unlock()
	if x != nil {
		return func() (*executable, error) { return x, nil }
	}
	text, err := q.text(u) // here, where nobody binds anything else meanwhile
	if err != nil {
		return func() (*executable, error) { return nil, err }
	}
	return func() (*executable, error) {
		c.Lock()
		defer c.Unlock()
		key := u.key()
		for {
			if x := c.find(u, exactly); x != nil {
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
		x, err := q.engine.compile(text, q.replicas)
		c.Lock()
		delete(c.begun, key)
		close(done)
		if err != nil {
			return nil, explained(fmt.Sprintf("a program of %d lines does not compile for %s", lines(text), q.engine.client.Platform), err)
		}
		c.ready[key] = &executable{x, u}
		return c.ready[key], nil
	}
}

// Prepare implements engine.Preparer: it compiles in the background. An error is told by the Run that needs the program.
func (q *sequence) Prepare(calls ...engine.Call) {
	if len(calls) != len(q.stages) {
		return
	}
	u := use{batch: (calls[0].Batch + q.replicas - 1) / q.replicas}
	for i, p := range q.stages {
		s, err := p.use(calls[i])
		if err != nil || p.params == nil || len(calls[i].Outputs) != len(p.outputs) || len(calls) == 1 && s.steps > longest {
			return
		}
		u.stages = append(u.stages, s)
	}
	compile := q.executable(u, false)
	go func() { _, _ = compile() }()
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
