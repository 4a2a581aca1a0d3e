package detect

// This file calibrates the detectors of a model: measures images, and keeps in the model what comes of it.

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/joule-ebm/joule/dataset"
	"github.com/joule-ebm/joule/detect/scoremap"
	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/model"
)

// ErrTrainedOn says that images are none to calibrate a model with.
var ErrTrainedOn = errors.New("the model was trained on these images, which look better to it than others do")

// CalibrationImages opens images to calibrate a model with: those that a reference names, or, where it is empty, those that its run held
// out of training. Of more than n images, unless n is 0, it takes n chosen by seed. It wraps [ErrTrainedOn] if the reference names the
// images of training.
func CalibrationImages(ctx context.Context, c *model.Config, ref string, n int, seed uint64, opts ...dataset.Option) (*dataset.Set, error) {
	if ref == "" {
		_, held, err := c.OpenPictures(ctx)
		if err != nil {
			return nil, fmt.Errorf("the images held out of training cannot be had; name others: %w", err)
		}
		held.Name = model.HeldOutName(c.Data)
		return held.AtMost(n, seed), nil
	}
	if c.TrainedOn(ref) {
		return nil, fmt.Errorf("%s: %w; name others, or take those held out of training", ref, ErrTrainedOn)
	}
	set, err := dataset.Open(ctx, ref, c.PictureSize(), opts...)
	if err != nil {
		return nil, err
	}
	if err := checkUnseen(ctx, c, set); err != nil {
		return nil, err
	}
	return set.AtMost(n, seed), nil
}

// checkUnseen looks for the images of a set among those of training: half of them are refused, a few warned of.
func checkUnseen(ctx context.Context, c *model.Config, set *dataset.Set) error {
	n, err := c.Seen(ctx, set)
	switch {
	case err != nil:
		return err
	case n > 0 && 2*n >= set.Len():
		return fmt.Errorf("%s: %d of the %d images: %w; name others, or take those held out of training", set.Name, n, set.Len(), ErrTrainedOn)
	case n > 0:
		set.Contents.Warnings = append(set.Contents.Warnings, fmt.Sprintf("the model was trained on %d of the %d images, which look better to it than others do", n, set.Len()))
	}
	return nil
}

// Calibrate makes a calibration of all detectors with in-distribution images (N,H,W,C) that the model was not trained on; data describes
// them. The model stays as it is. Progress, if not nil, is called with the number of images measured since it was last called.
func Calibrate(ctx context.Context, e engine.Engine, m *model.Model, data string, pixels []uint8, progress func(int)) (*Calibration, error) {
	meter, err := m.NewMeterOf(e, model.Quantities{Gradients: true, Descent: true})
	if err != nil {
		return nil, err
	}
	var images []model.Measurement
	digest := sha256.Sum256(pixels)
	for size := m.Energy.Image.Size(); len(pixels) > 0; {
		part := pixels[:min(len(pixels), meter.Batch()*size)]
		pixels = pixels[len(part):]
		measured, err := meter.Measure(ctx, part, model.AnyLabel)
		if err != nil {
			return nil, err
		}
		if images = append(images, measured...); progress != nil {
			progress(len(measured))
		}
	}
	c, err := CalibrateWith(data, images)
	if err == nil {
		c.Pixels, c.weights = hex.EncodeToString(digest[:16]), weightsOf(m)
	}
	return c, err
}

// weightsOf is a digest of a model's parameters, and of the classes that it has not learnt.
func weightsOf(m *model.Model) string {
	sum := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(m.Params)) {
		_, _ = fmt.Fprintf(sum, "%q %d ", name, len(m.Params[name]))
		part := make([]byte, 0, 1<<12)
		for values := range slices.Chunk(m.Params[name], cap(part)/4) {
			part = part[:0]
			for _, v := range values {
				part = binary.LittleEndian.AppendUint32(part, math.Float32bits(v))
			}
			sum.Write(part)
		}
	}
	for _, class := range m.Unlearnt { // which have no part in the mixture: with others it is another
		_, _ = fmt.Fprintf(sum, "without %q ", class)
	}
	return hex.EncodeToString(sum.Sum(nil)[:16])
}

// ErrNotCalibrated says that a model has no calibration.
var ErrNotCalibrated = errors.New("the model is not calibrated")

// CalibrationOf is the calibration of a model. Without one the error is [ErrNotCalibrated], which is wrapped where there is one that cannot
// be read, being of another version or damaged, or that was made with other weights or scales.
func CalibrationOf(m *model.Model) (*Calibration, error) {
	if m.Calibration == nil {
		return nil, ErrNotCalibrated
	}
	c := new(Calibration)
	if err := json.Unmarshal(m.Calibration, c); err != nil {
		return nil, fmt.Errorf("%w: its calibration cannot be read: %w", ErrNotCalibrated, err)
	}
	if c.tiles != m.Config.Tiled() {
		return nil, fmt.Errorf("%w: its calibration is one of whole images, the model one of tiles, or the other way round", ErrNotCalibrated)
	}
	if c.weights != "" && c.weights != weightsOf(m) {
		return nil, fmt.Errorf("%w: its calibration was made with other weights", ErrNotCalibrated)
	}
	if c.tiles {
		return c, nil
	}
	scales, err := m.Energy.Scales()
	if err == nil {
		err = c.check(scales)
	}
	if err == nil && c.distributions[typicalDescentName] != nil {
		if wrong := c.reference.Descent.check(len(descentStatistics(nothing(scales, model.Octaves(m.Energy.Image))))); wrong != nil {
			err = fmt.Errorf("%w: its calibration cannot be read: %w", ErrNotCalibrated, wrong)
		}
	}
	if err != nil {
		return nil, err
	}
	return c, nil
}

// defaultOf is the detector to use where none is named. Models trained with coarse steps (package mcmc) have low energies for sharp edges of
// whatever, a digit on black or a photograph; the figures that typical-set takes together tell these apart.
func defaultOf(m *model.Model, c *Calibration) string {
	switch {
	case m.Config.Tiled():
		return scoremap.Default
	case m.Config.Sampler.Coarse != 0 && c != nil && !m.Config.Network.Conditional: // calibrations are of no single class
		return typicalSetName
	}
	return Default
}

// ForModel is the detector of that name for a model, calibrated as far as the model is; "" is the one to use where none is named: [Default], but
// [scoremap.Default] of a model of tiles, and typical-set of a calibrated one that was trained with coarse steps and has no classes. Errors
// are those of [Named] and [CalibrationOf].
func ForModel(m *model.Model, name string) (*Detector, error) {
	calibration, uncalibrated := CalibrationOf(m)
	if name == "" {
		name = defaultOf(m, calibration)
	}
	var d *Detector
	scales, err := m.Energy.Scales()
	switch {
	case err != nil:
	case m.Config.Tiled():
		d, err = mapDetector(name, calibration)
	default:
		d, err = Named(name, scales, calibration)
	}
	if uncalibrated != nil && errors.Is(err, ErrNotCalibrated) {
		err = uncalibrated // which says more
	}
	return d, err
}

// Attach gives a model a calibration, which [model.Model.Save] then writes with it.
func Attach(m *model.Model, c *Calibration) (err error) {
	m.Calibration, err = json.Marshal(c)
	return err
}

// Save puts a calibration into the file of a model, as [model.Model.SaveCalibration] says.
func Save(m *model.Model, c *Calibration) error {
	text, err := json.Marshal(c)
	if err != nil {
		return err
	}
	return m.SaveCalibration(text)
}
