package serve

// This file takes pictures out of a request: the body is one, or a form with some (multipart/form-data), or JSON with some in base64.

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"

	"github.com/joule-ebm/joule/dataset"
)

// PicturesBody is a request with pictures as JSON.
type PicturesBody struct {
	Images []PictureBody `json:"images" doc:"pictures" minItems:"1"`
	Mask   []byte        `json:"mask,omitempty" doc:"to edit: a picture in base64, white where the others are to be filled in"`
}

// PictureBody is a picture in JSON.
type PictureBody struct {
	Name string `json:"name,omitempty" doc:"comes back with the answer"`
	Data []byte `json:"data" doc:"the file, in base64: PNG, JPEG, GIF, BMP, WebP, TIFF or PNM"`
}

// picturesRequest describes the body of such a request.
func (s *Server) picturesRequest() *huma.RequestBody {
	binary := &huma.Schema{Type: huma.TypeString, Format: "binary", Description: "a picture file"}
	return &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{
		"image/*": {Schema: binary},
		"multipart/form-data": {Schema: &huma.Schema{Type: huma.TypeObject, Properties: map[string]*huma.Schema{
			"image": {Type: huma.TypeArray, Items: binary, Description: "one or more files, under any name"}}}},
		"application/json": {Schema: s.api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[PicturesBody](), true, "")},
	}}
}

// sent are the pictures of a request, as stored, and a mask where there is one.
type sent struct {
	all  []PictureBody
	mask []byte
}

// picturesOf are the pictures in a body.
func picturesOf(contentType string, data []byte, limits Limits) (in sent, err error) {
	kind, parameters, err := mime.ParseMediaType(contentType)
	if contentType == "" {
		kind, err = "application/octet-stream", nil
	}
	switch {
	case err != nil:
		return in, fmt.Errorf("the header Content-Type: %w", err)
	case kind == "application/json":
		var body PicturesBody
		decoder := json.NewDecoder(bytes.NewReader(data))
		decoder.DisallowUnknownFields() // settings are in the query
		err := decoder.Decode(&body)
		if _, more := decoder.Token(); err == nil && more != io.EOF {
			err = errors.New("something comes after it")
		}
		if err != nil {
			return in, fmt.Errorf("the body is no JSON of the form {\"images\": [{\"data\": BASE64}]}: %w", err)
		}
		in = sent{body.Images, body.Mask}
	case kind == "multipart/form-data":
		if in, err = formPictures(data, parameters["boundary"], limits.Images); err != nil {
			return in, fmt.Errorf("the form: %w", err)
		}
	default:
		in.all = []PictureBody{{Data: data}}
	}
	if len(in.all) == 0 {
		return in, errors.New("no pictures: send one as the body, some as the files of a form, or JSON of the form {\"images\": [{\"data\": BASE64}]}")
	}
	if len(in.all) > limits.Images {
		return in, fmt.Errorf("%d pictures, more than the %d allowed in a request", len(in.all), limits.Images)
	}
	return in, nil
}

func formPictures(body []byte, boundary string, most int) (in sent, err error) {
	form := multipart.NewReader(bytes.NewReader(body), boundary)
	for {
		part, err := form.NextPart()
		if err == io.EOF {
			return in, nil
		}
		if err != nil {
			return in, err
		}
		if part.FileName() == "" {
			return in, fmt.Errorf("%.40q is no file: settings are in the query, as ?label=7", part.FormName())
		}
		if len(in.all) >= most {
			return in, fmt.Errorf("more than the %d pictures allowed in a request", most)
		}
		data, err := io.ReadAll(part)
		if err != nil {
			return in, err
		}
		if part.FormName() == maskName {
			if in.mask != nil {
				return in, errors.New("two masks: give one")
			}
			in.mask = data
			continue
		}
		in.all = append(in.all, PictureBody{part.FileName(), data})
	}
}

// decode makes images of a model's size of pictures. Those of a model that takes any size are kept as large as they are, so that the limit of
// pixels is one of all of them.
func (s *Server) decode(ctx context.Context, pictures []PictureBody, size dataset.Size) ([]dataset.Image, error) {
	images := make([]dataset.Image, len(pictures))
	left := s.options.Limits.Pixels
	for i, p := range pictures {
		img, err := s.decodeOne(ctx, p.Data, size, left)
		if err != nil && ctx.Err() == nil {
			name := p.Name
			if name == "" {
				name = fmt.Sprintf("picture %d", i+1)
			}
			err = problemf(http.StatusUnprocessableEntity, "%.100q: %w", name, err)
		}
		if err != nil {
			return nil, err
		}
		if size.Height == 0 {
			left -= img.Height * img.Width
		}
		images[i], images[i].Name = img, p.Name
	}
	return images, nil
}

// decodeOne decodes a picture of at most so many pixels, which are those that are left of a request.
func (s *Server) decodeOne(ctx context.Context, data []byte, size dataset.Size, left int) (dataset.Image, error) {
	if err := ctx.Err(); err != nil {
		return dataset.Image{}, err
	}
	select {
	case s.decoding <- struct{}{}:
		defer func() { <-s.decoding }()
	case <-ctx.Done():
		return dataset.Image{}, ctx.Err()
	}
	height, width, err := dataset.StoredSize(data)
	switch {
	case err != nil:
		return dataset.Image{}, err
	case height <= left/width:
	case left < s.options.Limits.Pixels:
		return dataset.Image{}, fmt.Errorf("%d×%d pixels are more than the %d left of the %d allowed in a request: send fewer pictures at a time", width, height, left, s.options.Limits.Pixels)
	default:
		return dataset.Image{}, fmt.Errorf("%d×%d pixels are more than the %d allowed: scale it down", width, height, left)
	}
	return dataset.ReadImage(bytes.NewReader(data), size)
}
