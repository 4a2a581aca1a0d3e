package main

// This file tells how far long work has come: on a terminal by a bar with rate and time left, elsewhere by a line now and then.

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"github.com/joule-ebm/joule/internal/terminal"
	"github.com/joule-ebm/joule/run"
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
		width := columns(out)
		options := []progressbar.Option{progressbar.OptionSetWriter(out), progressbar.OptionSetWidth(24), progressbar.OptionThrottle(100 * time.Millisecond),
			progressbar.OptionClearOnFinish(), progressbar.OptionSetDescription(what)}
		if counts := fmt.Sprintf("%s (%d/%d, 100000 %s/s) [10h10m10s:10h10m10s]", what, total, total, unit); len(counts) < width {
			options = append(options, progressbar.OptionShowCount(), progressbar.OptionShowIts(), progressbar.OptionSetItsString(unit))
		} else if len(what) > width/2 {
			options = append(options, progressbar.OptionSetDescription(what[:width/2]))
		}
		p.bar = progressbar.NewOptions64(total, options...)
	}
	return p
}

// isTerminal says whether somebody sits at the other end of a reader or writer, at a terminal that can do more than print.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd())) && os.Getenv("TERM") != "dumb"
}

// columns is the width of a terminal; 80 where it has none.
func columns(out any) int {
	if f, ok := out.(*os.File); ok {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
			return width
		}
	}
	return 80
}

// barWidth is that of a bar that has so many columns: a line that is longer than the terminal is wide would be left behind at each redrawing.
func barWidth(columns int) int { return min(max(columns, 4), 24) }

// fitting joins as many parts, the first ones, as there is room for.
func fitting(room int, parts ...string) string {
	line := parts[0]
	for _, part := range parts[1:] {
		if len(line)+len(part)+2 > room {
			break
		}
		line += ", " + part
	}
	return line
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
	fmt.Fprintln(s.out, "joule: warning:", terminal.OneLine(line))
}

// trainScreen shows a run: on a terminal by a bar, elsewhere by a line of log now and then.
type trainScreen struct {
	out  io.Writer
	log  *slog.Logger
	bar  *progressbar.ProgressBar // nil until there is something to show, and where there is no terminal
	last time.Time
	work stages // other than training
}

// logFormatUsage describes the flag of commands that train.
const logFormatUsage = "text or json, where progress is no bar on a terminal"

func newTrainScreen(out io.Writer, logFormat string) (s *trainScreen, err error) {
	s = &trainScreen{out: out, work: stages{out: out}}
	s.log, err = newLog(s, logFormat)
	return s, err
}

// Write is the log's way out, past the bar.
func (s *trainScreen) Write(line []byte) (int, error) {
	s.clear()
	return s.out.Write(line)
}

func (s *trainScreen) clear() {
	if s.bar != nil {
		_ = s.bar.Clear()
	}
	s.work.clear()
}

// other shows how far work is that is no training.
func (s *trainScreen) other(what, unit string, done, total int64) {
	if s.work.bar == nil || s.work.what != what {
		s.clear()
	}
	s.work.show(what, unit, done, total)
}

// show shows how far a run is.
func (s *trainScreen) show(p run.Progress) {
	left := "no limit"
	if p.Fraction > 0 {
		left = p.Left.Round(time.Second).String() + " left"
	}
	if !isTerminal(s.out) {
		if now := time.Now(); now.Sub(s.last) >= lineEvery {
			s.last = now
			at := []any{"iteration", p.Iteration}
			if p.Iterations > 0 {
				at = append(at, "of", p.Iterations)
			}
			s.log.Info("training", append(at, "rate", fmt.Sprintf("%.3g/s", p.Rate), "time", left,
				"energy_data", fmt.Sprintf("%.3g", p.Metrics.EnergyPos), "energy_samples", fmt.Sprintf("%.3g", p.Metrics.EnergyNeg))...)
		}
		return
	}
	const thousand = 1000 // the bar's length is the fraction of the run, which may be limited by time
	if s.bar == nil {
		length := int64(thousand)
		if p.Fraction == 0 {
			length = -1
		}
		s.bar = progressbar.NewOptions64(length, progressbar.OptionSetWriter(s.out), progressbar.OptionSetWidth(barWidth(columns(s.out)-64)),
			progressbar.OptionSetPredictTime(false), progressbar.OptionSetElapsedTime(false), progressbar.OptionThrottle(100*time.Millisecond))
	}
	width := columns(s.out)
	s.bar.Describe(fitting(width-barWidth(width-64)-len(" 100% || "), fmt.Sprintf("%d iterations", p.Iteration), left, fmt.Sprintf("%.3g/s", p.Rate),
		fmt.Sprintf("energy of data %.3g", p.Metrics.EnergyPos), fmt.Sprintf("of samples %.3g", p.Metrics.EnergyNeg)))
	_ = s.bar.Set64(int64(thousand * p.Fraction)) // a terminal that cannot be written to is no reason to stop
}
