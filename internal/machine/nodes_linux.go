package machine

import (
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Nodes is in how many memory nodes (NUMA, mostly sockets) the cores are that this process may run on; 0: the system does not tell.
func Nodes() (n int) {
	var may unix.CPUSet
	if unix.SchedGetaffinity(0, &may) != nil {
		return 0
	}
	directories, _ := filepath.Glob("/sys/devices/system/node/node[0-9]*")
	for _, directory := range directories {
		cores, _ := filepath.Glob(filepath.Join(directory, "cpu[0-9]*"))
		for _, core := range cores {
			if i, err := strconv.Atoi(strings.TrimPrefix(filepath.Base(core), "cpu")); err == nil && may.IsSet(i) {
				n++
				break
			}
		}
	}
	return n
}
