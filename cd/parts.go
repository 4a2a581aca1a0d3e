package cd

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// This file shares work on long vectors among cores. Where a part begins does not depend on how many there are, so neither do sums
// that are taken part by part.

// partSize is the length of a part, but for the last.
const partSize = 1 << 16

// parts is the number of parts of n numbers.
func parts(n int) int { return (n + partSize - 1) / partSize }

// inParts calls do for every part of n numbers, on so many threads; 0 means one a core.
func inParts(n, threads int, do func(part, from, to int)) {
	if threads <= 0 {
		threads = runtime.GOMAXPROCS(0)
	}
	var (
		next atomic.Int64
		wg   sync.WaitGroup
	)
	work := func() {
		for {
			part := int(next.Add(1)) - 1
			if part >= parts(n) {
				return
			}
			do(part, part*partSize, min(n, (part+1)*partSize))
		}
	}
	for range min(threads, parts(n)) - 1 {
		wg.Go(work)
	}
	work()
	wg.Wait()
}
