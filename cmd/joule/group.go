package main

// This file has joule run as several processes, which mpirun or srun starts. Rank 0 speaks for all of them.

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/engine/mpi"
)

// sharing are the commands whose work several processes share: those that call join.
var sharing = []string{"joule train", "joule sample", "joule score", "joule eval quality", "joule eval likelihood"}

// checkAlone is an error where several processes were started for a command that is for one.
func checkAlone(cmd *cobra.Command) error {
	n, _ := mpi.Launched()
	if n == 1 || slices.Contains(sharing, cmd.CommandPath()) {
		return nil
	}
	return fmt.Errorf("%s is for one process, and %d were started together: start one", cmd.CommandPath(), n)
}

// patience is how long the processes of a command wait for each other, where no flag says.
const patience = 15 * time.Minute

// join finds the other processes, if several were started. All but rank 0 fall silent.
func (h *hardware) join(cmd *cobra.Command, patience time.Duration) (err error) {
	h.group, err = mpi.Open(mpi.Options{Patience: patience})
	if !h.writes() {
		cmd.SetOut(io.Discard)
		cmd.SetErr(io.Discard)
	}
	return err
}

// writes says whether this process is the one that writes what comes of the work.
func (h *hardware) writes() bool { return h.group == nil || h.group.Rank() == 0 }

// hearRank0 gives rank 0 the time to say what all ranks have to say, and to end them.
func hearRank0() {
	const grace = 3 * time.Second
	if _, rank := mpi.Launched(); rank > 0 {
		time.Sleep(grace)
	}
}

// rankName is how the messages of a process begin: with its rank, if another one speaks for all.
func rankName() string {
	if _, rank := mpi.Launched(); rank > 0 {
		host, _ := os.Hostname()
		return fmt.Sprintf("joule: rank %d on %s:", rank, host)
	}
	return "joule:"
}

// shareOfCores is the number of threads of this process: what was asked for or, for 0, its share of the cores that it may run on. All
// processes of a host that may run on the same cores have an equal share of them.
func (h hardware) shareOfCores(asked int) (threads int, err error) {
	if err := checkBounds(bounds{"threads", asked, 0, mostThreads}); err != nil {
		return 0, err
	}
	if h.group == nil || asked > 0 {
		return asked, nil
	}
	host, err := os.Hostname()
	if err != nil {
		return 0, err
	}
	allowed := ""
	if status, err := os.ReadFile("/proc/self/status"); err == nil {
		for line := range strings.Lines(string(status)) {
			if strings.HasPrefix(line, "Cpus_allowed:") {
				allowed = line
			}
		}
	}
	all, err := engine.Collect(h.group, []byte(host+"\n"+allowed))
	if err != nil {
		return 0, err
	}
	same := 0
	for _, other := range all {
		if string(other) == string(all[h.group.Rank()]) {
			same++
		}
	}
	return max(1, runtime.GOMAXPROCS(0)/same), nil
}
