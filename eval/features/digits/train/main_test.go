package main

import (
	"context"
	"testing"

	"github.com/joule-ebm/joule/dataset"
	"github.com/joule-ebm/joule/engine/cpu"
)

// A few steps learn, and twice the same.
func TestLearns(t *testing.T) {
	ctx := context.Background()
	set, err := dataset.Open(ctx, "mnist:test", dataset.Size{})
	if err != nil {
		t.Fatal(err)
	}
	losses := func(threads int) (first, last float32) {
		l, err := newLearner(&cpu.Engine{Threads: threads})
		if err != nil {
			t.Fatal(err)
		}
		for number := range 40 {
			loss, err := step(ctx, l, set, number, 5e-3)
			if err != nil {
				t.Fatal(err)
			}
			if number == 0 {
				first = loss
			}
			last = loss
		}
		return first, last
	}
	first, last := losses(1)
	if first < 2 || last > 1.8 {
		t.Errorf("the loss goes from %v to %v; want it to start at about log 10 and to fall below 1.8", first, last)
	}
	if again, end := losses(2); again != first || end != last {
		t.Errorf("losses %v, %v with two threads, %v, %v with one", again, end, first, last)
	}
}
