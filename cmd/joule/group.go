package main

// This file has joule run as several processes, which mpirun or srun starts. Rank 0 speaks for all of them.

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/engine/mpi"
)

// sharing are the commands whose work several processes share.
var sharing = []string{"train"}

// checkAlone is an error where several processes were started for a command that is for one.
func checkAlone(cmd *cobra.Command) error {
	n, _ := mpi.Launched()
	if n == 1 {
		return nil
	}
	for _, name := range sharing {
		if cmd.Name() == name && cmd.Parent() == cmd.Root() {
			return nil
		}
	}
	return fmt.Errorf("%s is for one process, and %d were started together: start one", cmd.CommandPath(), n)
}

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

// shareOfCores is the number of threads for this process: those of a host that may run on the same cores share them.
func shareOfCores(g engine.Group) (threads int, err error) {
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
	all, err := engine.Collect(g, []byte(host+"\n"+allowed))
	if err != nil {
		return 0, err
	}
	same := 0
	for _, other := range all {
		if string(other) == string(all[g.Rank()]) {
			same++
		}
	}
	return max(1, runtime.GOMAXPROCS(0)/same), nil
}
