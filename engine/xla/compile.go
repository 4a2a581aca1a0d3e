//go:build xla

package xla

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/joule-ebm/joule/engine/xla/pjrt"
)

// executable is a program compiled for one use.
type executable struct {
	*pjrt.Executable
	use
}

// executable is the program for a use: one that has been compiled already and has room for the images, without wasting more than half of
// it, or one compiled now. So the last batch of a set, smaller than the others, compiles nothing if it is not much smaller. The pieces of a
// chain have room for the same number of images.
func (p *program) executable(u use, last *piece) (*executable, error) {
	var best *executable
	if last != nil {
		u.batch = last.x.batch
		best = p.compiled[u.key()]
	}
	for _, x := range p.compiled {
		candidate := u
		candidate.batch = x.batch
		if last == nil && x.batch >= u.batch && x.batch <= 2*u.batch && x.key() == candidate.key() && (best == nil || x.batch < best.batch) {
			best = x
		}
	}
	if best != nil {
		return best, nil
	}
	text, err := p.text(u)
	if err != nil {
		return nil, err
	}
	compiled, err := p.engine.compile(text)
	if err != nil {
		return nil, explained(fmt.Sprintf("a program of %d lines does not compile for %s", lines(text), p.engine.client.Platform), err)
	}
	x := &executable{compiled, u}
	p.compiled[u.key()] = x
	return x, nil
}

// compile makes a program's text ready to run, from the cache if it is there.
func (e *Engine) compile(text string) (*pjrt.Executable, error) {
	o := pjrt.Options{Replicas: e.replicas(), Flags: flags[e.client.Platform]}
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
