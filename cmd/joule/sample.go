package main

// joule sample: new images from a trained model.

import (
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/engine/cpu"
	"github.com/joule-ebm/joule/expr"
	"github.com/joule-ebm/joule/internal/durable"
	"github.com/joule-ebm/joule/internal/picture"
	"github.com/joule-ebm/joule/model"
)

type sampleOptions struct {
	n         uint
	seed      uint64
	output    string
	gif       string
	steps     uint
	labels    []string
	threads   uint
	precision string
	json      bool
	folder    bool // whether output is one
}

func newSampleCommand() *cobra.Command {
	var o sampleOptions
	cmd := &cobra.Command{
		Use:   "sample RUN",
		Short: "Generate images from a trained model",
		Long: `Generate images from a trained model: RUN is a run directory or a model.safetensors file.

Chains start from noise and go through rounds of K steps of the sampler the model was trained with:
one round, rounds that each begin with an augmentation of the image (random crop, flip, colours,
blur), which carries chains from one kind of image to another, and rounds without. How many of each,
the run's settings generation.augmented and generation.plain say: 8 and 15, as the authors of the
method evaluate theirs, unless the preset knows better. A model trained without augmentation, as for
MNIST, gets one chain of as many steps. The weights are the moving average of training.

The same seed gives the same images, whatever the number of threads.`,
		Example: `  joule sample RUN                               64 images in one picture, samples.png
  joule sample RUN -n 100 --seed 7 -o grid.png
  joule sample RUN -n 1000 -o images/            one PNG an image, in a new folder
  joule sample RUN -o grid.png --gif chains.gif  and the way there, as an animation
  joule sample RUN --label 3 -o threes.png       of one class of a conditional model
  joule sample RUN --label cat,dog --steps 2000`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return sample(cmd, args[0], o) },
	}
	f := cmd.Flags()
	f.UintVarP(&o.n, "number", "n", 64, "number of images")
	f.Uint64Var(&o.seed, "seed", 1, "of all random numbers")
	f.StringVarP(&o.output, "output", "o", "samples.png", "a .png for one picture of all images, or a `path` ending in / for single ones")
	f.StringVar(&o.gif, "gif", "", "also show the chains of the first images as an animation, in this `file`")
	f.UintVar(&o.steps, "steps", 0, "steps of a chain in all (default all rounds)")
	f.StringSliceVar(&o.labels, "label", nil, "classes of a conditional model, by name or number from 0, in turn (default all)")
	f.UintVar(&o.threads, "threads", 0, "threads to use (default one a core)")
	f.StringVar(&o.precision, "precision", string(engine.Auto), precisionUsage)
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

func sample(cmd *cobra.Command, path string, o sampleOptions) error {
	o.folder = strings.HasSuffix(o.output, "/") || strings.HasSuffix(o.output, string(filepath.Separator)) || isDir(o.output)
	switch {
	case o.n < 1:
		return usageErrorf("--number is %d: want 1 or more", o.n)
	case !o.folder && !hasExtension(o.output, ".png"):
		return usageErrorf("--output is %q: want a name ending in .png, or in / for a folder", o.output)
	case !o.folder && o.n > mostInGrid:
		return usageErrorf("%d images are too many for one picture: want at most %d, or a folder, such as --output images/", o.n, mostInGrid)
	case o.gif != "" && !hasExtension(o.gif, ".gif"):
		return usageErrorf("--gif is %q: want a name ending in .gif", o.gif)
	case max(o.n, o.steps) > math.MaxInt32:
		return usageErrorf("--number is %d and --steps %d: want at most %d", o.n, o.steps, math.MaxInt32)
	}
	precision, err := parsePrecision(o.precision)
	if err != nil {
		return err
	}
	trained, err := model.Open(path)
	if err != nil {
		return err
	}
	choices, err := chooseLabels(trained, o.labels)
	if err != nil {
		return err
	}
	// An output that cannot be written is better noticed before the work than after it.
	if err := errors.Join(checkOutput(o.output, o.folder), checkOutput(o.gif, false)); err != nil {
		return err
	}

	begun := time.Now()
	g := o.sampling(choices)
	s := &samples{options: o, shape: trained.Energy.Image, period: len(choices), precision: cpu.Resolve(precision)}
	if err := s.generate(cmd, trained, g); err != nil {
		return err
	}
	if err := s.finish(); err != nil {
		return err
	}
	report := sampleReport{Images: s.n, Steps: trained.ChainSteps(g), Seed: o.seed, Output: o.output, GIF: o.gif, Seconds: time.Since(begun).Seconds(),
		Precision: s.precision, Labels: s.labels, Acceptance: s.accepted / float64(s.n)}
	if o.json {
		return json.NewEncoder(cmd.OutOrStdout()).Encode(report)
	}
	test := ""
	if report.Acceptance < 1 {
		test = fmt.Sprintf(", of which %.1f%% were accepted,", 100*report.Acceptance)
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "%d images by chains of %d steps%s in %.1f s: %s\n", report.Images, report.Steps, test, report.Seconds,
		strings.TrimSuffix(o.output+", "+o.gif, ", "))
	return err
}

const (
	mostInGrid  = 10_000
	mostInGIF   = 64
	framesOfGIF = 100 // about
	gridWidth   = 768 // of pictures, about, in pixels
	gifWidth    = 448
)

// samples are generated images on their way to files.
type samples struct {
	options   sampleOptions
	shape     expr.Shape
	period    int // of the labels; 0 without
	precision engine.Precision
	n         int // so far
	pixels    []uint8
	labels    []int32       // of the images
	accepted  float64       // sum of the acceptances of the images' chains
	frames    []image.Image // of the animation
}

// sampling is what the options ask for.
func (o *sampleOptions) sampling(choices []int32) model.Sampling {
	threads := int(o.threads)
	if threads == 0 {
		threads = runtime.GOMAXPROCS(0)
	}
	return model.Sampling{Images: int(o.n), Steps: int(o.steps), Labels: choices, Seed: o.seed, Threads: threads, Together: max(mostInGIF, 16*threads)}
}

// generate makes the images, some chains at a time: only their bytes are kept.
func (s *samples) generate(cmd *cobra.Command, m *model.Model, g model.Sampling) error {
	size, steps := s.shape.Size(), m.ChainSteps(g)
	bar := newProgress(cmd.ErrOrStderr(), "sampling", "steps", int64(g.Images)*int64(steps))
	defer bar.Done()
	last := 0
	g.Every = max(1, steps/framesOfGIF)
	g.Look = func(first, step int, x []float32) error {
		bar.Add(int64(len(x) / size * max(0, step-last)))
		last = step
		if s.options.gif == "" || first > 0 {
			return nil
		}
		frame, err := s.grid(picture.Quantise(x[:min(len(x)/size, mostInGIF)*size]), gifWidth)
		s.frames = append(s.frames, frame)
		return err
	}
	for batch, err := range m.Samples(cmd.Context(), &cpu.Engine{Threads: int(s.options.threads), Precision: s.precision}, g) {
		if err != nil {
			return err
		}
		n := len(batch.Pixels) / size
		s.labels, s.accepted = append(s.labels, batch.Labels...), s.accepted+float64(n)*batch.Acceptance
		if err := s.add(batch.Pixels, n); err != nil {
			return err
		}
	}
	return nil
}

// add writes images to the folder, or keeps them for the grid.
func (s *samples) add(pixels []uint8, n int) error {
	first := s.n
	s.n += n
	if !s.options.folder {
		s.pixels = append(s.pixels, pixels...)
		return nil
	}
	if err := os.MkdirAll(s.options.output, 0o777); err != nil {
		return err
	}
	digits := max(4, len(fmt.Sprint(s.options.n-1)))
	for i := range n {
		img, err := picture.Image(pixels[i*s.shape.Size():][:s.shape.Size()], s.shape[0], s.shape[1], s.shape[2])
		if err != nil {
			return err
		}
		name := filepath.Join(s.options.output, fmt.Sprintf("%0*d.png", digits, first+i))
		if err := durable.WriteFile(name, func(w io.Writer) error { return picture.EncodePNG(w, img) }); err != nil {
			return err
		}
	}
	return nil
}

// finish writes the grid and the animation.
func (s *samples) finish() error {
	if !s.options.folder {
		grid, err := s.grid(s.pixels, gridWidth)
		if err != nil {
			return err
		}
		if err := durable.WriteFile(s.options.output, func(w io.Writer) error { return picture.EncodePNG(w, grid) }); err != nil {
			return err
		}
	}
	if s.options.gif == "" {
		return nil
	}
	for range framesOfGIF / 10 { // stay at the end for a moment
		s.frames = append(s.frames, s.frames[len(s.frames)-1])
	}
	return durable.WriteFile(s.options.gif, func(w io.Writer) error { return picture.EncodeGIF(w, s.frames, 80*time.Millisecond) })
}

// grid lays images out in a square, or with a class a column where there are several, about so many pixels wide.
func (s *samples) grid(pixels []uint8, width int) (image.Image, error) {
	n := len(pixels) / s.shape.Size()
	columns := int(math.Ceil(math.Sqrt(float64(n))))
	if 1 < s.period && s.period <= 20 {
		columns = s.period
	}
	scale := min(max(width/(columns*s.shape[1]), 1), 8)
	return picture.Grid(pixels, n, s.shape[0], s.shape[1], s.shape[2], columns, scale)
}
