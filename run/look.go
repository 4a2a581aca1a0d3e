package run

// This file reads what a run has written down, for those who look at it: also while it trains, and after it was killed.

import (
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/joule-ebm/joule/internal/durable"
	"github.com/joule-ebm/joule/internal/metrics"
	"github.com/joule-ebm/joule/internal/settings"
	"github.com/joule-ebm/joule/model"
)

// ReadConfig reads the configuration of the run in dir.
func ReadConfig(dir string) (Config, error) {
	c, err := readConfig(filepath.Join(dir, configFile))
	if errors.Is(err, fs.ErrNotExist) {
		return c, fmt.Errorf("%s: the directory holds no run (no %s)", dir, configFile)
	}
	return c, err
}

// ConfigOf is the whole configuration of the run that trained a model.
func ConfigOf(m *model.Model) (Config, error) {
	c := before()
	c.Config = m.Config
	err := settings.Read(strings.NewReader(m.Training), &c.Training)
	if err != nil {
		err = fmt.Errorf("the configuration in the metadata: %w", err)
	}
	return c, err
}

// Text is the configuration as config.yaml has it.
func (c Config) Text() (string, error) {
	var text strings.Builder
	err := settings.Write(&text, &c)
	return text.String(), err
}

// Record is the numbers of an iteration.
type Record = metrics.Record

// Metrics yields the numbers of the iterations that the run in dir has made, by names such as loss_total. An error ends them.
func Metrics(dir string) iter.Seq2[Record, error] {
	return metrics.Read(filepath.Join(dir, metricsFile))
}

// Follow are the numbers of the iterations that the run in dir makes, as it makes them.
func Follow(dir string) *metrics.Tail {
	return &metrics.Tail{Path: filepath.Join(dir, metricsFile)}
}

// Picture is a picture of samples that a run has drawn.
type Picture struct {
	Iteration int64 // after which; those drawn from noise in the end have none
	Path      string
}

// Pictures lists the pictures of samples of the run in dir: those drawn on the way, from the replay buffer, in order, and the one
// drawn from noise in the end. Either may be missing.
func Pictures(dir string) (fromBuffer []Picture, fromNoise *Picture, err error) {
	entries, err := os.ReadDir(filepath.Join(dir, samplesDir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, nil, fmt.Errorf("%s: %w", filepath.Join(dir, samplesDir), durable.Cause(err))
	}
	for _, e := range entries {
		number, isPicture := strings.CutSuffix(e.Name(), ".png")
		if iteration, err := strconv.ParseInt(number, 10, 64); isPicture && err == nil {
			fromBuffer = append(fromBuffer, Picture{iteration, filepath.Join(dir, samplesDir, e.Name())})
		}
	}
	slices.SortFunc(fromBuffer, func(a, b Picture) int { return int(a.Iteration - b.Iteration) })
	if path := filepath.Join(dir, samplesFile); isFile(path) {
		fromNoise = &Picture{Path: path}
	}
	return fromBuffer, fromNoise, nil
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}
