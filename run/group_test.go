package run_test

// This file trains in groups of several processes, which are goroutines here: what they come to is what one process comes to.

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/internal/enginetest"
	"github.com/joule-ebm/joule/run"
)

// inGroup runs do as each rank of a group, with options and a directory for it: only rank 0 may see the run's. A rank that fails leaves
// the group, as a process that ends does.
func inGroup(t *testing.T, size int, at string, do func(rank int, at string, o run.Options) error) []error {
	t.Helper()
	group, ranks := enginetest.NewGroup(size)
	errs := make([]error, size)
	var wg sync.WaitGroup
	for rank, g := range ranks {
		wg.Go(func() {
			place := at
			if rank > 0 {
				place = filepath.Join(filepath.Dir(at), "not", "there")
			}
			if errs[rank] = do(rank, place, run.Options{Threads: 1 + 7*(rank%2), Group: g}); errs[rank] != nil {
				group.Leave()
			}
		})
	}
	wg.Wait()
	if _, err := os.Stat(filepath.Join(filepath.Dir(at), "not")); err == nil {
		t.Error("another rank than 0 has written something")
	}
	return errs
}

func succeed(t *testing.T, errs []error) {
	t.Helper()
	for rank, err := range errs {
		if err != nil {
			t.Fatalf("rank %d of %d: %v", rank, len(errs), err)
		}
	}
}

func TestGroupsComeToTheSame(t *testing.T) {
	dir := t.TempDir()
	data := stripes(t, dir, 300, 1)
	sizes := []int{3}
	if os.Getenv("JOULE_LONG") != "" {
		sizes = []int{2, 3, 4, 8}
	}
	for name, changes := range map[string][]string{
		"pictures":    {"output.pictures=300", "generation.augmented=0", "generation.plain=1", "limits.iterations=3"},
		"plain":       {"optimiser.batch=9", "optimiser.lanes=16", calibrating, "limits.iterations=16"},
		"conditional": {"network.conditional=true", "optimiser.batch=6", "limits.iterations=9"},
		"hmc":         {"sampler.kind=hmc", "sampler.step_size=0.01", "limits.iterations=9"},
		"some chains": {"loss.kl_chains=5", "optimiser.batch=9", "optimiser.lanes=16", "limits.iterations=16"},
		"unrolled":    {"sampler.all_steps=true", "limits.iterations=9"},
		"diverging":   diverging,
	} {
		t.Run(name, func(t *testing.T) {
			c := config(t, data, changes...)
			at := filepath.Join(t.TempDir(), "run")
			start(t, at, c)
			want := kept(t, at)
			for _, size := range sizes {
				at := filepath.Join(t.TempDir(), "run")
				succeed(t, inGroup(t, size, at, func(_ int, at string, o run.Options) error {
					_, err := run.Start(t.Context(), at, c, o)
					return err
				}))
				sameRun(t, fmt.Sprint("ranks: ", size), kept(t, at), want)
			}
		})
	}
}

// A run is interrupted in any rank, and goes on in groups of any number.
func TestGroupsAreInterruptedAndResumed(t *testing.T) {
	c, at, want := twice(t)
	sizes := []int{2, 1, 3, 4}
	for i, n := range []int64{3, 7, 16, 22} {
		succeed(t, inGroup(t, sizes[i], at, func(rank int, at string, o run.Options) error {
			ctx, stopping := stopAt(t, n)
			o.Progress = stopping.Progress // of rank 0 alone
			train := func() (run.Result, error) { return run.Resume(ctx, at, nil, o) }
			if i == 0 {
				train = func() (run.Result, error) { return run.Start(ctx, at, c, o) }
			}
			r, err := train()
			if err == nil && (!r.Interrupted || r.Iteration != n) {
				err = fmt.Errorf("interrupted after %d: %+v", n, r)
			}
			return err
		}))
	}
	// A signal that reaches one of the other ranks alone stops all, too: after the same iteration.
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var stopped [3]int64
	succeed(t, inGroup(t, 3, at, func(rank int, at string, o run.Options) error {
		mine := t.Context()
		if rank == 0 {
			o.Progress = func(p run.Progress) {
				if p.Iteration == 25 {
					cancel()
				}
			}
		}
		if rank == 2 {
			mine = ctx
		}
		r, err := run.Resume(mine, at, nil, o)
		stopped[rank] = r.Iteration
		if err == nil && !r.Interrupted {
			err = fmt.Errorf("not interrupted")
		}
		return err
	}))
	if stopped[0] != stopped[1] || stopped[0] != stopped[2] || stopped[0] < 25 || stopped[0] > 26 {
		t.Errorf("stopped after %v iterations, want 25 or 26", stopped)
	}
	// And so does the end of the time.
	succeed(t, inGroup(t, 2, at, func(rank int, at string, o run.Options) error {
		_, err := run.Resume(t.Context(), at, &run.Limits{For: time.Millisecond}, o)
		return err
	}))
	succeed(t, inGroup(t, 2, at, func(_ int, at string, o run.Options) error {
		_, err := run.Resume(t.Context(), at, &c.Limits, o)
		return err
	}))
	sameRun(t, "interrupted and resumed in groups", kept(t, at), want)
}

// What differs between processes is said in one line, and nothing is written.
func TestGroupsOfDifferentProcesses(t *testing.T) {
	data := stripes(t, t.TempDir(), 60, 1)
	for word, change := range map[string]func(c *run.Config){
		"setting optimiser.lanes 9, rank 0": func(c *run.Config) { c.Optimiser.Lanes = 9 },
		"setting seed 7":                    func(c *run.Config) { c.Seed = 7 },
	} {
		at := filepath.Join(t.TempDir(), "run")
		errs := inGroup(t, 3, at, func(rank int, at string, o run.Options) error {
			c := config(t, data)
			if rank == 2 {
				change(&c)
			}
			_, err := run.Start(t.Context(), at, c, o)
			return err
		})
		checkLine(t, errs[0], "rank 2", word)
		if _, err := os.Stat(at); err == nil {
			t.Errorf("%s: the run has begun", word)
		}
	}
}

// A rank that ends takes the others with it, and what was saved is what is resumed.
func TestGroupLosesARank(t *testing.T) {
	c, at, want := twice(t)
	errs := inGroup(t, 3, at, func(rank int, at string, o run.Options) error {
		if rank == 1 {
			o.Group = &leaver{Group: o.Group, calls: 60}
		}
		_, err := run.Start(t.Context(), at, c, o)
		return err
	})
	checkLine(t, errs[0], "left the group", "--resume")
	succeed(t, inGroup(t, 2, at, func(_ int, at string, o run.Options) error {
		_, err := run.Resume(t.Context(), at, nil, o)
		return err
	}))
	sameRun(t, "after the loss of a rank", kept(t, at), want)
}

// leaver is a rank that fails after so many calls.
type leaver struct {
	engine.Group
	calls int
}

func (l *leaver) Gather(all []byte, counts []int) error {
	if l.calls--; l.calls < 0 {
		return fmt.Errorf("the network is gone")
	}
	return l.Group.Gather(all, counts)
}

// A rank whose memory is not sound, here that of rank 0, which receives the sums, is noticed at the next checkpoint.
func TestGroupMiscalculates(t *testing.T) {
	dir := t.TempDir()
	c := config(t, stripes(t, dir, 60, 1))
	at := filepath.Join(dir, "run")
	errs := inGroup(t, 2, at, func(rank int, at string, o run.Options) error {
		if rank == 0 {
			o.Group = &flipper{Group: o.Group}
		}
		_, err := run.Start(t.Context(), at, c, o)
		return err
	})
	checkLine(t, errs[0], "rank 1 on ", "has the state of iteration 7 with checksum", "memory")
	checkLine(t, errs[1], "rank 1 on ", "memory")
}

// flipper is a rank whose memory is not sound.
type flipper struct {
	engine.Group
	calls   int
	flipped bool
}

func (f *flipper) Exchange(in []byte, from []int, out []byte, to []int) error {
	err := f.Group.Exchange(in, from, out, to)
	if f.calls++; f.calls >= 3 && !f.flipped && len(in) > 1000 {
		f.flipped = true
		for i := 1; i < len(in); i += 4 {
			in[i] ^= 1
		}
	}
	return err
}
