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
	return Rate(threads, d, func() float64 { return s.multiplyAdds(rounds) })
}

// Rate has that many goroutines repeat work, which returns how many operations it did, for the given time, and returns what they come
// to together: 10⁹ operations a second.
func Rate(threads int, d time.Duration, work func() float64) float64 {
	var (
		wait  sync.WaitGroup
		mu    sync.Mutex
		total float64
	)
	for range threads {
		wait.Go(func() {
			work() // to warm up
			var done float64
			start := time.Now()
			for time.Since(start) < d {
				done += work()
			}
			rate := done / time.Since(start).Seconds()
			mu.Lock()
			total += rate
			mu.Unlock()
		})
	}
	wait.Wait()
	return total / 1e9
}
