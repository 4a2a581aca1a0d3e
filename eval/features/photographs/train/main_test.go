package main

import (
	"context"
	"path/filepath"
	"slices"
	"testing"

	"github.com/joule-ebm/joule/dataset"
	"github.com/joule-ebm/joule/engine/cpu"
	"github.com/joule-ebm/joule/eval/features/internal/network"
	"github.com/joule-ebm/joule/eval/features/photographs"
)

// coloured are images whose class is their brightness.
func coloured(n int) *dataset.Set {
	set := &dataset.Set{Height: 32, Width: 32, Channels: 3, Classes: photographs.Names}
	for i := range n {
		label := i % photographs.Classes
		set.Labels = append(set.Labels, int32(label))
		for p := range photographs.Image.Size() {
			set.Pixels = append(set.Pixels, uint8(20*label+(i*7+p*13)%40))
		}
	}
	return set
}

var gentle = changing{seed: 1, shift: 2, cutout: 8}

// A few steps learn, twice the same, also when the state was stored and loaded on the way.
func TestLearns(t *testing.T) {
	ctx, set := context.Background(), coloured(200)
	losses := func(threads, storedAt int) (all []float32, l *network.Learner) {
		l, err := newLearner(&cpu.Engine{Threads: threads})
		if err != nil {
			t.Fatal(err)
		}
		for number := range 5 {
			if number == storedAt {
				at := filepath.Join(t.TempDir(), "part")
				if err := l.Store(at); err != nil {
					t.Fatal(err)
				}
				if l, err = newLearner(&cpu.Engine{Threads: threads}); err != nil {
					t.Fatal(err)
				}
				if err := l.Load(at); err != nil || l.Steps() != number {
					t.Fatalf("loaded at step %d of %d: %v", l.Steps(), number, err)
				}
			}
			loss, err := step(ctx, l, set, gentle, number, 2e-3)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, loss)
		}
		return all, l
	}
	first, l := losses(1, 0)
	if first[0] < 2 || first[4] > first[0]-0.3 {
		t.Errorf("losses %v; want them to start at about log 10 and to fall", first)
	}
	if again, _ := losses(2, 3); !slices.Equal(again, first) {
		t.Errorf("losses %v with two threads and a break, %v with one", again, first)
	}
	// The weights can be used, and be what another training begins with.
	stored, err := l.Bytes(network.Half, about)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := photographs.With(&cpu.Engine{}, stored); err != nil {
		t.Error(err)
	}
	at := filepath.Join(t.TempDir(), "weights")
	if err := l.Save(at, network.Half, about); err != nil {
		t.Fatal(err)
	}
	next, err := newLearner(&cpu.Engine{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	if err := next.Begin(at); err != nil || next.Steps() != 0 {
		t.Errorf("begun with stored weights at step %d: %v", next.Steps(), err)
	}
	if again, err := next.Bytes(network.Half, about); err != nil || !slices.Equal(again, stored) {
		t.Errorf("it begins with other weights (%v)", err)
	}
}

// An image is mirrored or not, and shifted, and what was outside is what a mirror at the border shows.
func TestChange(t *testing.T) {
	from, to := make([]uint8, photographs.Image.Size()), make([]uint8, photographs.Image.Size())
	for i := range from {
		from[i] = uint8(i / 3 % 32 * 8) // the column
	}
	seen := map[int]bool{}
	for draw := range uint64(200) {
		changing{seed: 1, shift: 2}.change(to, from, draw)
		first, last := int(to[0])/8, int(to[31*3])/8
		middle := int(to[3*16]) / 8 // 16 + dx, or 15 - dx in a mirror
		if mirrored := last < first; mirrored {
			middle = 31 - middle
		}
		seen[middle-16] = true
		if slices.Max(to) > 31*8 || middle < 14 || middle > 18 {
			t.Fatalf("draw %d: columns %d to %d", draw, first, last)
		}
	}
	if len(seen) != 5 {
		t.Errorf("shifts %v, want -2 to 2", seen)
	}
	changing{seed: 1, shift: 0, cutout: 8}.change(to, from, 3)
	gray := 0
	for _, u := range to {
		if u == 120 {
			gray++
		}
	}
	if gray < 4*4*3 || gray > 9*32*3 {
		t.Errorf("%d gray values", gray)
	}
}
