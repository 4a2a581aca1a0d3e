package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/joule-ebm/joule/engine/mpi"
)

// A joule without MPI that is started as several processes says so and does nothing, whichever launcher started it.
func TestLaunchedWithoutMPI(t *testing.T) {
	if _, err := mpi.Open(mpi.Options{}); err != nil {
		t.Skip("the test itself was started as one of several")
	}
	for _, launcher := range []string{"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MV2_COMM_WORLD_SIZE", "SLURM_STEP_NUM_TASKS"} {
		t.Run(launcher, func(t *testing.T) {
			t.Setenv(launcher, "2")
			dir := filepath.Join(t.TempDir(), "run")
			code, _, stderr := joule(quick(t, "--out", dir, "--iterations", "1")...)
			if code != 1 || !strings.Contains(stderr, "2 processes were started together") || strings.Count(stderr, "\n") != 1 {
				t.Errorf("exit code %d: %s", code, stderr)
			}
			if _, err := os.Stat(dir); err == nil {
				t.Error("it has begun a run")
			}
			if code, _, stderr := joule("doctor"); code != 1 || !strings.Contains(stderr, "joule doctor is for one process") {
				t.Errorf("doctor: exit code %d: %s", code, stderr)
			}
			t.Setenv(launcher, "1")
			if code, _, stderr := joule(quick(t, "--out", dir, "--iterations", "1")...); code != 0 {
				t.Errorf("one process, with exit code %d: %s", code, stderr)
			}
		})
	}
}
