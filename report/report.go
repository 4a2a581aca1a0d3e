// Package report turns a training run into one HTML page that stands alone: what it was made of, its curves, its samples, and how
// well it detects out-of-distribution images.
//
//	r, err := report.Build(ctx, &cpu.Engine{}, "runs/mnist", report.Defaults())
//	err = r.Write(file)
//
// The page asks for nothing from anywhere: pictures and drawings are inside it, it has no script, and its content security policy
// forbids both. It is for large screens and small ones, light and dark, and for paper.
//
// [Read] collects what a run has written down, however little or damaged that is; [Build] adds what has to be computed: detection,
// calibration, chains. What is missing the page says.
package report

import (
	"bytes"
	"fmt"
	"image/png"
	"os"
	"path/filepath"
	"strings"

	"github.com/joule-ebm/joule/detect/benchmark"
	"github.com/joule-ebm/joule/internal/metrics"
	"github.com/joule-ebm/joule/run"
)

// Report is what a page shows. What is empty or nil is left out.
type Report struct {
	Name        string // of the run
	Program     string // that writes the page, and its version
	Facts       []Fact // in a few words, for the top of the page
	Config      string // YAML
	Records     []metrics.Record
	Samples     *Picture  // drawn from noise in the end
	Buffer      []Picture // of samples in the replay buffer while it trained, in order
	Chains      *Chains
	Detection   *benchmark.Result // its names are as the page shows them
	Calibration *Calibration
	Missing     []string // what could not be shown and why, a line each

	dir string // of the run
}

// Fact is a figure with a name, and what it means, if that needs saying.
type Fact struct{ Name, Value, About string }

// Picture is a picture.
type Picture struct {
	Caption       string
	PNG           []byte
	Width, Height int
}

// Chains are some chains from noise.
type Chains struct {
	Picture        Picture     // a chain a row, time to the right
	PictureSteps   []int       // of its columns
	Steps          []int       // at which the energies were taken
	Energy         [][]float64 // of each step, those of the chains
	InDistribution []float64   // energies of images not seen in training, to compare with; may be nil
}

// Calibration says whether p-values of in-distribution images are what they should be, uniform: then a threshold at p flags a share p of
// them.
type Calibration struct {
	Data    string    // calibrated with
	Images  int       // how many of them
	In      string    // the images of the p-values
	PValues []float64 // of images neither trained nor calibrated on
}

// mostPictures bounds the pictures of the buffer that a page shows: it should stay small enough to send.
const mostPictures = 8

// Read collects what the run in a directory has written down. Without a configuration it is an error; other files may be missing or
// damaged, and what remains of them is used.
func Read(dir string) (*Report, error) {
	config, err := run.ReadConfig(dir)
	if err != nil {
		return nil, err
	}
	r := &Report{Name: name(dir), dir: filepath.Clean(dir)}
	if r.Config, err = config.Text(); err != nil {
		return nil, err
	}
	for record, err := range run.Metrics(dir) {
		if err != nil {
			r.missing("the numbers of the iterations", err)
			break
		}
		r.Records = append(r.Records, record)
	}
	if len(r.Records) == 0 && len(r.Missing) == 0 {
		r.Missing = append(r.Missing, "There are no numbers of iterations yet: the run has not finished its first.")
	}
	r.readPictures(dir)
	return r, nil
}

// missing notes what could not be shown, and why. The page does not say where on this machine the run is.
func (r *Report) missing(what string, err error) {
	message := strings.Join(strings.Fields(err.Error()), " ")
	if here, err := os.Getwd(); err == nil && here != string(filepath.Separator) {
		message = strings.ReplaceAll(message, here, "the working directory")
	}
	if r.dir != "" && r.dir != "." {
		message = strings.ReplaceAll(strings.ReplaceAll(message, r.dir+string(filepath.Separator), ""), r.dir, r.Name)
	}
	r.Missing = append(r.Missing, fmt.Sprintf("Not shown, or not whole: %s: %s.", what, message))
}

func name(dir string) string {
	if absolute, err := filepath.Abs(dir); err == nil {
		dir = absolute
	}
	return filepath.Base(dir)
}

func (r *Report) readPictures(dir string) {
	buffer, fromNoise, err := run.Pictures(dir)
	if err != nil {
		r.missing("samples", err)
		return
	}
	for i := range min(len(buffer), mostPictures) { // evenly spaced, the first and the last among them
		p := buffer[i*(len(buffer)-1)/max(min(len(buffer), mostPictures)-1, 1)]
		if picture := r.readPicture(p.Path); picture != nil {
			picture.Caption = fmt.Sprintf("iteration %d", p.Iteration)
			r.Buffer = append(r.Buffer, *picture)
		}
	}
	if fromNoise != nil {
		if r.Samples = r.readPicture(fromNoise.Path); r.Samples != nil {
			r.Samples.Caption = "Samples drawn from noise at the end of training, by the averaged weights"
		}
	} else {
		r.Missing = append(r.Missing, "There are no samples from noise: the run draws them when it reaches its limit.")
	}
}

// readPicture reads a PNG; if it is damaged, that is noted.
func (r *Report) readPicture(path string) *Picture {
	data, err := os.ReadFile(path)
	if err == nil {
		img, damage := png.Decode(bytes.NewReader(data))
		if damage == nil {
			return &Picture{PNG: data, Width: img.Bounds().Dx(), Height: img.Bounds().Dy()}
		}
		err = fmt.Errorf("%s is damaged: %w", filepath.Base(path), damage)
	}
	r.missing("a picture of samples", err)
	return nil
}
