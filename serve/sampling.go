package serve

// This file draws samples: as a picture when all chains have ended, or as a stream of pictures while they move (server-sent events).

import (
	"bytes"
	"context"
	"errors"
	"math"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/sse"

	"github.com/joule-ebm/joule/internal/picture"
	"github.com/joule-ebm/joule/model"
)

// The bounds of a request for samples.
const (
	mostSamples = 64
	mostSteps   = 10_000
)

type sampleInput struct {
	Model  string `path:"model" doc:"name of a model"`
	Label  string `query:"label" doc:"class of a conditional model to draw, by name or number from 0; none: all in turn"`
	Images int    `query:"images" default:"16" minimum:"1" maximum:"64" doc:"how many"`
	Steps  int    `query:"steps" minimum:"0" maximum:"10000" doc:"steps of each chain; 0: those the model was made for"`
	Seed   uint64 `query:"seed" doc:"of all random numbers: equal seeds give equal samples"`
	Every  int    `query:"every" minimum:"0" maximum:"10000" doc:"of a stream: steps between two pictures; 0: about fifty pictures in all"`
}

// FrameBody is a picture of chains on their way.
type FrameBody struct {
	Step  int    `json:"step" doc:"steps made"`
	Steps int    `json:"steps" doc:"steps in all"`
	PNG   []byte `json:"png" doc:"the images, in rows"`
}

// DoneBody ends a stream of samples.
type DoneBody struct {
	Images int `json:"images"`
}

type pngBody struct {
	ContentType string `header:"Content-Type"`
	Body        []byte
}

func (s *Server) registerSampling() {
	operation := huma.Operation{OperationID: "sample", Method: http.MethodPost, Path: "/v1/models/{model}/sample", Summary: "Draw samples, as a PNG",
		Responses: map[string]*huma.Response{"200": {Description: "the samples, in rows", Content: map[string]*huma.MediaType{"image/png": {}}}}}
	huma.Register(s.api, operation, func(ctx context.Context, in *sampleInput) (*pngBody, error) {
		var last []byte
		err := s.sample(ctx, in, math.MaxInt, func(f FrameBody) error {
			last = f.PNG
			return nil
		})
		return &pngBody{"image/png", last}, err
	})
	stream := huma.Operation{OperationID: "sample-stream", Method: http.MethodPost, Path: "/v1/models/{model}/sample/stream",
		Summary: "Draw samples, and send pictures of the chains while they move"}
	events := map[string]any{"frame": FrameBody{}, "done": DoneBody{}, "problem": problem{}}
	sse.Register(s.api, stream, events, func(ctx context.Context, in *sampleInput, send sse.Sender) {
		err := s.sample(ctx, in, in.Every, func(f FrameBody) error { return send.Data(f) })
		switch p := (*problem)(nil); {
		case errors.As(err, &p):
			_ = send.Data(*p) // a client that has gone
		case err == nil:
			_ = send.Data(DoneBody{in.Images})
		}
	})
}

// sample draws samples and shows the chains every so many steps, at last their ends.
func (s *Server) sample(ctx context.Context, in *sampleInput, every int, show func(FrameBody) error) error {
	leave, err := s.admit()
	if err != nil {
		return err
	}
	defer leave()
	l, err := s.take(in.Model)
	if err != nil {
		return err
	}
	defer l.letGo()
	sampling := model.Sampling{Images: in.Images, Steps: in.Steps, Seed: in.Seed, Threads: s.options.Threads, Together: mostSamples}
	if in.Label != "" {
		label, err := l.model.Label(in.Label)
		if err != nil {
			return problemf(http.StatusBadRequest, "label: %w", err)
		}
		sampling.Labels = []int32{label}
	}
	steps := l.model.ChainSteps(sampling)
	if every == 0 {
		every = max(1, steps/50)
	}
	sampling.Every = min(every, steps)
	size := l.size()
	sampling.Look = func(_, step int, x []float32) error {
		select {
		case <-s.stopping:
			return problemf(http.StatusServiceUnavailable, "the server is stopping")
		default:
		}
		if every > steps && step < steps {
			return nil
		}
		columns := int(math.Ceil(math.Sqrt(float64(in.Images))))
		grid, err := picture.Grid(picture.Quantise(x), in.Images, size.Height, size.Width, size.Channels, columns, 1)
		if err != nil {
			return err
		}
		var file bytes.Buffer
		if err := picture.EncodePNG(&file, grid); err != nil {
			return err
		}
		return show(FrameBody{step, steps, file.Bytes()})
	}
	select {
	case s.sampling <- struct{}{}:
		defer func() { <-s.sampling }()
	case <-ctx.Done():
		return s.failure(ctx, ctx.Err())
	}
	_, err = l.model.Sample(ctx, s.engine(), sampling)
	return s.failure(ctx, err)
}
