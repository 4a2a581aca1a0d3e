package cd

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// This file shares work on long vectors among cores. Where a block begins does not depend on how many cores there are, so neither
// do sums that are taken block by block.

// blockSize is the length of a block, but for the last.
const blockSize = 1 << 16

// blocks is the number of blocks of n numbers.
func blocks(n int) int { return (n + blockSize - 1) / blockSize }

// inBlocks calls do for every block of n numbers, on so many threads; 0 means one a core.
func inBlocks(n, threads int, do func(block, from, to int)) {
	if threads <= 0 {
		threads = runtime.GOMAXPROCS(0)
	}
	var (
		next atomic.Int64
		wg   sync.WaitGroup
	)
	work := func() {
		for {
			block := int(next.Add(1)) - 1
			if block >= blocks(n) {
				return
			}
			do(block, block*blockSize, min(n, (block+1)*blockSize))
		}
	}
	for range min(threads, blocks(n)) - 1 {
		wg.Go(work)
	}
	work()
	wg.Wait()
}
