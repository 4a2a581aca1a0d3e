//go:build !linux

package machine

// Nodes is in how many memory nodes (NUMA) the cores are that this process may run on; 0: the system does not tell.
func Nodes() int { return 0 }
