package enginetest

// This file has a group of processes that are goroutines.

import (
	"errors"
	"fmt"
	"sync"

	"github.com/joule-ebm/joule/engine"
)

// Group is the ranks of a group that share this process's memory.
type Group struct {
	mutex   sync.Mutex
	changed *sync.Cond
	calls   []exchange // what each rank gives and wants in the call they are all in
	waiting int        // ranks that have come to where the others are waited for
	round   int        // how often all have
	left    bool
}

// exchange is a rank's part in a call.
type exchange struct {
	what    string
	in, out []byte
	to      []int
}

// ErrLeft is what the ranks of a group get when one of them has left it.
var ErrLeft = errors.New("a rank has left the group")

// Leave ends the group, as the death of a process does.
func (g *Group) Leave() {
	g.mutex.Lock()
	defer g.mutex.Unlock()
	g.left = true
	g.changed.Broadcast()
}

type member struct {
	*Group
	rank int
}

// NewGroup makes a group of so many ranks, each to be used by a goroutine of its own.
func NewGroup(size int) (*Group, []engine.Group) {
	g := &Group{calls: make([]exchange, size)}
	g.changed = sync.NewCond(&g.mutex)
	var ranks []engine.Group
	for rank := range size {
		ranks = append(ranks, member{g, rank})
	}
	return g, ranks
}

func (m member) Rank() int { return m.rank }
func (m member) Size() int { return len(m.calls) }

// wait returns when all ranks have come here.
func (g *Group) wait() error {
	g.mutex.Lock()
	defer g.mutex.Unlock()
	round := g.round
	if g.waiting++; g.waiting == len(g.calls) {
		g.waiting = 0
		g.round++
		g.changed.Broadcast()
	}
	for g.round == round && !g.left {
		g.changed.Wait()
	}
	if g.round == round {
		return ErrLeft
	}
	return nil
}

// together has all ranks give what they have, take what they want, and go on.
func (m member) together(mine exchange, take func() error) error {
	m.calls[m.rank] = mine
	if err := m.wait(); err != nil {
		return err
	}
	for r, c := range m.calls {
		if c.what != mine.what {
			return fmt.Errorf("rank %d calls %s, rank %d calls %s", m.rank, mine.what, r, c.what)
		}
	}
	err := take()
	if waited := m.wait(); err == nil {
		err = waited
	}
	return err
}

// Gather implements engine.Group.
func (m member) Gather(all []byte, counts []int) error {
	at := make([]int, len(counts)+1)
	for r, n := range counts {
		at[r+1] = at[r] + n
	}
	mine := append([]byte(nil), all[at[m.rank]:at[m.rank+1]]...)
	return m.together(exchange{what: fmt.Sprint("Gather", counts), out: mine}, func() error {
		if len(all) != at[len(counts)] || len(counts) != len(m.calls) {
			return fmt.Errorf("Gather of %d bytes, counts %v", len(all), counts)
		}
		for r, c := range m.calls {
			copy(all[at[r]:], c.out)
		}
		return nil
	})
}

// Exchange implements engine.Group.
func (m member) Exchange(in []byte, from []int, out []byte, to []int) error {
	return m.together(exchange{what: "Exchange", in: in, out: out, to: to}, func() error {
		for r, c := range m.calls {
			sent := c.out
			for _, n := range c.to[:m.rank] {
				sent = sent[n:]
			}
			if c.to[m.rank] != from[r] {
				return fmt.Errorf("rank %d sends %d bytes, rank %d wants %d", r, c.to[m.rank], m.rank, from[r])
			}
			copy(in, sent[:from[r]])
			in = in[from[r]:]
		}
		if len(in) > 0 {
			return fmt.Errorf("%d bytes more than from %v", len(in), from)
		}
		return nil
	})
}
