package main

import (
	"bytes"
	"context"
	"testing"

	"github.com/joule-ebm/joule/dataset/objects"
	"github.com/joule-ebm/joule/engine/cpu"
	"github.com/joule-ebm/joule/eval/features/scenes"
)

// A few steps learn, and twice the same.
func TestLearns(t *testing.T) {
	ctx := context.Background()
	losses := func(threads int) (first, last float32) {
		l, err := newLearner(ctx, &cpu.Engine{Threads: threads})
		if err != nil {
			t.Fatal(err)
		}
		for number := range 25 {
			loss, err := l.step(ctx, number, 1e-3)
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
	if first < 6 || last > first-0.3 { // log 6 + log 8 + log 3 + log 9 = 7.2 is chance, for seven of eight pictures
		t.Errorf("the loss goes from %v to %v; want it to start at about 6.5 and to fall", first, last)
	}
	if again, end := losses(2); again != first || end != last {
		t.Errorf("losses %v, %v with two threads, %v, %v with one", again, end, first, last)
	}
}

// Half of the pictures stay as they are, one in eight has no object, and the rest is changed but has its own.
func TestDisturb(t *testing.T) {
	l, err := newLearner(context.Background(), &cpu.Engine{})
	if err != nil {
		t.Fatal(err)
	}
	const n = 800
	same, without := 0, 0
	before := make([]uint8, scenes.Image.Size())
	for i := range uint64(n) {
		objects.At(seed, i).Draw(before, side)
		after := bytes.Clone(before)
		object := l.disturb(after, i)
		switch {
		case bytes.Equal(before, after):
			same++
			if !object {
				t.Fatalf("picture %d is as it was, and said to have no object", i)
			}
		case !object:
			without++
		}
	}
	if same < n*45/100 || same > n*55/100 || without < n*9/100 || without > n*16/100 {
		t.Errorf("of %d pictures %d are as they were and %d without an object", n, same, without)
	}
}
