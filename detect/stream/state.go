package stream

// This file is what a stream remembers: all it needs to go on, in a file that is replaced as a whole. The lines that a state counts are on
// the disk before the state is.

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/joule-ebm/joule/detect/drift"
	"github.com/joule-ebm/joule/internal/durable"
)

// state is how far a stream is.
type state struct {
	// What it is a state of.
	Model    string  `json:"model"` // SHA-256 of the model file
	Detector string  `json:"detector"`
	Rate     float64 `json:"false_alarm"`
	Sure     float64 `json:"confidence,omitempty"`
	Every    float64 `json:"alarm_every"`
	Source   string  `json:"folder"` // what the source says of itself

	Position
	Bytes             int64 `json:"bytes"` // of output
	Judged            int64 `json:"scored"`
	Failed            int64 `json:"failed"`
	OutOfDistribution int64 `json:"out_of_distribution"`
	Resized           int64 `json:"resized"`
	Grayed            int64 `json:"grayed,omitempty"`

	AlarmAt    int64       `json:"alarm_at"`
	AlarmImage string      `json:"alarm_image"`
	Drift      drift.State `json:"drift"`

	// The names of fields and detectors have changed.
	Unusual int64 `json:"unusual,omitempty"` // now OutOfDistribution
}

// Position is how far a source is: the names that have been dealt with.
type Position struct {
	N      int64  `json:"done"`   // how many
	Last   []byte `json:"last"`   // the last one: names need not be UTF-8
	Digest string `json:"digest"` // of all of them: see [Digest]
	// Waiting are names that have come and have not been dealt with: of pictures that were not whole yet.
	Waiting [][]byte `json:"waiting,omitempty"`
}

// pass counts a name.
func (p *Position) pass(name string) {
	p.N, p.Last, p.Digest = p.N+1, []byte(name), Digest(p.Digest, name)
}

// Digest is the digest of a list of names that has one more than the list of the given digest; that of the empty list is empty.
func Digest(digest, name string) string {
	sum := sha256.Sum256([]byte(digest + "\n" + name))
	return hex.EncodeToString(sum[:16])
}

// OtherState says that a state is of a stream that differs in something.
type OtherState struct {
	File string
	What string // model, detector, false-alarm rate, confidence, alarm interval, source or calibration
}

func (e *OtherState) Error() string {
	return fmt.Sprintf("%s: the state is of another %s: give what was given then, or name another state", e.File, e.What)
}

// restore goes to the state in the state file, if there is one.
func (s *Stream) restore() (resumed bool, err error) {
	s.state = state{Detector: s.judge.Detector.Name, Rate: s.judge.Rule.FalseAlarms, Sure: s.judge.Rule.Confidence, Every: s.options.AlarmEvery, Source: s.source.String()}
	file := s.options.State
	if file == "" {
		return false, nil
	}
	model, err := s.judge.Model.Content()
	if err != nil {
		return false, fmt.Errorf("a state tells models apart by their files: %w", err)
	}
	sum := sha256.Sum256(model)
	s.state.Model = hex.EncodeToString(sum[:])
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	var then state
	if err := json.Unmarshal(text, &then); err != nil {
		return false, fmt.Errorf("%s: not the state of a stream: %w", file, err)
	}
	then.OutOfDistribution, then.Unusual = then.OutOfDistribution+then.Unusual, 0
	if then.Detector == "score-norm" {
		then.Detector = "gradient-norm"
	}
	for _, same := range []struct {
		what      string
		then, now any
	}{
		{"model", then.Model, s.state.Model}, {"detector", then.Detector, s.state.Detector}, {"false-alarm rate", then.Rate, s.state.Rate},
		{"confidence", then.Sure, s.state.Sure},
		{"alarm interval", then.Every, s.state.Every}, {"source", then.Source, s.state.Source},
	} {
		if same.then != same.now {
			return false, &OtherState{file, same.what}
		}
	}
	if err := s.drift.Restore(then.Drift); err != nil {
		return false, &OtherState{file, "calibration"}
	}
	s.state = then
	for _, name := range then.Waiting {
		s.retries.restore(string(name))
	}
	return true, nil
}

// save writes the state, once the lines it counts are on the disk.
func (s *Stream) save() error {
	if err := s.lines.Flush(); err != nil {
		return err
	}
	s.saved = time.Now()
	if s.options.State == "" {
		return nil
	}
	if s.file != nil {
		if err := s.file.Sync(); err != nil {
			return err
		}
	}
	s.state.Drift = s.drift.State()
	s.state.Waiting = nil
	for _, path := range s.retries.names() {
		s.state.Waiting = append(s.state.Waiting, []byte(path))
	}
	return durable.WriteFile(s.options.State, func(out io.Writer) error { return json.NewEncoder(out).Encode(&s.state) })
}
