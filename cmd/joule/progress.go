package main

// This file tells how far long work has come: on a terminal by a bar with rate and time left, elsewhere by a line now and then.

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// lineEvery is the time between two lines where there is no terminal. Tests, which may run slowly, have none.
var lineEvery = 10 * time.Second

// progress counts pieces of work.
type progress struct {
	out         io.Writer
	what, unit  string
	total, done int64 // total is -1 if nobody knows
	begun, last time.Time
	bar         *progressbar.ProgressBar // nil where there is no terminal
}

func newProgress(out io.Writer, what, unit string, total int64) *progress {
	p := &progress{out: out, what: what, unit: unit, total: total, begun: time.Now(), last: time.Now()}
	if isTerminal(out) {
		p.bar = progressbar.NewOptions64(total, progressbar.OptionSetWriter(out), progressbar.OptionSetDescription(what),
			progressbar.OptionShowCount(), progressbar.OptionShowIts(), progressbar.OptionSetItsString(unit),
			progressbar.OptionSetPredictTime(true), progressbar.OptionSetWidth(24), progressbar.OptionThrottle(100*time.Millisecond),
			progressbar.OptionClearOnFinish())
	}
	return p
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// Add counts n more pieces.
func (p *progress) Add(n int64) {
	p.done += n
	if p.bar != nil {
		_ = p.bar.Add64(n) // a terminal that cannot be written to is no reason to stop
		return
	}
	if now := time.Now(); now.Sub(p.last) >= lineEvery {
		p.last = now
		fmt.Fprintln(p.out, p.line(now.Sub(p.begun)))
	}
}

func (p *progress) line(elapsed time.Duration) string {
	rate := float64(p.done) / elapsed.Seconds()
	line := fmt.Sprintf("%s: %d", p.what, p.done)
	if p.total < 0 {
		return line + fmt.Sprintf(" %s, %.4g/s", p.unit, rate)
	}
	left := time.Duration(float64(p.total-p.done) / rate * float64(time.Second))
	return line + fmt.Sprintf(" of %d %s, %.4g/s, %v left", p.total, p.unit, rate, left.Round(time.Second))
}

// Done removes the bar, for what is printed next.
func (p *progress) Done() {
	if p.bar != nil {
		_ = p.bar.Clear()
	}
}

// stages shows work that has several parts: a bar, or lines, for each in turn.
type stages struct {
	out  io.Writer
	what string // the part
	done int64
	bar  *progress // nil between parts
}

// show says how far a part is. Total is -1 if nobody knows.
func (s *stages) show(what, unit string, done, total int64) {
	if s.bar == nil || what != s.what || done < s.done {
		s.clear()
		s.bar, s.what, s.done = newProgress(s.out, what, unit, total), what, 0
	}
	s.bar.Add(done - s.done)
	if s.done = done; done == total {
		s.clear()
	}
}

// clear makes room for what is printed next.
func (s *stages) clear() {
	if s.bar != nil {
		s.bar.Done()
		s.bar = nil
	}
}

func (s *stages) warn(line string) {
	s.clear()
	fmt.Fprintln(s.out, "joule: warning:", oneLine(line))
}
