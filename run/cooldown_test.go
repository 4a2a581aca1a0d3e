package run_test

import (
	"math"
	"path/filepath"
	"testing"
	"time"

	"github.com/joule-ebm/joule/run"
)

// rates are the learning rates of a run's iterations.
func rates(t *testing.T, at string) (list []float64) {
	t.Helper()
	for _, m := range records(t, at) {
		rate, _ := m.Value("update_learning_rate")
		list = append(list, rate)
	}
	return list
}

// The learning rate falls to 0 over the last part of a run, however often that is interrupted; a later end makes it rise again.
func TestCooldown(t *testing.T) {
	c, at, want := twice(t, "optimiser.cooldown=0.4", "limits.iterations=10")
	interrupted(t, at, c, 8)
	resume(t, at, nil)
	sameRun(t, "interrupted and resumed", kept(t, at), want)
	resume(t, at, &run.Limits{Iterations: 20})
	full := c.Optimiser.LearningRate
	for i, rate := range rates(t, at) {
		left := float64(10-i) / 10
		if i >= 10 {
			left = float64(20-i) / 20
		}
		if want := full * min(1, left/0.4); math.Abs(rate-want) > 1e-12 {
			t.Errorf("iteration %d: the learning rate is %v, want %v", i+1, rate, want)
		}
	}
}

// Where time is the limit, it falls with the time that is left; processes that train together go by one clock.
func TestCooldownByTime(t *testing.T) {
	dir := t.TempDir()
	c := config(t, stripes(t, dir, 60, 1), "optimiser.cooldown=1", "limits.iterations=0")
	c.Limits.For = 400 * time.Millisecond
	at := filepath.Join(dir, "run")
	succeed(t, inGroup(t, 2, at, func(_ int, at string, o run.Options) error {
		_, err := run.Start(t.Context(), at, c, o)
		return err
	}))
	before := c.Optimiser.LearningRate
	for i, rate := range rates(t, at) { // as many as a slow machine makes
		if !(rate >= 0 && rate < before) {
			t.Errorf("iteration %d: the learning rate is %v after %v", i+1, rate, before)
		}
		before = rate
	}
}
