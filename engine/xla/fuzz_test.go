//go:build xla

package xla

import (
	"testing"

	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/engine/cpu"
	"github.com/joule-ebm/joule/internal/enginetest"
)

// FuzzPrograms holds this engine and the CPU engine to the reference on programs made at random, with their gradients and those of
// gradients: go test -tags xla -fuzz FuzzPrograms ./engine/xla tries new ones for as long as it may.
func FuzzPrograms(f *testing.F) {
	e := plugin(f, 1)
	for seed := range uint64(6) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		enginetest.RandomProgram(t, seed, map[string]engine.Engine{"xla": e, "cpu": &cpu.Engine{}})
	})
}
