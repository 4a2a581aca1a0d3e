// The measuring stick: how many float32 operations a second this machine can do at all.

package kernels

import (
	"sync"
	"time"
)

// PeakFMA measures the float32 fused multiply-add peak of this machine with its best instruction set: GFLOP/s, two
// operations a multiply-add, summed over that many goroutines running for the given time. Kernels are judged against it.
func PeakFMA(threads int, d time.Duration) float64 { return Best().peakFMA(threads, d) }

func (s *Set) peakFMA(threads int, d time.Duration) float64 {
	const rounds = 20000 // some tens of microseconds between looks at the clock
	var (
		wait  sync.WaitGroup
		mu    sync.Mutex
		total float64
	)
	for range threads {
		wait.Go(func() {
			s.multiplyAdds(rounds)
			var work float64
			start := time.Now()
			for time.Since(start) < d {
				work += s.multiplyAdds(rounds)
			}
			rate := work / time.Since(start).Seconds()
			mu.Lock()
			total += rate
			mu.Unlock()
		})
	}
	wait.Wait()
	return total / 1e9
}
