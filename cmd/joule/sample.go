package main

// joule sample: new images from a trained model.

import (
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"io"
	"math"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/engine/device"
	"github.com/joule-ebm/joule/internal/picture"
	"github.com/joule-ebm/joule/model"
)

type sampleOptions struct {
	hardware
	model.Sampling
	output, gif, precision string
	asked                  askedFlags
	sampler                samplerFlags
	json                   bool
}

func newSampleCommand() *cobra.Command {
	o := sampleOptions{Sampling: model.Sampling{Images: 64, Seed: 1}}
	cmd := &cobra.Command{
		Use:   "sample RUN",
		Short: "Generate images from a trained model",
		Long: `Generate images from a trained model: RUN is a run directory or a model.safetensors file.

Chains start from noise and go through rounds of K steps of the sampler the model was trained with:
one round, rounds that each begin with an augmentation of the image (random crop, flip, colours,
blur), which carries chains from one kind of image to another, and rounds without. How many of each,
the run's settings generation.augmented and generation.plain say: 8 and 15, as the authors of the
method evaluate theirs, unless the preset knows better. Models trained with loss.flow know the way from
noise: their rounds begin with going back there by generation.renoise of the way, which makes better
images in as many steps. The weights are the moving average of training.

--sampler draws with another kind of sampler that moves alike: its gradient step λ and temperature T
are those of the run's, σ²/2λ where that is Langevin dynamics. mala and hmc accept a step or stay where
they are, so that long chains draw from exp(-E/T) itself; the share that was accepted is printed. The
long steps that short-run training takes are hardly ever accepted: set a shorter one, and a temperature
such as 1e-5. --anneal starts chains hot, which compositions of models not so trained can need.

The same seed gives the same images, whatever the number of threads.`,
		Example: `  joule sample RUN                               64 images in one picture, samples.png
  joule sample RUN -n 100 --seed 7 -o grid.png
  joule sample RUN -n 1000 -o images/            one PNG an image, in a new folder
  joule sample RUN -o grid.png --gif chains.gif  and how they came about, as an animation
  joule sample RUN --label 3 -o threes.png       of one class of a conditional model
  joule sample RUN --label cat,dog --steps 2000
  joule sample RUN --condition x=0.2,y=0.7       of a model that is conditional on numbers
  joule sample RUN --condition shape=cube,x=0.5  or on attributes and numbers
  joule sample RUN --sampler hmc --set sampler.temperature=1e-5 --set sampler.step_size=0.005 --anneal 100
  joule sample RUN --set generation.plain=40     longer chains without augmentation`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return sample(cmd, args[0], o) },
	}
	f := cmd.Flags()
	f.IntVarP(&o.Images, "number", "n", o.Images, "number of images")
	f.Uint64Var(&o.Seed, "seed", o.Seed, "of all random numbers")
	f.StringVarP(&o.output, "output", "o", "samples.png", "a .png for one picture of all images, or a `path` ending in / for single ones")
	f.StringVar(&o.gif, "gif", "", "also show the chains of the first images as an animation, in this `file`")
	f.IntVar(&o.Steps, "steps", 0, "steps of a chain in all (default all rounds)")
	o.asked.add(f)
	f.IntVar(&o.Threads, "threads", 0, "threads to use (default one a core)")
	o.addFlags(f)
	f.StringVar(&o.precision, "precision", string(engine.Auto), precisionUsage)
	o.sampler.add(f)
	f.BoolVar(&o.json, "json", false, "print what was done as JSON")
	return cmd
}

// sampleReport is what --json prints.
type sampleReport struct {
	Images    int              `json:"images"`
	Steps     int              `json:"steps"` // of each chain
	Seed      uint64           `json:"seed"`
	Output    string           `json:"output"`
	GIF       string           `json:"gif,omitempty"`
	Seconds   float64          `json:"seconds"`
	Precision engine.Precision `json:"precision"`
	Labels    []int32          `json:"labels,omitempty"` // of the images in order
	// Acceptance is the share of proposals that were accepted; 1 for samplers without proposals.
	Acceptance float64 `json:"acceptance"`
}

const (
	mostInGrid  = 10_000
	mostInGIF   = 64
	framesOfGIF = 100 // about
	gridWidth   = 768 // of pictures, about, in pixels
	gifWidth    = 448
)

func sample(cmd *cobra.Command, path string, o sampleOptions) error {
	folder := strings.HasSuffix(o.output, "/") || strings.HasSuffix(o.output, string(filepath.Separator)) || isDir(o.output)
	switch {
	case !folder && !hasExtension(o.output, ".png"):
		return usageErrorf("--output is %q: want a name ending in .png, or in / for a folder", o.output)
	case !folder && o.Images > mostInGrid:
		return usageErrorf("%d images are too many for one picture: want at most %d, or a folder, such as --output images/", o.Images, mostInGrid)
	case o.gif != "" && !hasExtension(o.gif, ".gif"):
		return usageErrorf("--gif is %q: want a name ending in .gif", o.gif)
	}
	if err := checkBounds(bounds{"number", o.Images, 1, math.MaxInt32}, bounds{"steps", o.Steps, 0, math.MaxInt32},
		bounds{"threads", o.Threads, 0, mostThreads}); err != nil {
		return err
	}
	precision, err := parsePrecision(o.precision)
	if err != nil {
		return err
	}
	if err := o.join(cmd, patience); err != nil {
		return err
	}
	m, err := model.Open(path)
	if err != nil {
		return err
	}
	shown := &stages{out: cmd.ErrOrStderr()}
	defer shown.clear()
	if err := o.sampler.change(m, o.Steps, shown.warn); err != nil {
		return err
	}
	if err := o.asked.ask(m, &o.Sampling); err != nil {
		return err
	}
	// An output that cannot be written is better noticed before the work than after it.
	if o.writes() {
		if err := errors.Join(checkOutput(o.output, folder), checkOutput(o.gif, false)); err != nil {
			return err
		}
	}

	begun := time.Now()
	o.Progress = func(done, total int64) { shown.show("sampling", "steps", done, total) }
	h, w, c := m.Energy.Image[0], m.Energy.Image[1], m.Energy.Image[2]
	sheet := func(pixels []uint8, width int) (image.Image, error) {
		columns := 0
		if 1 < len(o.Labels) && len(o.Labels) <= 20 {
			columns = len(o.Labels) // a class a column
		}
		return picture.Sheet(pixels, h, w, c, columns, width)
	}
	report := sampleReport{Steps: m.ChainSteps(o.Sampling), Seed: o.Seed, Output: o.output, GIF: o.gif, Precision: device.Resolve(o.device, precision)}
	e, err := o.openEngine(o.Threads, report.Precision)
	if err != nil {
		return err
	}
	var frames []image.Image
	if o.gif != "" {
		o.Every = max(1, report.Steps/framesOfGIF)
		o.Look = func(first, step int, x []float32) error {
			if first > 0 {
				return nil
			}
			frame, err := sheet(picture.Quantise(x[:min(len(x), mostInGIF*h*w*c)]), gifWidth)
			frames = append(frames, frame)
			return err
		}
	}
	var pixels []uint8 // of the grid
	accepted := 0.0    // images by the acceptance of their chains
	for batch, err := range m.Samples(cmd.Context(), e, o.Sampling) {
		if err != nil {
			return err
		}
		if !o.writes() {
			continue
		}
		if !folder {
			pixels = append(pixels, batch.Pixels...)
		} else if err := picture.WriteFolder(o.output, batch.Pixels, h, w, c, batch.First, o.Images); err != nil {
			return err
		}
		n := len(batch.Pixels) / (h * w * c)
		report.Images += n
		report.Labels = append(report.Labels, batch.Labels...)
		accepted += batch.Acceptance * float64(n)
	}
	if !o.writes() {
		return nil
	}
	if !folder {
		grid, err := sheet(pixels, gridWidth)
		if err != nil {
			return err
		}
		if err := writePNG(o.output, grid); err != nil {
			return err
		}
	}
	if err := writeOutput(o.gif, func(w io.Writer) error { return picture.EncodeChains(w, frames) }); err != nil {
		return err
	}
	report.Acceptance, report.Seconds = accepted/float64(report.Images), time.Since(begun).Seconds()
	shown.clear()
	if report.Acceptance < 0.1 {
		shown.warn(fmt.Sprintf("%.1f%% of the steps were accepted, so that chains hardly move: take a shorter step (--set sampler.step_size=, now %.3g) or a higher temperature (--set sampler.temperature=, now %.3g)",
			100*report.Acceptance, m.Config.Sampler.StepSize, m.Config.Sampler.Temperature))
	}
	if o.json {
		return json.NewEncoder(cmd.OutOrStdout()).Encode(report)
	}
	share := ""
	if report.Acceptance < 1 {
		share = fmt.Sprintf(", of which %.1f%% were accepted,", 100*report.Acceptance)
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "%d images by chains of %d steps%s in %.1f s: %s\n", report.Images, report.Steps, share, report.Seconds,
		strings.TrimSuffix(o.output+", "+o.gif, ", "))
	return err
}
