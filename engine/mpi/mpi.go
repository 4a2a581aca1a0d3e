// Package mpi makes a group (engine.Group) of the processes that mpirun, srun or another launcher of MPI programs has started.
//
//	group, err := mpi.Open(mpi.Options{Patience: 10 * time.Minute}) // nil for a process that was started alone
//	...
//	mpi.Exit(code)                                                  // instead of os.Exit
//
// It needs a C compiler and an MPI library, and is built with the tag mpi alone:
//
//	CC=mpicc go build -tags mpi ./cmd/joule
//
// A program built without it says so, and starts no work, when it is one of several processes: these would all do the same.
package mpi

import (
	"os"
	"strconv"
	"time"
)

// Options are those of a group.
type Options struct {
	// Patience is how long a process waits for the others, in one call of the group, before it ends them all and itself; 0 means for ever.
	// It should be longer than an iteration: a process that has done its share waits for the slowest.
	Patience time.Duration
}

// variables are those of the environment by which launchers tell a process how many there are, and its place among them.
var variables = []struct{ size, rank string }{
	{"OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"}, // Open MPI
	{"PMI_SIZE", "PMI_RANK"},                         // MPICH's and Intel's Hydra, and others that speak PMI
	{"MV2_COMM_WORLD_SIZE", "MV2_COMM_WORLD_RANK"},   // MVAPICH
	{"SLURM_STEP_NUM_TASKS", "SLURM_PROCID"},         // srun: a step, not the job, whose script is one process
}

// Launched tells how many processes were started together, and this one's place among them: 1 and 0 where it was started alone.
func Launched() (size, rank int) {
	for _, v := range variables {
		size, err := strconv.Atoi(os.Getenv(v.size))
		if err != nil || size <= 1 {
			continue
		}
		rank, _ := strconv.Atoi(os.Getenv(v.rank))
		return size, rank
	}
	return 1, 0
}
