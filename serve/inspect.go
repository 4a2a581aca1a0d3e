package serve

// This file has the server's own API for pictures: which models there are, scores, explanations.

import (
	"bytes"
	"cmp"
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/joule-ebm/joule/dataset"
	"github.com/joule-ebm/joule/detect"
	"github.com/joule-ebm/joule/internal/picture"
)

// ModelBody tells about a model.
type ModelBody struct {
	Name       string   `json:"name"`
	Height     int      `json:"height" doc:"of its images; 0: any that holds a tile, of a model of tiles"`
	Width      int      `json:"width"`
	Channels   int      `json:"channels"`
	Classes    []string `json:"classes,omitempty" doc:"of a conditional model"`
	Data       string   `json:"data" doc:"what it was trained on"`
	Iterations int64    `json:"iterations" doc:"of training"`
	Parameters int      `json:"parameters"`
	Detector   string   `json:"detector" doc:"what makes the score"`
	Calibrated bool     `json:"calibrated" doc:"whether there are p-values and decisions"`
	Images     int      `json:"calibration_images,omitempty"`
	Steps      int      `json:"steps" doc:"of a chain that draws a sample"`
	Training   bool     `json:"training" doc:"whether it belongs to a run, whose training can be followed"`
	Rate       float64  `json:"false_alarm" doc:"rate that decisions are made at unless a request names another"`
}

// ScoredBody is what a model says of a picture.
type ScoredBody struct {
	Image             string   `json:"image" doc:"name, where the request has one"`
	Resized           bool     `json:"resized" doc:"whether it was scaled or cropped to the model's size"`
	Warnings          []string `json:"warnings,omitempty" doc:"what to know of how it was read, such as 16-bit values that use few of the bits"`
	Energy            float32  `json:"energy"`
	Score             float32  `json:"score" doc:"the detector's, high for images out of distribution"`
	P                 *float64 `json:"p,omitempty" doc:"the p-value: the fraction of in-distribution images that score as high or higher"`
	OutOfDistribution *bool    `json:"out_of_distribution,omitempty" doc:"whether p is at most the rate of false alarms"`

	Regions []detect.Region `json:"regions,omitempty" doc:"of a model of tiles: the parts of the picture that are out of distribution at that rate"`
}

// ExplainedBody is a score with what makes it so.
type ExplainedBody struct {
	ScoredBody
	Height    int       `json:"height"`
	Width     int       `json:"width"`
	Heat      []float64 `json:"heat" doc:"how strongly a small change at each pixel would change the energy, row by row"`
	Typical   float64   `json:"typical_heat" doc:"of calibration images, at the median; 0 if the model is not calibrated"`
	Seen      []byte    `json:"seen" doc:"PNG of the image as the model sees it"`
	Preferred []byte    `json:"preferred" doc:"PNG of what the energy would rather see"`
}

// scoreInput is a request about pictures. Its body is not huma's to read: see pictures.
type scoreInput struct {
	Model       string `path:"model" doc:"name of a model"`
	Label       string `query:"label" doc:"class of a conditional model, by name or number from 0; none: the mixture of all, which p-values are of"`
	ContentType string `header:"Content-Type"`
	RawBody     []byte
	FalseAlarm  float64 `query:"false_alarm" doc:"rate of false alarms to decide at, such as 0.01; none: the server's" exclusiveMinimum:"0" exclusiveMaximum:"1"`
}

// answersBody is a list of answers, one a picture, in order.
type answersBody[T any] struct {
	Body struct {
		Model  string `json:"model"`
		Images []T    `json:"images"`
	}
}

type modelsBody struct {
	Body struct {
		Models []ModelBody `json:"models"`
	}
}

func (s *Server) registerInspection() {
	huma.Register(s.api, huma.Operation{OperationID: "models", Method: http.MethodGet, Path: "/v1/models", Summary: "List the models"},
		func(context.Context, *struct{}) (*modelsBody, error) {
			answer := &modelsBody{}
			for _, slot := range s.slots {
				l, err := s.take(slot.Name)
				if err != nil {
					return nil, err
				}
				body := s.describe(slot.Name, l)
				body.Training = slot.directory() != ""
				answer.Body.Models = append(answer.Body.Models, body)
				l.letGo()
			}
			return answer, nil
		})
	about := func(id, path, summary string, body *huma.RequestBody) huma.Operation {
		return huma.Operation{OperationID: id, Method: http.MethodPost, Path: path, Summary: summary, RequestBody: body,
			MaxBodyBytes: s.options.Limits.Body, SkipValidateBody: true}
	}
	huma.Register(s.api, about("score", "/v1/models/{model}/score", "Score pictures: energies, p-values, decisions", s.picturesRequest()), s.score)
	huma.Register(s.api, about("explain", "/v1/models/{model}/explain", "Explain scores: where the energy is high, and what it would rather see", s.picturesRequest()), s.explain)
}

func (s *Server) describe(name string, l *loaded) ModelBody {
	size, m := l.pictureSize(), l.model
	b := ModelBody{Name: name, Height: size.Height, Width: size.Width, Channels: size.Channels, Classes: m.Classes, Data: dataset.ShortName(m.Config.Data),
		Iterations: m.Iterations, Parameters: m.Parameters(), Detector: l.judge.Detector.Name, Steps: m.Config.NewGeneration().Steps, Rate: s.options.FalseAlarms}
	if d := l.judge.Detector.Distribution; d != nil {
		b.Calibrated, b.Images = true, len(d.Scores())
	}
	return b
}

// inspect judges the pictures of a request, and hands images and judgements on.
func (s *Server) inspect(ctx context.Context, in *scoreInput, use func(*loaded, []dataset.Image, []ScoredBody, int) error) error {
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
	label, err := l.label(in.Label)
	if err != nil {
		return err
	}
	if in.FalseAlarm != 0 && l.question(label, in.FalseAlarm).rate == 0 {
		return problemf(http.StatusBadRequest, "false_alarm decides by p-values, which there are of calibrated models alone, and not given a label: leave it out")
	}
	pictures, err := picturesOf(in.ContentType, in.RawBody, s.options.Limits)
	if err != nil {
		return problemf(http.StatusBadRequest, "%w", err)
	}
	if pictures.mask != nil {
		return problemf(http.StatusBadRequest, "a mask is for edits: leave it out, or give a picture another name than mask")
	}
	rate := cmp.Or(in.FalseAlarm, s.options.FalseAlarms)
	l.active.Add(1)
	images, judgements, err := func() ([]dataset.Image, []detect.Judgement, error) {
		defer l.active.Add(-1)
		images, err := s.decode(ctx, pictures.all, l.pictureSize())
		if err != nil {
			return nil, nil, err
		}
		for _, img := range images {
			if _, err := l.model.Config.TilesOf(img.Size); err != nil {
				return nil, nil, problemf(http.StatusBadRequest, "%w", err)
			}
		}
		judgements, err := l.submit(ctx, images, l.question(label, rate))
		return images, judgements, err
	}()
	if err != nil {
		return s.failure(ctx, err)
	}
	scored := make([]ScoredBody, len(images))
	for i, j := range judgements {
		scored[i] = ScoredBody{Image: images[i].Name, Resized: images[i].Resized, Warnings: images[i].Doubts(), Energy: j.Energy, Score: j.Score, P: j.P,
			OutOfDistribution: j.OutOfDistribution, Regions: j.Regions}
		if j.OutOfDistribution != nil && *j.OutOfDistribution {
			s.metrics.outs.WithLabelValues(in.Model).Inc()
		}
	}
	return s.failure(ctx, use(l, images, scored, label))
}

func pixelsOf(images []dataset.Image) (pixels []uint8) {
	for _, img := range images {
		pixels = append(pixels, img.Pixels...)
	}
	return pixels
}

func (s *Server) score(ctx context.Context, in *scoreInput) (*answersBody[ScoredBody], error) {
	answer := &answersBody[ScoredBody]{}
	answer.Body.Model = in.Model
	return answer, s.inspect(ctx, in, func(_ *loaded, _ []dataset.Image, scored []ScoredBody, _ int) error {
		answer.Body.Images = scored
		return nil
	})
}

func (s *Server) explain(ctx context.Context, in *scoreInput) (*answersBody[ExplainedBody], error) {
	answer := &answersBody[ExplainedBody]{}
	answer.Body.Model = in.Model
	return answer, s.inspect(ctx, in, func(l *loaded, images []dataset.Image, scored []ScoredBody, label int) error {
		explanations, err := l.explain(ctx, images, label)
		if err != nil {
			return err
		}
		for i, e := range explanations {
			one := ExplainedBody{ScoredBody: scored[i], Height: e.Size.Height, Width: e.Size.Width, Heat: e.Heat[0], Typical: e.Typical}
			if one.Seen, err = encodePNG(e.Pixels, e.Size); err != nil {
				return err
			}
			if one.Preferred, err = encodePNG(e.Preferred, e.Size); err != nil {
				return err
			}
			answer.Body.Images = append(answer.Body.Images, one)
		}
		return nil
	})
}

func encodePNG(pixels []uint8, size dataset.Size) ([]byte, error) {
	img, err := picture.Image(pixels, size.Height, size.Width, size.Channels)
	if err != nil {
		return nil, err
	}
	var file bytes.Buffer
	err = picture.EncodePNG(&file, img)
	return file.Bytes(), err
}
