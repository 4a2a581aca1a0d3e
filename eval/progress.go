package eval

import "sync"

// Progress is told now and then how far work is: done of total pieces, which unit names ("images", "steps"), of what is being done
// ("sampling"). It is called by one goroutine at a time. A nil Progress is told nothing.
type Progress func(what, unit string, done, total int64)

// Start begins a piece of work and returns the function that counts what is done of it, which any goroutine may call.
func (p Progress) Start(what, unit string, total int64) (add func(n int64)) {
	if p == nil {
		return func(int64) {}
	}
	var mu sync.Mutex
	var done int64
	return func(n int64) {
		mu.Lock()
		defer mu.Unlock()
		done += n
		p(what, unit, done, total)
	}
}
