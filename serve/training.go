package serve

// This file shows a run while it trains: its curves, thinned, and its latest picture of samples, as a stream of server-sent events. It reads the
// files of the run directory, which the process that trains writes.

import (
	"context"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/sse"

	"github.com/joule-ebm/joule/model"
	"github.com/joule-ebm/joule/run"
)

const (
	mostWatchers = 32          // streams at a time
	lookEvery    = time.Second // at the files
	mostPoints   = 400         // of a curve
	mostPicture  = 16 << 20    // bytes
)

// watched are the quantities of the curves.
var watched = []string{"energy_data", "energy_samples", "loss_total", "gradient_norm", "chain_moved"}

// CurvesBody is how a run has gone so far.
type CurvesBody struct {
	Iteration  int                   `json:"iteration" doc:"the last one made"`
	Iterations int64                 `json:"iterations" doc:"to make; 0: no limit"`
	Age        float64               `json:"age" doc:"seconds since that was written down"`
	At         []int                 `json:"at" doc:"iterations of the points, each the mean over those before it"`
	Values     map[string][]*float32 `json:"values" doc:"of the points, by quantity; null where it is no number"`
}

// SamplesBody is the latest picture of samples.
type SamplesBody struct {
	Iteration int64  `json:"iteration" doc:"after which; 0: from noise, in the end"`
	PNG       []byte `json:"png"`
}

// curves are means over as many neighbouring iterations as keep the points few.
type curves struct {
	each   int // iterations of a point
	points []curvePoint
}

type curvePoint struct {
	iteration, n int
	sums         []float64
}

func (c *curves) add(r run.Record) {
	sums := make([]float64, len(watched))
	for i, name := range watched {
		v, ok := r.Value(name)
		if sums[i] = v; !ok {
			sums[i] = math.NaN()
		}
	}
	next := curvePoint{r.Iteration, 1, sums}
	if last := len(c.points) - 1; last >= 0 && c.points[last].n < c.each {
		c.points[last].join(next)
		return
	}
	if c.points = append(c.points, next); len(c.points) > mostPoints {
		for i := 0; i < len(c.points); i += 2 {
			if i+1 < len(c.points) {
				c.points[i].join(c.points[i+1])
			}
			c.points[i/2] = c.points[i]
		}
		c.points, c.each = c.points[:(len(c.points)+1)/2], max(2*c.each, 2)
	}
}

func (p *curvePoint) join(q curvePoint) {
	p.iteration = q.iteration
	p.n += q.n
	for i := range p.sums {
		p.sums[i] += q.sums[i]
	}
}

func (c *curves) body() CurvesBody {
	b := CurvesBody{Values: map[string][]*float32{}}
	for _, p := range c.points {
		b.Iteration = p.iteration
		b.At = append(b.At, p.iteration)
		for i, name := range watched {
			var value *float32
			if mean := float32(p.sums[i] / float64(p.n)); !math.IsNaN(float64(mean)) && !math.IsInf(float64(mean), 0) {
				value = &mean
			}
			b.Values[name] = append(b.Values[name], value)
		}
	}
	return b
}

// directory is that of the run of a source; "" if it is a model file of its own.
func (s Source) directory() string {
	if info, err := os.Stat(s.Path); err == nil && info.IsDir() {
		return s.Path
	}
	if dir := filepath.Dir(s.Path); filepath.Base(s.Path) == model.File {
		if _, err := run.ReadConfig(dir); err == nil {
			return dir
		}
	}
	return ""
}

type trainingInput struct {
	Model string `path:"model" doc:"name of a model"`
}

func (s *Server) registerTraining() {
	operation := huma.Operation{OperationID: "training", Method: http.MethodGet, Path: "/v1/models/{model}/training",
		Summary: "Follow the training of a run: its curves and samples, as they come"}
	events := map[string]any{"curves": CurvesBody{}, "samples": SamplesBody{}, "problem": problem{}}
	sse.Register(s.api, operation, events, func(ctx context.Context, in *trainingInput, send sse.Sender) {
		if err := s.follow(ctx, in.Model, send); err != nil {
			_ = send.Data(problem{Message: err.Error()}) // a client that has gone
		}
	})
}

// follow sends what is new until the client or the server goes, or its time is over: clients then ask again.
func (s *Server) follow(ctx context.Context, name string, send sse.Sender) error {
	slot := s.slot(name)
	if slot == nil {
		return problemf(http.StatusNotFound, "no model %.60q: GET /v1/models lists them", name)
	}
	dir := slot.directory()
	if dir == "" {
		return problemf(http.StatusNotFound, "the model %s is a file of its own, without the run that trained it", name)
	}
	select {
	case s.watching <- struct{}{}:
		defer func() { <-s.watching }()
	default:
		return problemf(http.StatusServiceUnavailable, "too many follow trainings: try again later")
	}
	var limit int64
	if config, err := run.ReadConfig(dir); err == nil {
		limit = config.Limits.Iterations
	}
	tail, all := run.Follow(dir), &curves{each: 1}
	var latest run.Picture
	begun := false
	for {
		fresh := !begun
		begun = true
		if err := tail.Next(func() { all, fresh = &curves{each: 1}, true }, func(r run.Record) {
			all.add(r)
			fresh = true
		}); err != nil {
			return problemf(http.StatusInternalServerError, "%w", err)
		}
		if fresh {
			body := all.body()
			body.Iterations = limit
			if info, err := os.Stat(tail.Path); err == nil {
				body.Age = time.Since(info.ModTime()).Seconds()
			}
			if err := send.Data(body); err != nil {
				return nil // gone
			}
		}
		if p := latestPicture(dir); p != latest && p.Path != "" {
			png, err := readPicture(p.Path)
			if err == nil && send.Data(SamplesBody{p.Iteration, png}) != nil {
				return nil
			}
			latest = p
		}
		select {
		case <-ctx.Done():
			return nil
		case <-s.stopping:
			return nil
		case <-time.After(lookEvery):
		}
	}
}

// latestPicture is the one that a run has drawn last; that from noise comes in the end.
func latestPicture(dir string) (latest run.Picture) {
	fromBuffer, fromNoise, err := run.Pictures(dir)
	switch {
	case err != nil:
	case fromNoise != nil && (len(fromBuffer) == 0 || newer(fromNoise.Path, fromBuffer[len(fromBuffer)-1].Path)):
		latest = *fromNoise
	case len(fromBuffer) > 0:
		latest = slices.MaxFunc(fromBuffer, func(a, b run.Picture) int { return int(a.Iteration - b.Iteration) })
	}
	return latest
}

// newer says whether a file was written after another.
func newer(a, b string) bool {
	x, err := os.Stat(a)
	y, err2 := os.Stat(b)
	return err == nil && err2 == nil && !x.ModTime().Before(y.ModTime())
}

func readPicture(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > mostPicture {
		return nil, os.ErrInvalid
	}
	return os.ReadFile(path)
}
