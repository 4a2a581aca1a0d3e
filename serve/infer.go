package serve

// This file speaks the Open Inference Protocol v2 over HTTP, as KServe and Triton do, with Triton's extension for binary tensors: after a
// JSON header, whose length the header Inference-Header-Content-Length gives, come the tensors that have a parameter binary_data_size.
//
//	input   image     UINT8 [N,H,W,C], or FP32 [N,H,W,C] in [0,1], which is rounded to 8 bits: ⌊255x + ½⌋
//	                  H and W are those of the model, or, of a model of tiles, of any picture that holds one
//	output  energy    FP64 [N]
//	output  p_value   FP64 [N], of a calibrated model
//
// Source: github.com/kserve/open-inference-protocol; the extension, Triton's protocol/extension_binary_data.md.

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"reflect"
	"slices"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"github.com/joule-ebm/joule/dataset"
	"github.com/joule-ebm/joule/detect"
)

// TensorBody is a tensor.
type TensorBody struct {
	Name       string          `json:"name"`
	Datatype   string          `json:"datatype" doc:"UINT8 or FP32 of an input, FP64 of an output"`
	Shape      []int64         `json:"shape"`
	Parameters *tensorOptions  `json:"parameters,omitempty"`
	Data       json.RawMessage `json:"data,omitempty" doc:"numbers, row-major, flat or nested"`
}

type tensorOptions struct {
	BinaryDataSize *int64 `json:"binary_data_size,omitempty" doc:"bytes of the tensor after the JSON"`
	BinaryData     *bool  `json:"binary_data,omitempty" doc:"whether an output is to be binary"`
}

// InferBody is a request to the model.
type InferBody struct {
	ID         string          `json:"id,omitempty"`
	Parameters *inferOptions   `json:"parameters,omitempty"`
	Inputs     []TensorBody    `json:"inputs"`
	Outputs    []requestOutput `json:"outputs,omitempty" doc:"those wanted; none: all"`
}

type inferOptions struct {
	BinaryDataOutput bool `json:"binary_data_output,omitempty" doc:"whether outputs are to be binary"`
}

type requestOutput struct {
	Name       string         `json:"name"`
	Parameters *tensorOptions `json:"parameters,omitempty"`
}

// InferredBody is the answer.
type InferredBody struct {
	ModelName    string       `json:"model_name"`
	ModelVersion string       `json:"model_version"`
	ID           string       `json:"id,omitempty"`
	Outputs      []TensorBody `json:"outputs"`
}

// version is that of each model: there is one at a time.
const version = "1"

const (
	outputEnergy = "energy"
	outputP      = "p_value"
)

type modelInput struct {
	Model   string `path:"model" doc:"name of a model"`
	Version string `path:"version"`
}

// unversionedInput is modelInput where the address has no version.
type unversionedInput struct {
	Model string `path:"model" doc:"name of a model"`
}

type inferInput struct {
	Model        string `path:"model" doc:"name of a model"`
	HeaderLength string `header:"Inference-Header-Content-Length" doc:"bytes of the JSON, where binary tensors follow it"`
	RawBody      []byte
}

type versionedInferInput struct {
	Model        string `path:"model" doc:"name of a model"`
	Version      string `path:"version"`
	HeaderLength string `header:"Inference-Header-Content-Length" doc:"bytes of the JSON, where binary tensors follow it"`
	RawBody      []byte
}

type inferOutput struct {
	ContentType  string `header:"Content-Type"`
	HeaderLength string `header:"Inference-Header-Content-Length"`
	Body         []byte
}

type serverBody struct {
	Body struct {
		Name       string   `json:"name"`
		Version    string   `json:"version"`
		Extensions []string `json:"extensions"`
	}
}

type metadataTensor struct {
	Name     string  `json:"name"`
	Datatype string  `json:"datatype"`
	Shape    []int64 `json:"shape"`
}

type metadataBody struct {
	Body struct {
		Name     string           `json:"name"`
		Versions []string         `json:"versions"`
		Platform string           `json:"platform"`
		Inputs   []metadataTensor `json:"inputs"`
		Outputs  []metadataTensor `json:"outputs"`
	}
}

func (s *Server) registerInference() {
	get := func(id, path, summary string) huma.Operation {
		return huma.Operation{OperationID: id, Method: http.MethodGet, Path: path, Summary: summary, Tags: []string{"Open Inference Protocol v2"},
			DefaultStatus: http.StatusOK} // also without a body: clients of Triton take nothing else
	}
	huma.Register(s.api, get("live", "/v2/health/live", "Is the server alive?"), func(context.Context, *struct{}) (*struct{}, error) { return &struct{}{}, nil })
	huma.Register(s.api, get("ready", "/v2/health/ready", "Can it answer?"), func(context.Context, *struct{}) (*struct{}, error) { return &struct{}{}, s.ready() })
	huma.Register(s.api, get("server", "/v2", "About the server"), func(context.Context, *struct{}) (*serverBody, error) {
		b := &serverBody{}
		b.Body.Name, b.Body.Version, b.Body.Extensions = "joule", s.options.Version, []string{"binary_tensor_data"}
		return b, nil
	})
	infer := func(id, path string) huma.Operation {
		schemas := s.api.OpenAPI().Components.Schemas
		return huma.Operation{OperationID: id, Method: http.MethodPost, Path: path, Summary: "Energies and p-values of images", Tags: []string{"Open Inference Protocol v2"},
			MaxBodyBytes: s.options.Limits.Body, SkipValidateBody: true,
			RequestBody: &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{"application/json": {Schema: schemas.Schema(reflect.TypeFor[InferBody](), true, "")}}},
			Responses: map[string]*huma.Response{"200": {Description: "OK", Content: map[string]*huma.MediaType{
				"application/json": {Schema: schemas.Schema(reflect.TypeFor[InferredBody](), true, "")}}}}}
	}
	const model, versioned = "/v2/models/{model}", "/v2/models/{model}/versions/{version}"
	huma.Register(s.api, get("model", model, "About a model"), func(_ context.Context, in *unversionedInput) (*metadataBody, error) {
		return s.metadata(in.Model, version)
	})
	huma.Register(s.api, get("model-version", versioned, "About a model"), func(_ context.Context, in *modelInput) (*metadataBody, error) {
		return s.metadata(in.Model, in.Version)
	})
	ready := func(name, asked string) (*struct{}, error) {
		if _, err := s.metadata(name, asked); err != nil {
			return nil, err
		}
		return &struct{}{}, s.ready()
	}
	huma.Register(s.api, get("model-ready", model+"/ready", "Can a model answer?"), func(_ context.Context, in *unversionedInput) (*struct{}, error) { return ready(in.Model, version) })
	huma.Register(s.api, get("model-version-ready", versioned+"/ready", "Can a model answer?"), func(_ context.Context, in *modelInput) (*struct{}, error) { return ready(in.Model, in.Version) })
	huma.Register(s.api, infer("infer", model+"/infer"), s.infer)
	huma.Register(s.api, infer("infer-version", versioned+"/infer"), func(ctx context.Context, in *versionedInferInput) (*inferOutput, error) {
		if err := checkVersion(in.Version); err != nil {
			return nil, err
		}
		return s.infer(ctx, &inferInput{in.Model, in.HeaderLength, in.RawBody})
	})
}

func (s *Server) ready() error {
	select {
	case <-s.stopping:
		return problemf(http.StatusServiceUnavailable, "the server is stopping")
	default:
		return nil
	}
}

func checkVersion(asked string) error {
	if asked != version {
		return problemf(http.StatusNotFound, "no version %.20q: each model has one, %s", asked, version)
	}
	return nil
}

func (s *Server) metadata(name, asked string) (*metadataBody, error) {
	if err := checkVersion(asked); err != nil {
		return nil, err
	}
	l, err := s.take(name)
	if err != nil {
		return nil, err
	}
	defer l.letGo()
	size, b := l.pictureSize(), &metadataBody{}
	if size.Height == 0 { // any
		size.Height, size.Width = -1, -1
	}
	b.Body.Name, b.Body.Versions, b.Body.Platform = name, []string{version}, "joule"
	b.Body.Inputs = []metadataTensor{{"image", "UINT8", []int64{-1, int64(size.Height), int64(size.Width), int64(size.Channels)}}}
	for _, output := range l.outputs() {
		b.Body.Outputs = append(b.Body.Outputs, metadataTensor{output, "FP64", []int64{-1}})
	}
	return b, nil
}

// outputs are those that the model has.
func (l *loaded) outputs() []string {
	if l.judge.Detector.Distribution == nil {
		return []string{outputEnergy}
	}
	return []string{outputEnergy, outputP}
}

func (s *Server) infer(ctx context.Context, in *inferInput) (*inferOutput, error) {
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
	request, rest, err := in.parse()
	if err != nil {
		return nil, problemf(http.StatusBadRequest, "%w", err)
	}
	wanted, err := request.wanted(l)
	if err != nil {
		return nil, problemf(http.StatusBadRequest, "%w", err)
	}
	images, err := request.images(rest, l, s.options.Limits)
	if err != nil {
		return nil, problemf(http.StatusBadRequest, "%w", err)
	}
	label, err := l.label("")
	if err != nil {
		return nil, err
	}
	l.active.Add(1)
	judgements, err := l.submit(ctx, images, l.question(label, s.options.FalseAlarms))
	l.active.Add(-1)
	if err != nil {
		return nil, s.failure(ctx, err)
	}
	return answer(in.Model, request, wanted, judgements)
}

// parse reads the JSON of a request; what follows it are binary tensors.
func (in *inferInput) parse() (*InferBody, []byte, error) {
	header, rest := in.RawBody, []byte(nil)
	if in.HeaderLength != "" {
		n, err := strconv.ParseInt(in.HeaderLength, 10, 64)
		if err != nil || n < 0 || n > int64(len(header)) {
			return nil, nil, fmt.Errorf("the header Inference-Header-Content-Length is %.20q: want the bytes of the JSON, at most those of the body", in.HeaderLength)
		}
		header, rest = header[:n], header[n:]
	}
	request := &InferBody{}
	if err := json.Unmarshal(header, request); err != nil {
		return nil, nil, fmt.Errorf("the request is no JSON of the protocol: %w", err)
	}
	return request, rest, nil
}

// wanted are the outputs asked for.
func (r *InferBody) wanted(l *loaded) ([]requestOutput, error) {
	var all []requestOutput
	for _, name := range l.outputs() {
		all = append(all, requestOutput{Name: name})
	}
	if len(r.Outputs) == 0 {
		return all, nil
	}
	for i, o := range r.Outputs {
		switch known := o.Name == outputEnergy || o.Name == outputP; {
		case !known:
			return nil, fmt.Errorf("no output %.40q: want %s or %s", o.Name, outputEnergy, outputP)
		case o.Name == outputP && len(all) == 1:
			return nil, fmt.Errorf("no output %s: the model is not calibrated; see joule calibrate", outputP)
		case slices.ContainsFunc(r.Outputs[:i], func(before requestOutput) bool { return before.Name == o.Name }): // an answer must not outgrow its request
			return nil, fmt.Errorf("the output %s is asked for twice: name it once", o.Name)
		}
	}
	return r.Outputs, nil
}

// images are those of the input.
func (r *InferBody) images(rest []byte, l *loaded, limits Limits) ([]dataset.Image, error) {
	if len(r.Inputs) != 1 || r.Inputs[0].Name != "image" {
		return nil, fmt.Errorf("want one input, image")
	}
	t, size := &r.Inputs[0], l.pictureSize()
	if size.Height == 0 && len(t.Shape) == 4 && t.Shape[0] > 0 && t.Shape[1] > 0 && t.Shape[2] > 0 &&
		t.Shape[1] <= int64(limits.Pixels)/t.Shape[2] && t.Shape[0] <= int64(limits.Pixels)/(t.Shape[1]*t.Shape[2]) {
		size.Height, size.Width = int(t.Shape[1]), int(t.Shape[2])
		if _, err := l.model.Config.TilesOf(size); err != nil {
			return nil, err
		}
	}
	if len(t.Shape) != 4 || t.Shape[1] != int64(size.Height) || t.Shape[2] != int64(size.Width) || t.Shape[3] != int64(size.Channels) || size.Height == 0 {
		return nil, fmt.Errorf("the input has shape %v: want [N,%d,%d,%d]%s", t.Shape, size.Height, size.Width, size.Channels,
			map[bool]string{true: " with a height and a width of your pictures in place of 0, up to the limit of pixels in all"}[size.Height == 0])
	}
	if t.Shape[0] < 1 || t.Shape[0] > int64(limits.Images) {
		return nil, fmt.Errorf("%d images: want 1 to %d", t.Shape[0], limits.Images)
	}
	pixels, err := t.pixels(rest, int(t.Shape[0])*size.Len())
	if err != nil {
		return nil, err
	}
	var images []dataset.Image
	for n := size.Len(); len(pixels) > 0; pixels = pixels[n:] {
		images = append(images, dataset.Image{Size: size, Pixels: pixels[:n]})
	}
	return images, nil
}

// pixels are the n bytes of a tensor.
func (t *TensorBody) pixels(rest []byte, n int) ([]uint8, error) {
	width, known := map[string]int{"UINT8": 1, "FP32": 4}[t.Datatype]
	if !known {
		return nil, fmt.Errorf("the input is of type %.20q: want UINT8 or FP32", t.Datatype)
	}
	if t.Parameters == nil || t.Parameters.BinaryDataSize == nil {
		if len(rest) != 0 {
			return nil, fmt.Errorf("%d bytes follow the JSON, but no input has the parameter binary_data_size", len(rest))
		}
		values, err := numbers(t.Data, n)
		if err != nil {
			return nil, err
		}
		return quantise(values, t.Datatype)
	}
	if *t.Parameters.BinaryDataSize != int64(len(rest)) || len(rest) != width*n || t.Data != nil {
		return nil, fmt.Errorf("%d bytes follow the JSON: want %d, the same in binary_data_size, and no data beside them", len(rest), width*n)
	}
	if t.Datatype == "UINT8" {
		return rest, nil
	}
	values := make([]float64, n)
	for i := range values {
		values[i] = float64(math.Float32frombits(binary.LittleEndian.Uint32(rest[4*i:])))
	}
	return quantise(values, t.Datatype)
}

// quantise makes bytes of numbers.
func quantise(values []float64, datatype string) ([]uint8, error) {
	pixels := make([]uint8, len(values))
	for i, v := range values {
		switch {
		case datatype == "UINT8" && v == math.Trunc(v) && v >= 0 && v <= 255:
			pixels[i] = uint8(v)
		case datatype == "FP32" && v >= 0 && v <= 1:
			pixels[i] = uint8(255*v + 0.5)
		default:
			return nil, fmt.Errorf("a number of the input is %v: want 0 to %s", v, map[string]string{"UINT8": "255, whole", "FP32": "1"}[datatype])
		}
	}
	return pixels, nil
}

// numbers reads n numbers of JSON in arrays, flat or nested: the brackets within are of no account, since the shape is given.
func numbers(text json.RawMessage, n int) ([]float64, error) {
	values := make([]float64, 0, min(n, len(text)/2+1)) // for what was sent: a shape alone takes no memory
	for at := 0; at < len(text); {
		switch c := text[at]; {
		case bytes.IndexByte([]byte("[], \t\r\n"), c) >= 0:
			at++
		default:
			end := at
			for end < len(text) && bytes.IndexByte([]byte("[], \t\r\n"), text[end]) < 0 {
				end++
			}
			v, err := strconv.ParseFloat(string(text[at:end]), 64)
			if err != nil {
				return nil, fmt.Errorf("the data of the input are no numbers: %.20q", text[at:end])
			}
			if values = append(values, v); len(values) > n {
				return nil, fmt.Errorf("the input has more than the %d numbers of its shape", n)
			}
			at = end
		}
	}
	if len(values) != n {
		return nil, fmt.Errorf("the input has %d numbers, its shape has %d", len(values), n)
	}
	return values, nil
}

// answer writes outputs, binary where asked for.
func answer(name string, request *InferBody, wanted []requestOutput, judgements []detect.Judgement) (*inferOutput, error) {
	body := InferredBody{ModelName: name, ModelVersion: version, ID: request.ID}
	var tail []byte
	for _, o := range wanted {
		values := make([]float64, len(judgements))
		for i, j := range judgements {
			if values[i] = float64(j.Energy); o.Name == outputP {
				values[i] = *j.P
			}
		}
		t := TensorBody{Name: o.Name, Datatype: "FP64", Shape: []int64{int64(len(values))}}
		inBinary := request.Parameters != nil && request.Parameters.BinaryDataOutput
		if o.Parameters != nil && o.Parameters.BinaryData != nil {
			inBinary = *o.Parameters.BinaryData
		}
		if inBinary {
			bytes := int64(8 * len(values))
			t.Parameters = &tensorOptions{BinaryDataSize: &bytes}
			for _, v := range values {
				tail = binary.LittleEndian.AppendUint64(tail, math.Float64bits(v))
			}
		} else {
			var err error
			if t.Data, err = json.Marshal(values); err != nil {
				return nil, err
			}
		}
		body.Outputs = append(body.Outputs, t)
	}
	text, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	if tail == nil {
		return &inferOutput{ContentType: "application/json", Body: text}, nil
	}
	return &inferOutput{"application/octet-stream", strconv.Itoa(len(text)), append(text, tail...)}, nil
}
