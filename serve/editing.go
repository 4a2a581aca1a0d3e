package serve

// This file edits pictures, as joule edit does: fills in what is missing, enlarges, cleans, and changes the class.

import (
	"context"
	"errors"
	"fmt"
	"math/bits"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/joule-ebm/joule/dataset"
	"github.com/joule-ebm/joule/model"
)

type editInput struct {
	Model       string `path:"model" doc:"name of a model"`
	ContentType string `header:"Content-Type"`
	RawBody     []byte
	Upscale     int     `query:"upscale" default:"1" minimum:"1" maximum:"8" doc:"1, 2, 4 or 8: pictures are so many times smaller than the model's images, which are made of them"`
	Denoise     float64 `query:"denoise" minimum:"0" maximum:"1" doc:"standard deviation of the noise in the pictures, where black is 0 and white 1"`
	Temperature float64 `query:"temperature" minimum:"0" maximum:"1000000" doc:"T of exp(-E/T), for denoise: a higher one trusts the picture more; 0: what suits most models"`
	Label       string  `query:"label" doc:"of a conditional model: what the pictures show, and go on to show"`
	To          string  `query:"to" doc:"of a conditional model: what they are to show instead"`
	From        string  `query:"from" doc:"what they are not to show"`
	Number      int     `query:"number" default:"1" minimum:"1" maximum:"64" doc:"edits of each picture"`
	Steps       int     `query:"steps" minimum:"0" maximum:"10000" doc:"steps of each chain; 0: as many as for an image from noise"`
	Seed        uint64  `query:"seed" doc:"of all random numbers: equal seeds give equal edits"`
}

// EditedBody is a picture and its edits.
type EditedBody struct {
	Image    string   `json:"image" doc:"name, where the request has one"`
	Resized  bool     `json:"resized" doc:"whether it was scaled or cropped to the size that is edited"`
	Warnings []string `json:"warnings,omitempty" doc:"what to know of how it was read, such as 16-bit values that use few of the bits"`
	Edits    [][]byte `json:"edits" doc:"PNG of each, of the model's size"`
}

// maskName is that of the file of a form, or the field of JSON, that is white where pictures are to be filled in.
const maskName = "mask"

func (s *Server) registerEditing() {
	huma.Register(s.api, huma.Operation{OperationID: "edit", Method: http.MethodPost, Path: "/v1/models/{model}/edit",
		Summary:     "Edit pictures: fill in, enlarge, clean, change the class",
		Description: "A file of the form called mask, or the field mask of JSON, is white where pictures are to be filled in.",
		RequestBody: s.picturesRequest(), MaxBodyBytes: s.options.Limits.Body, SkipValidateBody: true}, s.edit)
}

func (s *Server) edit(ctx context.Context, in *editInput) (*answersBody[EditedBody], error) {
	leave, err := s.admit()
	if err != nil {
		return nil, err
	}
	defer leave()
	l, err := s.take(in.Model)
	if err != nil {
		return nil, err
	}
	defer l.letGo()
	pictures, err := picturesOf(in.ContentType, in.RawBody, s.options.Limits)
	if err != nil {
		return nil, problemf(http.StatusBadRequest, "%w", err)
	}
	wanted := model.Edit{Halvings: bits.TrailingZeros(uint(in.Upscale)), Noise: in.Denoise, Temperature: in.Temperature, Away: model.UsualAway, Steps: in.Steps, Seed: in.Seed}
	if pictures.mask == nil && in.Upscale == 1 && in.Denoise == 0 && in.To == "" {
		return nil, problemf(http.StatusBadRequest, "what is to be done? Give mask, upscale, denoise or to")
	}
	if in.Upscale&(in.Upscale-1) != 0 {
		return nil, problemf(http.StatusBadRequest, "upscale is %d: want 1, 2, 4 or 8", in.Upscale)
	}
	if n := len(pictures.all) * in.Number; n > mostSamples {
		return nil, problemf(http.StatusBadRequest, "%d edits in all: want at most %d", n, mostSamples)
	}
	if err := wanted.Relabel(l.model, in.Label, in.To, in.From); err != nil {
		return nil, problemf(http.StatusBadRequest, "%w", err)
	}
	size := wanted.PictureSize(l.size())
	images, err := s.decode(ctx, pictures.all, size)
	if err == nil && pictures.mask != nil {
		wanted.Missing, err = s.mask(ctx, pictures.mask, size, images)
	}
	if err != nil {
		return nil, s.failure(ctx, err)
	}
	select {
	case s.sampling <- struct{}{}:
		defer func() { <-s.sampling }()
	case <-ctx.Done():
		return nil, s.failure(ctx, ctx.Err())
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	wanted.Progress = func(int64, int64) {
		select {
		case <-s.stopping:
			cancel(errStopping)
		default:
		}
	}
	edited, err := l.model.Edit(ctx, s.engine(), pixelsOf(images), in.Number, wanted)
	if errors.Is(context.Cause(ctx), errStopping) {
		return nil, errStopping
	}
	if err != nil {
		return nil, s.failure(ctx, err)
	}
	answer := &answersBody[EditedBody]{}
	answer.Body.Model = in.Model
	for _, img := range images {
		one := EditedBody{Image: img.Name, Resized: img.Resized, Warnings: img.Doubts()}
		for range in.Number {
			png, err := encodePNG(edited[:l.size().Len()], l.size())
			if err != nil {
				return nil, s.failure(ctx, err)
			}
			one.Edits, edited = append(one.Edits, png), edited[l.size().Len():]
		}
		answer.Body.Images = append(answer.Body.Images, one)
	}
	return answer, nil
}

// errStopping ends what takes long when the server stops.
var errStopping = problemf(http.StatusServiceUnavailable, "the server is stopping")

// mask reads where pictures, which are brought to a size, are to be filled in.
func (s *Server) mask(ctx context.Context, data []byte, size dataset.Size, of []dataset.Image) (missing []uint8, err error) {
	size.Channels = 1
	img, err := s.decodeOne(ctx, data, size, s.options.Limits.Pixels)
	for _, picture := range of {
		if mask, own := img.Stored, picture.Stored; err == nil && img.Resized && (mask.Height != own.Height || mask.Width != own.Width) {
			err = fmt.Errorf("it is %dx%d, and %.100q %dx%d: want a mask of the picture's size, or of %dx%d, which is the model's", mask.Height, mask.Width,
				picture.Name, own.Height, own.Width, size.Height, size.Width)
		}
	}
	if err == nil {
		missing, err = model.Missing(img.Pixels)
	}
	if err == nil {
		return missing, nil
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return nil, problemf(http.StatusUnprocessableEntity, "the mask: %w", err)
}
