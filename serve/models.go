package serve

// This file holds models, and replaces them while they are in use: a request works to its end with the model it began with.

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/joule-ebm/joule/dataset"
	"github.com/joule-ebm/joule/detect"
	"github.com/joule-ebm/joule/detect/drift"
	"github.com/joule-ebm/joule/detect/explain"
	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/engine/cpu"
	"github.com/joule-ebm/joule/model"
)

// A slot is the place of a model.
type slot struct {
	Source
	mu  sync.Mutex
	now *loaded
}

// loaded is a model in memory.
type loaded struct {
	model  *model.Model
	judge  *detect.Judge // used by the batcher alone
	drift  *drift.Detector
	queue  chan *job
	users  sync.WaitGroup // requests
	active atomic.Int64   // requests that judge images, at work or on their way
	engine engine.Engine

	explaining chan struct{} // one place: an explainer is for one goroutine at a time
	explainer  *explain.Explainer
}

// falseDriftAlarms is the number of images that pass between two alarms where there is no drift, on average.
const falseDriftAlarms = 1e6

// engine is the one to compute with.
func (s *Server) engine() engine.Engine {
	if s.options.Engine != nil {
		return s.options.Engine
	}
	return &cpu.Engine{Threads: s.options.Threads}
}

// load reads and compiles a model and begins to judge.
func (s *Server) load(source Source) (*loaded, error) {
	m, err := model.Open(source.Path)
	if err != nil {
		return nil, err
	}
	e := s.engine()
	judge, err := detect.NewJudge(e, m, s.options.Detector, detect.Rule{})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", source.Path, err)
	}
	l := &loaded{model: m, judge: judge, queue: make(chan *job, s.options.Limits.Requests), engine: e, explaining: make(chan struct{}, 1)}
	if judge.Detector.Distribution != nil {
		if l.drift, err = drift.New(judge.Detector.Distribution, falseDriftAlarms); err != nil {
			return nil, fmt.Errorf("%s: %w", source.Path, err)
		}
	} else {
		s.options.Log.Warn("the model is not calibrated, so there are no p-values: see joule calibrate", "model", source.Name)
	}
	// A first image, so that a model that cannot run is not taken, and the first request need not wait for what runs once.
	if _, err := judge.Images(context.Background(), make([]uint8, m.Energy.Image.Size()), model.AnyLabel); err != nil {
		return nil, fmt.Errorf("%s: %w", source.Path, err)
	}
	b := &batcher{model: source.Name, judge: judge, drift: l.drift, queue: l.queue, active: &l.active, most: l.most(), wait: s.options.Wait, metrics: s.metrics}
	s.metrics.loaded(source.Name, m.Iterations, l.drift)
	go b.run()
	s.options.Log.Info("serving", "model", source.Name, "file", m.Path, "iterations", m.Iterations, "calibrated", judge.Detector.Distribution != nil)
	return l, nil
}

// size is that of the model's images.
func (l *loaded) size() dataset.Size { return l.model.Config.ImageSize() }

// pictureSize is that of the pictures that it judges: 0 high and wide, of any size, where the model is one of tiles.
func (l *loaded) pictureSize() dataset.Size { return l.model.Config.PictureSize() }

// slot is the place of the model of that name; nil if there is none.
func (s *Server) slot(name string) *slot {
	for _, slot := range s.slots {
		if slot.Name == name {
			return slot
		}
	}
	return nil
}

// take is the model of that name, until it is let go.
func (s *Server) take(name string) (*loaded, error) {
	slot := s.slot(name)
	if slot == nil {
		return nil, problemf(http.StatusNotFound, "no model %.60q: GET /v1/models lists them", name)
	}
	slot.mu.Lock()
	defer slot.mu.Unlock()
	if slot.now == nil {
		return nil, problemf(http.StatusServiceUnavailable, "the server is stopping")
	}
	slot.now.users.Add(1)
	return slot.now, nil
}

// letGo ends a use of the model.
func (l *loaded) letGo() { l.users.Done() }

// replace puts another model into the slot; the one before it ends when nobody uses it any more.
func (s *slot) replace(l *loaded) {
	s.mu.Lock()
	before := s.now
	s.now = l
	s.mu.Unlock()
	if before != nil {
		go func() {
			before.users.Wait()
			close(before.queue)
		}()
	}
}

// Reload reads all models again. One that cannot be read stays as it was; the error says which, and why.
func (s *Server) Reload() error {
	var failed []error
	for _, slot := range s.slots {
		l, err := s.load(slot.Source)
		s.metrics.reloaded(slot.Name, err)
		if err != nil {
			failed = append(failed, fmt.Errorf("the model %s stays as it was: %w", slot.Name, err))
			continue
		}
		slot.replace(l)
	}
	return errors.Join(failed...)
}

// label understands a class by name or number; "" is any.
func (l *loaded) label(name string) (int, error) {
	if name == "" {
		return model.AnyLabel, nil
	}
	label, err := l.model.Label(name)
	if err != nil {
		return 0, problemf(http.StatusBadRequest, "label: %w", err)
	}
	if l.judge.Detector.Reference {
		return 0, problemf(http.StatusBadRequest, "label: %w", detect.ErrOneClass)
	}
	return int(label), nil
}

// explain explains images, one request after the other.
func (l *loaded) explain(ctx context.Context, images []dataset.Image, label int) ([]explain.Explanation, error) {
	select {
	case l.explaining <- struct{}{}:
		defer func() { <-l.explaining }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if l.explainer == nil {
		var err error
		if l.explainer, err = explain.New(l.engine, l.model); err != nil {
			l.explainer = nil
			return nil, err
		}
	}
	return l.explainer.Pictures(ctx, images, label)
}

// validName says whether a name can stand in an address.
func validName(name string) bool {
	for _, r := range name {
		if !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_' || r == '.') {
			return false
		}
	}
	return name != "" && name != "." && name != ".." && len(name) <= 100
}
