//go:build !mpi || !cgo

package mpi

import (
	"fmt"
	"os"

	"github.com/joule-ebm/joule/engine"
)

// Open is an error where this process is one of several, and nil otherwise.
func Open(Options) (engine.Group, error) {
	if n, _ := Launched(); n > 1 {
		return nil, fmt.Errorf("%d processes were started together, but this program was built without MPI, and they would all do the same: "+
			"start one, or build it with MPI: CC=mpicc CGO_ENABLED=1 go build -tags mpi ./cmd/joule (docs/cluster.md)", n)
	}
	return nil, nil
}

// Signals are those, beside the usual ones, that ask a process of a group to stop.
var Signals []os.Signal

// Exit ends the process.
func Exit(code int) { os.Exit(code) }
