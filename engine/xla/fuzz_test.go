//go:build xla

package xla

import (
	"context"
	"testing"
	"time"

	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/engine/cpu"
	"github.com/joule-ebm/joule/internal/enginetest"
)

// FuzzPrograms holds this engine and the CPU engine to the reference on programs made at random, with their gradients and those of
// gradients: go test -tags xla -run '^$' -fuzz FuzzPrograms ./engine/xla tries new ones for as long as it may.
func FuzzPrograms(f *testing.F) {
	e := plugin(f, 1)
	e.Cache = "" // no program comes twice
	// Of seed 400: sums of 864 numbers that are nearly alike.
	for _, seed := range []uint64{0, 1, 2, 3, 4, 5, 400} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		// Go takes a program of more than ten seconds for a deadlock; a busy machine may compile for longer.
		ctx, cancel := context.WithTimeout(t.Context(), 7*time.Second)
		defer cancel()
		if !enginetest.RandomProgram(ctx, t, seed, map[string]engine.Engine{"cpu": &cpu.Engine{}, "xla": e}) {
			t.Skip("a value near a jump, or no time")
		}
	})
}
