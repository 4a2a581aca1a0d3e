package mcmc_test

import (
	"slices"
	"testing"

	"github.com/joule-ebm/joule/engine/cpu"
	"github.com/joule-ebm/joule/expr"
	"github.com/joule-ebm/joule/mcmc"
)

// A chain of no steps is refused, and its images stay where they are.
func TestChainOfNoSteps(t *testing.T) {
	image := expr.Shape{1, 2, 1}
	c, err := mcmc.NewChain(&cpu.Engine{Threads: 1}, mcmc.Langevin{StepSize: 0.1}, func(x *expr.Value) *expr.Value { return expr.Total(x) }, image)
	if err != nil {
		t.Fatal(err)
	}
	for _, steps := range []int{0, -3} {
		x := []float32{0.25, 0.5}
		if _, err := c.Run(t.Context(), x, mcmc.RunOptions{Steps: steps}); err == nil || !slices.Equal(x, []float32{0.25, 0.5}) {
			t.Errorf("%d steps: %v, %v", steps, x, err)
		}
	}
}
