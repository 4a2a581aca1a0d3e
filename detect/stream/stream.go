// Package stream judges images as they arrive, writes a line for each, and notices when they drift. Memory does not grow with the stream.
//
// With a file of lines and a state (see [Options]), a stream that is stopped or killed goes on where it was, and no line is lost or
// written twice. Names of images come from a [List] or a [Folder], or from a [Source] of one's own.
//
//	judge, err := detect.NewJudge(&cpu.Engine{}, m, detect.Default, detect.Rule{FalseAlarms: 0.01})
//	s, err := stream.Open(judge, stream.Folder{Path: "camera", Follow: true}, stream.Options{Output: "judged.ndjson", State: "state.json"})
//	defer s.Close()
//	for line, err := range s.Lines(ctx) {
//		...
//	}
package stream

// This file is the stream at work: images in, lines out, scores to the drift detector.

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/joule-ebm/joule/dataset"
	"github.com/joule-ebm/joule/detect"
	"github.com/joule-ebm/joule/detect/drift"
	"github.com/joule-ebm/joule/internal/durable"
	"github.com/joule-ebm/joule/model"
)

// Options say where lines and state are kept. The zero value keeps none.
type Options struct {
	// AlarmEvery bounds false alarms: without drift there is one in so many images at most, on average. 0: in a million.
	AlarmEvery float64

	// Output is the file of lines, JSON, one an image. Of a stream that goes on, it must have the lines that the state knows of; what
	// follows them is written again.
	Output string
	// Writer takes the lines where there is no Output; nil: nobody. Of a stream that goes on after a kill, lines since the last save of
	// the state come twice.
	Writer io.Writer

	// State is the file that keeps how far the stream is, to go on from there. The model must have been read from a file, and the judge,
	// the source and AlarmEvery must be the same again. One stream at a time may use it.
	State string
	// SaveEvery is the time between two writes of the state; 0: a second.
	SaveEvery time.Duration
}

// A Line is what the stream says of an image.
type Line struct {
	N       int64  `json:"n"` // in the stream, from 1
	Image   string `json:"image"`
	*Result        // nil if the image could not be read
	Error   string `json:"error,omitempty"` // why not, in one line
}

// A Result is what came of an image that could be read.
type Result struct {
	Resized  bool     `json:"resized"`
	Warnings []string `json:"warnings,omitempty"` // what to know of how it was read
	detect.Judgement
	Rank  float64 `json:"rank"`            // of the score among all before it: uniform in (0,1) while nothing changes
	Drift float64 `json:"drift"`           // the evidence of drift: from 1 on there is an alarm
	Alarm bool    `json:"alarm,omitempty"` // whether there is one, or has been
}

// A Report is what came of a stream so far.
type Report struct {
	Images            int64   `json:"images"` // judged
	Failed            int64   `json:"failed"` // could not be read
	OutOfDistribution int64   `json:"out_of_distribution"`
	Resized           int64   `json:"resized"`
	Grayed            int64   `json:"grayed"`      // whose colours were lost, as the model sees none
	Distance          float64 `json:"ks_distance"` // of the latest ranks, at most drift.Window of them, from uniform ones
	P                 float64 `json:"ks_p"`        // of a Kolmogorov-Smirnov test of these ranks
	Drift             bool    `json:"drift"`
	AlarmAt           int64   `json:"alarm_at,omitempty"`    // number of the image that raised the alarm
	AlarmImage        string  `json:"alarm_image,omitempty"` // its name

	Waiting      int    `json:"waiting,omitempty"`       // pictures that are not whole yet, and so have no line
	WaitingImage string `json:"waiting_image,omitempty"` // the name of one

	Latest int   `json:"-"` // ranks that were tested
	Since  int64 `json:"-"` // before the alarm, images have been others for about so many
}

// A Stream judges images. It is for one goroutine at a time; the engine uses its threads.
type Stream struct {
	judge   *detect.Judge
	source  Source
	options Options
	drift   *drift.Detector
	state   state
	retries retries
	saved   time.Time // when the state was last written

	lock  *durable.Lock
	file  *os.File // the output, if it is a file
	lines *bufio.Writer

	closed bool
}

// ErrInUse says that another stream has the state.
var ErrInUse = errors.New("another stream keeps its state there; stop it, or name another file")

// Open begins a stream, or goes on with it where the state file says. It wraps [detect.ErrNotCalibrated] if the judge has no calibration,
// [ErrInUse] if another stream uses the state, and is an [*OtherState] if the state is of a stream of another kind.
func Open(judge *detect.Judge, source Source, o Options) (*Stream, error) {
	switch {
	case judge.Detector.Distribution == nil:
		return nil, judge.Uncalibrated
	case judge.Rule.FalseDiscoveries != 0:
		return nil, errors.New("a false-discovery rate is one of all images together: of a stream, give one of false alarms")
	}
	if o.AlarmEvery == 0 {
		o.AlarmEvery = 1e6
	}
	if o.SaveEvery == 0 {
		o.SaveEvery = time.Second
	}
	s := &Stream{judge: judge, source: source, options: o, saved: time.Now(), retries: retries{files: map[string]*waiting{}}}
	var err error
	if s.drift, err = drift.New(judge.Detector.Distribution, o.AlarmEvery); err != nil {
		return nil, err
	}
	if o.State != "" {
		s.lock, err = durable.TakeLock(o.State + ".lock")
		switch {
		case errors.Is(err, durable.ErrLocked):
			return nil, fmt.Errorf("%s: %w", o.State, ErrInUse)
		case err != nil:
			return nil, err
		}
	}
	if err := s.open(); err != nil {
		s.release()
		return nil, err
	}
	return s, nil
}

// open reads the state and makes the output what it was then.
func (s *Stream) open() error {
	resumed, err := s.restore()
	if err != nil {
		return err
	}
	if s.options.Output == "" {
		if s.options.Writer == nil {
			s.options.Writer = io.Discard
		}
		s.lines = bufio.NewWriter(s.options.Writer)
		return nil
	}
	if s.file, err = os.OpenFile(s.options.Output, os.O_WRONLY|os.O_CREATE, 0o666); err != nil {
		return fmt.Errorf("writing %w", err)
	}
	s.lines = bufio.NewWriterSize(s.file, 1<<16)
	size, err := s.file.Seek(0, io.SeekEnd)
	switch {
	case err != nil:
	case size < s.state.Bytes:
		err = fmt.Errorf("it has %d bytes, and had %d when %s was written: restore it, or begin another state", size, s.state.Bytes, s.options.State)
	case size > 0 && !resumed:
		err = errors.New("it holds lines already: name a new file, or the state to go on from")
	default:
		// What follows was written after the state, and will be again.
		if err = s.file.Truncate(s.state.Bytes); err == nil {
			_, err = s.file.Seek(s.state.Bytes, io.SeekStart)
		}
	}
	if err == nil {
		err = s.save() // so that a kill before the first save is one of this stream
	}
	if err != nil {
		return fmt.Errorf("%s: %w", s.options.Output, err)
	}
	return nil
}

// Lines judges the images that have not been judged yet, in order, as many at a time as have arrived, and yields the line of each once it
// is written. It ends when the source does, when ctx does, with its error, or with the loop; some of what has arrived is then read and not
// judged, so that another stream must go on. What could not be read has a line, and is no error of this one.
func (s *Stream) Lines(ctx context.Context) iter.Seq2[Line, error] {
	return func(yield func(Line, error) bool) {
		if err := s.run(ctx, func(l Line) bool { return yield(l, nil) }); err != nil {
			yield(Line{}, err)
		}
	}
}

// run gives lines to use until that wants no more.
func (s *Stream) run(ctx context.Context, use func(Line) bool) error {
	inner, cancel := context.WithCancel(ctx)
	defer cancel()
	var failure error   // of the source, known once the pictures have ended
	var failed sync.Map // errors of the source by names that cannot be read, known once the picture has come
	begin := s.state.Position
	source := s.source.Names
	folder, followed := s.source.(Folder)
	if followed = followed && folder.Follow; followed {
		source = func(ctx context.Context, after Position) iter.Seq2[string, error] {
			return folder.names(ctx, after, &s.retries)
		}
	}
	_, list := s.source.(List)
	names := func(yield func(string) bool) {
		for name, err := range source(inner, begin) {
			if err != nil && name == "" {
				failure = err
				return
			}
			if err != nil {
				failed.Store(name, err)
			}
			if !yield(name) {
				return
			}
		}
	}
	pictures := dataset.Pictures(inner, names, s.judge.Model.Config.PictureSize())
	for batch, err := range s.judge.Batches(ctx, pictures, model.AnyLabel) {
		if err != nil {
			return err
		}
		for _, j := range batch {
			if j.Name == "" {
				return j.Err
			}
			if err, ok := failed.LoadAndDelete(j.Name); ok {
				j.Err = err.(error)
			}
			if list && j.Err != nil {
				j = s.readAgain(ctx, j)
			}
			wait, again := s.retries.done(j.Name, j.Err != nil && followed)
			if wait {
				continue
			}
			last := s.state.Last
			line, err := s.add(j)
			if again && !comesAfter(j.Name, string(last)) { // others that come after it have been dealt with
				s.state.Last = last
			}
			if err != nil {
				return err
			}
			if !use(line) {
				return nil
			}
		}
		if err := s.lines.Flush(); err != nil {
			return err
		}
		if time.Since(s.saved) >= s.options.SaveEvery {
			if err := s.save(); err != nil {
				return err
			}
		}
	}
	return failure
}

// add counts an image and writes its line.
func (s *Stream) add(j detect.Judged) (Line, error) {
	st := &s.state
	st.pass(j.Name)
	line := Line{N: st.N, Image: j.Name}
	if j.Err != nil {
		st.Failed++
		line.Error = strings.Join(strings.Fields(j.Err.Error()), " ")
		return line, s.write(line)
	}
	before := s.drift.State().Alarm
	rank := s.drift.Add(float64(j.Score))
	st.Judged++
	if j.OutOfDistribution != nil && *j.OutOfDistribution {
		st.OutOfDistribution++
	}
	if j.Resized {
		st.Resized++
	}
	if j.Grayed() {
		st.Grayed++
	}
	alarm := s.drift.State().Alarm
	if alarm != before {
		st.AlarmAt, st.AlarmImage = st.N, j.Name
	}
	line.Result = &Result{j.Resized, j.Doubts(), j.Judgement, rank, s.drift.Statistic() / s.options.AlarmEvery, alarm != 0}
	return line, s.write(line)
}

func (s *Stream) write(line Line) error {
	text, err := json.Marshal(line)
	if err != nil {
		return err
	}
	if s.file != nil {
		s.state.Bytes += int64(len(text)) + 1
	}
	_, err = s.lines.Write(append(text, '\n'))
	return err
}

// Report says what came of the stream so far.
func (s *Stream) Report() Report {
	st, d := &s.state, s.drift.State()
	r := Report{Images: st.Judged, Failed: st.Failed, OutOfDistribution: st.OutOfDistribution, Resized: st.Resized, Grayed: st.Grayed, Drift: d.Alarm != 0,
		AlarmAt: st.AlarmAt, AlarmImage: st.AlarmImage, Latest: len(d.Latest)}
	r.Distance, r.P = s.drift.Uniformity()
	if names := s.retries.names(); len(names) > 0 {
		r.Waiting, r.WaitingImage = len(names), names[0]
	}
	if r.Drift {
		r.Since = d.Alarm - d.Since + 1
	}
	return r
}

// Close saves how far the stream is, and lets go of its files. A second Close does nothing.
func (s *Stream) Close() error {
	if s.closed {
		return nil
	}
	s.closed = true
	return errors.Join(s.save(), s.release())
}

// release closes what is open.
func (s *Stream) release() (err error) {
	if s.file != nil {
		err = s.file.Close()
		s.file = nil
	}
	if s.lock != nil {
		s.lock.Release()
		s.lock = nil
	}
	return err
}
