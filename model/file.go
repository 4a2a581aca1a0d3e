package model

// This file keeps a model in one file: the parameters under their names in PyTorch's layout, and in the metadata what is needed to use
// them and where they come from. In a run directory that file is model.safetensors.

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/joule-ebm/joule/dataset"
	"github.com/joule-ebm/joule/energy"
	"github.com/joule-ebm/joule/internal/durable"
	"github.com/joule-ebm/joule/internal/safetensors"
	"github.com/joule-ebm/joule/internal/settings"
	"github.com/joule-ebm/joule/mcmc"
)

// The keys of a model file's metadata.
const (
	metaFormat     = "format"           // "pt": tensors are laid out as PyTorch's
	metaConfig     = "config"           // YAML
	metaComposed   = "composition"      // JSON: expression and parts of a composed model; absent from others
	metaClasses    = "classes"          // JSON list of the names of a conditional model's classes
	metaUnlearnt   = "classes_unlearnt" // JSON list of those of the classes that no image of training was of; absent if there are none
	metaNumbers    = "numbers"          // JSON of []Number, where a model is conditional on those instead
	metaIterations = "iterations"       // decimal
	metaCalibrated = "calibration"      // JSON of a detect.Calibration; absent from models that are not calibrated
	metaData       = "data"             // what it was trained on, for people
	metaDataIs     = "data_fingerprint" // JSON of a dataset.Fingerprint; absent where it is not known
	metaSpectrum   = "spectrum"         // JSON of the mcmc.Spectrum of the data, where noise has it
	metaProgram    = "program"          // what trained it, for people
	metaMethod     = "method"           // for people
)

const (
	methodMeta  = "improved contrastive divergence (Du, Li, Tenenbaum, Mordatch, ICML 2021)"
	programMeta = "joule, github.com/joule-ebm/joule"
)

// The files of a run directory that say what it is: its configuration, its model, which images it was trained on, and what a process that
// writes in it has locked.
const (
	ConfigFile = "config.yaml"
	File       = "model.safetensors"
	ImagesFile = "images.gz" // a dataset.Inventory
	LockFile   = "lock"
)

// Open reads a model: path is a run directory, a model file, or the name of a model of a registered source, such as zoo:mnist. Errors are
// one line and say what to do.
func Open(path string) (*Model, error) {
	if source, name := sourceOf(path); source != nil {
		return openSource(path, source, name)
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%s: there is no such run directory or model file; train one with joule train --out %s", path, path)
	case err != nil:
		return nil, fmt.Errorf("%s: %w", path, durable.Cause(err))
	case info.IsDir():
		file := filepath.Join(path, File)
		if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
			if _, err := os.Stat(filepath.Join(path, ConfigFile)); err == nil {
				return nil, fmt.Errorf("%s: the run has no model yet; let joule train --resume --out %s reach its first checkpoint", path, path)
			}
			return nil, fmt.Errorf("%s: the directory holds no run (no %s)", path, File)
		}
		path = file
	}
	file, err := safetensors.ReadFile(path)
	if err != nil {
		return nil, err
	}
	m, err := read(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	m.Path, m.Config.Dir = path, filepath.Dir(path)
	return m, nil
}

func read(file *safetensors.File) (*Model, error) {
	text, ok := file.Metadata[metaConfig]
	if !ok {
		return nil, errors.New("a safetensors file, but not a model of joule train: its metadata has no configuration")
	}
	m := &Model{}
	composition, err := readComposition(file.Metadata[metaComposed])
	if err != nil {
		return nil, fmt.Errorf("the composition in the metadata: %w", err)
	}
	if m.Config, m.Training, err = readConfig(text, composition); err != nil {
		return nil, fmt.Errorf("the configuration in the metadata: %w", err)
	}
	if text := file.Metadata[metaClasses]; text != "" {
		if err := json.Unmarshal([]byte(text), &m.Classes); err != nil {
			return nil, fmt.Errorf("the classes in the metadata: %w", err)
		}
	}
	if text := file.Metadata[metaUnlearnt]; text != "" {
		if err := json.Unmarshal([]byte(text), &m.Unlearnt); err != nil {
			return nil, fmt.Errorf("the classes without images in the metadata: %w", err)
		}
	}
	if text := file.Metadata[metaNumbers]; text != "" {
		if err := json.Unmarshal([]byte(text), &m.Numbers); err != nil {
			return nil, fmt.Errorf("the numbers in the metadata: %w", err)
		}
	}
	if m.Config.Network.Conditional != (m.condition().width() > 0) || len(m.Classes) > 0 && len(m.Numbers) > 0 {
		return nil, errors.New("damaged: the metadata name the classes or numbers of a conditional model, and only of one")
	}
	if m.Iterations, err = strconv.ParseInt(file.Metadata[metaIterations], 10, 64); err != nil {
		return nil, errors.New("damaged: the metadata have no number of iterations")
	}
	if m.Energy, err = m.Config.NewEnergy(m.condition().width()); err != nil {
		return nil, err
	}
	if m.Params, err = loadParams(file, m.Energy); err != nil {
		return nil, err
	}
	if text := file.Metadata[metaDataIs]; text != "" {
		m.Config.Fingerprint = &dataset.Fingerprint{}
		if err := json.Unmarshal([]byte(text), m.Config.Fingerprint); err != nil {
			return nil, fmt.Errorf("the fingerprint of the data in the metadata: %w", err)
		}
	}
	if text := file.Metadata[metaSpectrum]; text != "" {
		m.Config.Spectrum = &mcmc.Spectrum{}
		if err := json.Unmarshal([]byte(text), m.Config.Spectrum); err != nil {
			return nil, fmt.Errorf("the spectrum of the data in the metadata: %w", err)
		}
		if err := m.Config.Spectrum.Check(m.Energy.Image); err != nil {
			return nil, fmt.Errorf("the metadata: %w", err)
		}
	}
	if (m.Config.Noise == SpectrumNoise) != (m.Config.Spectrum != nil) {
		return nil, errors.New("damaged: the metadata have the spectrum of the data where noise has it, and only there")
	}
	if text := file.Metadata[metaCalibrated]; text != "" {
		m.Calibration = json.RawMessage(text)
	}
	return m, nil
}

// readConfig reads a configuration, of a model that may be composed, and returns what is not the model's in it.
func readConfig(text string, composition *Composition) (c Config, training string, err error) {
	c = Paper()
	if training, err = settings.ReadPart(strings.NewReader(text), &c); err != nil {
		return c, "", err
	}
	c.Composition = composition
	return c, training, c.Validate()
}

// configText is the inverse of readConfig, but for the composition.
func configText(c *Config, training string) (string, error) {
	var text strings.Builder
	err := settings.Write(&text, c)
	return text.String() + training, err
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

// Save replaces the file at path by the model, whole or not at all. Equal models give equal bytes.
func (m *Model) Save(path string) error { return m.save(path, safetensors.FromFloat32s) }

// SaveHalf is Save with parameters rounded to 16 bits, which halves the file: the model in it is another, if hardly, so that a calibration
// of this one is left out.
func (m *Model) SaveHalf(path string) error {
	for name, values := range m.Params {
		for _, v := range values {
			if math.Abs(float64(v)) > 65504 {
				return fmt.Errorf("%s: parameter %s holds %v, which 16 bits cannot", path, name, v)
			}
		}
	}
	half := *m
	half.Calibration = nil
	return half.save(path, safetensors.HalfFromFloat32s)
}

func (m *Model) save(path string, tensor func(name string, shape []int, values []float32) safetensors.Tensor) error {
	params, err := m.Energy.Params()
	if err != nil {
		return err
	}
	if err := m.check(); err != nil {
		return err
	}
	var tensors []safetensors.Tensor
	var memory []float32 // of one tensor after the other
	for _, s := range params.Specs() {
		memory = slices.Grow(memory[:0], s.Shape.Size())
		stored := memory[:s.Shape.Size()]
		s.ToTorch(stored, m.Params[s.Name])
		tensors = append(tensors, tensor(s.Name, s.TorchShape(), stored))
	}
	metadata, err := m.Metadata()
	if err != nil {
		return err
	}
	return durable.WriteFile(path, func(w io.Writer) error { return safetensors.Write(w, tensors, metadata) })
}

// Metadata are what a model file says of the model beside its parameters, by key: texts, of which some are YAML or JSON.
func (m *Model) Metadata() (map[string]string, error) {
	config, err := configText(&m.Config, m.Training)
	if err != nil {
		return nil, err
	}
	metadata := map[string]string{metaFormat: "pt", metaConfig: config, metaIterations: strconv.FormatInt(m.Iterations, 10),
		metaData: m.Config.Data, metaProgram: programMeta, metaMethod: methodMeta}
	if len(m.Classes) > 0 {
		names, err := json.Marshal(m.Classes)
		if err != nil {
			return nil, err
		}
		metadata[metaClasses] = string(names)
	}
	if len(m.Unlearnt) > 0 {
		names, err := json.Marshal(m.Unlearnt)
		if err != nil {
			return nil, err
		}
		metadata[metaUnlearnt] = string(names)
	}
	if len(m.Numbers) > 0 {
		numbers, err := json.Marshal(m.Numbers)
		if err != nil {
			return nil, err
		}
		metadata[metaNumbers] = string(numbers)
	}
	if m.Config.Composition != nil {
		t, err := m.Config.Composition.text()
		if err != nil {
			return nil, err
		}
		composition, err := json.Marshal(t)
		if err != nil {
			return nil, err
		}
		metadata[metaComposed] = string(composition)
	}
	if m.Config.Spectrum != nil {
		text, err := json.Marshal(m.Config.Spectrum)
		if err != nil {
			return nil, err
		}
		metadata[metaSpectrum] = string(text)
	}
	if m.Config.Fingerprint != nil {
		text, err := json.Marshal(m.Config.Fingerprint)
		if err != nil {
			return nil, err
		}
		metadata[metaDataIs] = string(text)
	}
	if m.Calibration != nil {
		metadata[metaCalibrated] = string(m.Calibration)
	}
	return metadata, nil
}

// SaveCalibration puts a calibration into the file that the model was read from. All else in the file stays as it is, bit for bit. It is
// an error if the file is a run's that is being trained, or is another model by now.
func (m *Model) SaveCalibration(calibration json.RawMessage) error {
	if m.Path == "" {
		return errors.New("model: it was not read from a file: save it with its calibration")
	}
	if source, name := sourceOf(m.Path); source != nil {
		return fmt.Errorf("%s is not yours to change: copy it first, with joule zoo copy %s -o %s.safetensors, and calibrate that", m.Path, name, name)
	}
	dir := filepath.Dir(m.Path)
	if _, err := os.Stat(filepath.Join(dir, ConfigFile)); err == nil && filepath.Base(m.Path) == File {
		release, _, err := LockRun(dir)
		if err != nil {
			return err
		}
		defer release()
	}
	file, err := safetensors.ReadFile(m.Path)
	if err != nil {
		return err
	}
	params, err := loadParams(file, m.Energy)
	if err != nil {
		return fmt.Errorf("%s: %w", m.Path, err)
	}
	if !maps.EqualFunc(params, m.Params, slices.Equal[[]float32]) {
		return fmt.Errorf("%s: the model has changed since it was read; calibrate it again", m.Path)
	}
	file.Metadata[metaCalibrated] = string(calibration)
	if err := durable.WriteFile(m.Path, func(w io.Writer) error { return safetensors.Write(w, file.Tensors, file.Metadata) }); err != nil {
		return err
	}
	m.Calibration = calibration
	return nil
}

// LockRun makes this process the one that writes in a run directory, until release is called or the process ends.
// Granted says that others are kept out, which they are not where the file system has no locks.
func LockRun(dir string) (release func(), granted bool, err error) {
	lock, err := durable.TakeLock(filepath.Join(dir, LockFile))
	switch {
	case errors.Is(err, durable.ErrLocked):
		return nil, false, fmt.Errorf("%s: another process is training in it; wait for it or stop it", dir)
	case err != nil:
		return nil, false, fmt.Errorf("%s: cannot write in the run directory: %w", dir, durable.Cause(err))
	}
	return lock.Release, lock.Granted(), nil
}
