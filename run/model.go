package run

// This file keeps a trained model in one file, model.safetensors: the averaged weights under the parameters' names in PyTorch's
// layout, and in the metadata what is needed to use them and where they come from.

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/joule-ebm/joule/detect"
	"github.com/joule-ebm/joule/energy"
	"github.com/joule-ebm/joule/internal/durable"
	"github.com/joule-ebm/joule/internal/safetensors"
	"github.com/joule-ebm/joule/internal/settings"
)

// Model is a trained energy.
type Model struct {
	Path       string // of the file
	Config     Config // of the run
	Classes    []string
	Iterations int64 // that the run had made
	Energy     *energy.Energy
	Params     map[string][]float32 // by the names of the energy's parameters, in the layout of package expr

	Calibration   *detect.Calibration // of the detectors; nil if there is none
	NotCalibrated error               // why there is none
}

// The keys of a model file's metadata.
const (
	metaFormat     = "format"      // "pt": tensors are laid out as PyTorch's
	metaConfig     = "config"      // YAML
	metaClasses    = "classes"     // JSON list of the names of a conditional model's classes
	metaIterations = "iterations"  // decimal
	metaCalibrated = "calibration" // JSON of a detect.Calibration; absent from models that are not calibrated
	metaData       = "data"        // what it was trained on, for people
	metaProgram    = "program"     // what trained it, for people
	metaMethod     = "method"      // for people
)

const (
	methodMeta  = "improved contrastive divergence (Du, Li, Tenenbaum, Mordatch, ICML 2021)"
	programMeta = "joule, github.com/joule-ebm/joule"
)

// OpenModel reads a model: path is a run directory or a model file. Errors are one line and say what to do.
func OpenModel(path string) (*Model, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%s: there is no such run directory or model file; train one with joule train --out %s", path, path)
	case err != nil:
		return nil, plain(err)
	case info.IsDir():
		file := filepath.Join(path, modelFile)
		if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
			if _, err := os.Stat(filepath.Join(path, configFile)); err == nil {
				return nil, fmt.Errorf("%s: the run has no model yet; let joule train --resume --out %s reach its first checkpoint", path, path)
			}
			return nil, fmt.Errorf("%s: the directory holds no run (no %s)", path, modelFile)
		}
		path = file
	}
	file, err := safetensors.ReadFile(path)
	if err != nil {
		return nil, err
	}
	m, err := readModel(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	m.Path = path
	return m, nil
}

func readModel(file *safetensors.File) (*Model, error) {
	text, ok := file.Metadata[metaConfig]
	if !ok {
		return nil, errors.New("a safetensors file, but not a model of joule train: its metadata has no configuration")
	}
	m := &Model{Config: paper()}
	err := settings.Read(strings.NewReader(text), &m.Config)
	if err != nil {
		return nil, fmt.Errorf("the configuration in the metadata: %w", err)
	}
	if err := m.Config.Validate(); err != nil {
		return nil, fmt.Errorf("the configuration in the metadata: %w", err)
	}
	if text := file.Metadata[metaClasses]; text != "" {
		if err := json.Unmarshal([]byte(text), &m.Classes); err != nil {
			return nil, fmt.Errorf("the classes in the metadata: %w", err)
		}
	}
	if m.Config.Network.Conditional != (len(m.Classes) > 0) {
		return nil, errors.New("damaged: the metadata name the classes of a conditional model, and only of one")
	}
	if m.Iterations, err = strconv.ParseInt(file.Metadata[metaIterations], 10, 64); err != nil {
		return nil, errors.New("damaged: the metadata have no number of iterations")
	}
	if m.Energy, err = m.Config.energy(len(m.Classes)); err != nil {
		return nil, err
	}
	if m.Params, err = loadParams(file, m.Energy); err != nil {
		return nil, err
	}
	m.readCalibration(file.Metadata[metaCalibrated])
	return m, nil
}

// readCalibration takes the calibration from the metadata. One that cannot be read costs nothing but itself.
func (m *Model) readCalibration(text string) {
	m.NotCalibrated = errors.New("the model is not calibrated")
	if text == "" {
		return
	}
	c := new(detect.Calibration)
	if err := json.Unmarshal([]byte(text), c); err != nil {
		m.NotCalibrated = fmt.Errorf("the model's calibration cannot be read: %w", err)
		return
	}
	m.Calibration, m.NotCalibrated = c, nil
}

// loadParams takes the energy's parameters, all and no others, from a file.
func loadParams(file *safetensors.File, e *energy.Energy) (map[string][]float32, error) {
	params, err := e.Params()
	if err != nil {
		return nil, err
	}
	specs := params.Specs()
	if len(file.Tensors) != len(specs) {
		return nil, fmt.Errorf("%d tensors, but the network has %d parameters: not this network's model", len(file.Tensors), len(specs))
	}
	values := make(map[string][]float32, len(specs))
	for _, s := range specs {
		t, ok := file.Lookup(s.Name)
		if !ok {
			return nil, fmt.Errorf("no tensor %s: not this network's model", s.Name)
		}
		if !slices.Equal(t.Shape, s.TorchShape()) {
			return nil, fmt.Errorf("tensor %s has shape %v, the network wants %v: not this network's model", s.Name, t.Shape, s.TorchShape())
		}
		stored, err := t.Float32s()
		if err != nil {
			return nil, err
		}
		for _, x := range stored {
			if math.IsNaN(float64(x)) || math.IsInf(float64(x), 0) {
				return nil, fmt.Errorf("damaged: tensor %s holds %v", s.Name, x)
			}
		}
		values[s.Name] = make([]float32, len(stored))
		s.FromTorch(values[s.Name], stored)
	}
	return values, nil
}

// Write replaces the file at path by the model, whole or not at all. Equal models give equal bytes.
func (m *Model) Write(path string) error {
	params, err := m.Energy.Params()
	if err != nil {
		return err
	}
	var tensors []safetensors.Tensor
	for _, s := range params.Specs() {
		stored := make([]float32, s.Shape.Size())
		s.ToTorch(stored, m.Params[s.Name])
		tensors = append(tensors, safetensors.FromFloat32s(s.Name, s.TorchShape(), stored))
	}
	var config strings.Builder
	if err := settings.Write(&config, &m.Config); err != nil {
		return err
	}
	metadata := map[string]string{metaFormat: "pt", metaConfig: config.String(), metaIterations: strconv.FormatInt(m.Iterations, 10),
		metaData: m.Config.Data, metaProgram: programMeta, metaMethod: methodMeta}
	if len(m.Classes) > 0 {
		names, err := json.Marshal(m.Classes)
		if err != nil {
			return err
		}
		metadata[metaClasses] = string(names)
	}
	if m.Calibration != nil {
		text, err := json.Marshal(m.Calibration)
		if err != nil {
			return err
		}
		metadata[metaCalibrated] = string(text)
	}
	return durable.WriteFile(path, func(w io.Writer) error { return safetensors.Write(w, tensors, metadata) })
}

// plain strips the operation and the name from an error of package os: the message around it names the file.
func plain(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}
