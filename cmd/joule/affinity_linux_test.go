package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/joule-ebm/joule/internal/doctor"
)

// A process that may run on one core alone, as mpirun and taskset arrange it, has one thread: more would take turns on it.
func TestAffinity(t *testing.T) {
	if os.Getenv("JOULE_TEST_BOUND") != "" {
		os.Exit(execute([]string{"doctor", "--json"}, os.Stdout, os.Stderr))
	}
	var allowed, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &allowed); err != nil {
		t.Skip(err)
	}
	for core := 0; one.Count() == 0; core++ {
		if allowed.IsSet(core) {
			one.Set(core)
		}
	}
	runtime.LockOSThread() // for good: the thread ends with the test, and with it its affinity
	if err := unix.SchedSetaffinity(0, &one); err != nil {
		t.Skip(err)
	}
	bound := exec.Command(os.Args[0], "-test.run=^TestAffinity$") // which has the affinity of the thread that starts it
	bound.Env = append(os.Environ(), "JOULE_TEST_BOUND=1")
	out, err := bound.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var report doctor.Report
	if err := json.Unmarshal(out, &report); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if report.Threads != 1 {
		t.Errorf("%d threads on one core", report.Threads)
	}
}
