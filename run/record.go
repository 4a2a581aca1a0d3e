package run

// This file writes down what training measures: as JSON lines, as TensorBoard curves, and as pictures of samples.

import (
	"bytes"
	"fmt"
	"image"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/joule-ebm/joule/cd"
	"github.com/joule-ebm/joule/dataset"
	"github.com/joule-ebm/joule/internal/durable"
	"github.com/joule-ebm/joule/internal/metrics"
	"github.com/joule-ebm/joule/internal/picture"
	"github.com/joule-ebm/joule/internal/tensorboard"
)

// quantities are the numbers of an iteration under their TensorBoard names; in JSON lines an underscore takes the slash's place.
// Energies are means over the scales.
func quantities(m *cd.Metrics) []metrics.Field {
	fields := []metrics.Field{{Name: "loss/total", Value: m.Loss}}
	for _, t := range m.Terms {
		fields = append(fields, metrics.Field{Name: "loss/" + t.Name, Value: t.Value})
	}
	fields = append(fields, []metrics.Field{
		{Name: "energy/data", Value: m.EnergyPos},
		{Name: "energy/samples", Value: m.EnergyNeg},
		{Name: "energy/gap", Value: m.EnergyNeg - m.EnergyPos},
		{Name: "energy/spread_data", Value: m.DeviationPos},
		{Name: "energy/spread_samples", Value: m.DeviationNeg},
		{Name: "gradient/norm", Value: m.GradNorm},
	}...)
	for _, g := range m.Gradients {
		fields = append(fields, metrics.Field{Name: "gradient/" + g.Name, Value: g.Value})
	}
	return append(fields, []metrics.Field{
		{Name: "chain/moved", Value: m.Displacement},
		{Name: "chain/acceptance", Value: m.Acceptance},
		{Name: "diversity/samples", Value: m.Diversity},
		{Name: "diversity/data", Value: m.DataDiversity},
		{Name: "buffer/size", Value: float64(m.BufferSize)},
		{Name: "buffer/age", Value: m.BufferAge},
		{Name: "update/learning_rate", Value: m.LearningRate},
	}...)
}

// Names of what a run itself measures.
const (
	attemptName       = "update/attempt"  // how often training has gone back
	heldOutEnergyName = "held_out/energy" // mean energy of the images held out under the averaged weights, summed over the scales
	heldOutSpreadName = "held_out/spread" // its standard deviation
	bitsName          = "chain/bits"      // significant bits of a factor in the chain's convolutions
	secondsName       = "time/seconds"    // of the iteration
	processorName     = "time/processor"  // the same in seconds of processor time
)

// SecondsField and ProcessorField are the names in metrics.jsonl of the only numbers that differ between equal runs: the time that an
// iteration took, and the processor time.
var SecondsField, ProcessorField = jsonName(secondsName), jsonName(processorName)

func jsonName(name string) string { return strings.ReplaceAll(name, "/", "_") }

// records are the open logs of a run; nil those of a process that writes none.
type records struct {
	dir     *directory
	metrics *metrics.Log
	board   *tensorboard.Writer
	events  io.Closer
}

// openRecords opens the logs to go on after the given iteration.
func openRecords(dir *directory, iteration int64) (*records, error) {
	l := &records{dir: dir}
	return l, l.reopen(iteration)
}

// reopen drops what was written about later iterations.
func (l *records) reopen(iteration int64) error {
	if l == nil {
		return nil
	}
	if err := l.close(); err != nil {
		return err
	}
	var err error
	if l.metrics, err = metrics.Open(l.dir.file(metricsFile), int(iteration)); err != nil {
		return fmt.Errorf("%w (restore the file, or move it away to go on without the numbers so far)", err)
	}
	now := time.Now()
	file, err := os.OpenFile(l.dir.file(tensorboard.FileName(now)), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	l.events = file
	l.board, err = tensorboard.NewWriter(file, now, int(iteration)+1)
	return err
}

func (l *records) close() error {
	if l == nil {
		return nil
	}
	var err error
	if l.metrics != nil {
		err = l.metrics.Close()
		l.metrics = nil
	}
	if l.events != nil {
		if closing := l.events.Close(); err == nil {
			err = closing
		}
		l.events = nil
	}
	return err
}

// add writes down an iteration. What was not measured, and so is not a number, is left out.
func (l *records) add(m *cd.Metrics, more ...metrics.Field) error {
	if l == nil {
		return nil
	}
	curves := map[string]float64{}
	var kept []metrics.Field
	for _, f := range append(quantities(m), more...) {
		if !math.IsNaN(f.Value) {
			curves[f.Name] = f.Value
			kept = append(kept, metrics.Field{Name: jsonName(f.Name), Value: f.Value})
		}
	}
	if err := l.metrics.Append(metrics.Record{Iteration: int(m.Iteration), Fields: kept}); err != nil {
		return err
	}
	return l.board.Scalar(int(m.Iteration), time.Now(), curves)
}

// picture writes images, N,H,W,C, as a grid to a file of the run, and shows it in TensorBoard.
func (l *records) picture(name string, iteration int64, images []uint8, size dataset.Size) error {
	if l == nil {
		return nil
	}
	n := len(images) / size.Len()
	columns := int(math.Ceil(math.Sqrt(float64(n))))
	scale := max(1, min(64/size.Height, 64/size.Width))
	grid, err := picture.Grid(images, n, size.Height, size.Width, size.Channels, columns, scale)
	if err != nil {
		return err
	}
	var png bytes.Buffer
	if err := picture.EncodePNG(&png, grid); err != nil {
		return err
	}
	path := l.dir.file(name)
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return fmt.Errorf("%s: %w", path, durable.Cause(err))
	}
	err = durable.WriteFile(path, func(w io.Writer) error {
		_, err := w.Write(png.Bytes())
		return err
	})
	if err != nil {
		return err
	}
	bounds, channels := grid.Bounds(), 3
	if _, grey := grid.(*image.Gray); grey {
		channels = 1
	}
	return l.board.Image(int(iteration), time.Now(), "samples", png.Bytes(), bounds.Dx(), bounds.Dy(), channels)
}
