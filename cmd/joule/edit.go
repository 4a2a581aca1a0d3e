package main

// joule edit: pictures changed by what a model finds likely.

import (
	"fmt"
	"image"
	"math/bits"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/joule-ebm/joule/dataset"
	"github.com/joule-ebm/joule/detect/benchmark"
	"github.com/joule-ebm/joule/engine/cpu"
	"github.com/joule-ebm/joule/eval/restoration"
	"github.com/joule-ebm/joule/internal/picture"
	"github.com/joule-ebm/joule/internal/terminal"
	"github.com/joule-ebm/joule/model"
)

type editOptions struct {
	model.Edit
	mask, from, to, label string
	maskSize              dataset.Size // as it is in its file; zero if it is of the size that the model needs
	upscale               int
	number                int
	output                string
	measure               int
	threads               int
	json                  bool
}

func newEditCommand() *cobra.Command {
	o := editOptions{Edit: model.Edit{Temperature: model.UsualTemperature, Away: model.UsualAway, Seed: 1}}
	cmd := &cobra.Command{
		Use:   "edit RUN PICTURE...",
		Short: "Fill in, enlarge, clean or change pictures",
		Long: `Draw images that a trained model finds likely and that agree with a picture: the energy
‖Ax - y‖²/2s² of what is seen, y, is added to the model's E(x), and chains of the model's sampler descend
the sum from the picture. RUN is a run directory or a model file, PICTURE a file, folder or archive of
pictures, which are brought to the size that the model needs, with a warning.

  --mask FILE      fill in what is white in this picture, of the same size; all else stays
  --upscale 2      (or 4, 8) make images of the model's size of pictures half as large
  --denoise 0.2    take out noise of this standard deviation, where black is 0 and white 1
  --to LABEL       of a conditional model: an image of this class that is near the picture; --from is the
                   class to go away from

Several of them work together. The output shows each picture beside its edits, or, as a folder, has a
file an edit. Chains find some of many images that agree with a picture, and a small model does not
know much: look at several (-n). --measure degrades clean images in the same way and says how near
the edits come to them.`,
		Example: `  joule edit RUN digit.png --mask hole.png -o filled.png
  joule edit RUN small.png --upscale 2 -n 8
  joule edit RUN noisy/ --denoise 0.2 -o clean/
  joule edit RUN seven.png --from 7 --to 1
  joule edit RUN --denoise 0.2 --measure 100     PSNR on images that the model was not trained on`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return edit(cmd, args[0], args[1:], o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.mask, "mask", "", "a picture, white where images are to be filled in, in this `file`")
	f.IntVar(&o.upscale, "upscale", 1, "`factor` by which pictures are too small: 2, 4 or 8")
	f.Float64Var(&o.Noise, "denoise", 0, "standard deviation of the noise in pictures, up to 1")
	f.StringVar(&o.to, "to", "", "`label` that images are to have, of a conditional model")
	f.StringVar(&o.from, "from", "", "`label` that images are not to have")
	f.Float64Var(&o.Away, "away", o.Away, "weight of the energy of --from, which is taken off")
	f.StringVar(&o.label, "label", "", "`label` of the pictures, of a conditional model, where it is not to change")
	f.Float64Var(&o.Temperature, "temperature", o.Temperature, "T of exp(-E/T), for --denoise: a higher one trusts the picture more")
	f.IntVarP(&o.number, "number", "n", 4, "edits of each picture")
	f.IntVar(&o.Steps, "steps", 0, "steps of a chain (default those of an image from noise)")
	f.StringVarP(&o.output, "output", "o", "edited.png", "a .png for all in one, or a `path` ending in / for single ones")
	f.IntVar(&o.measure, "measure", 0, "in place of pictures, degrade so many clean images, of the class --label if given, and compare")
	f.Uint64Var(&o.Seed, "seed", o.Seed, "of all random numbers")
	f.IntVar(&o.threads, "threads", 0, "threads to use (default one a core)")
	f.BoolVar(&o.json, "json", false, "print what was done as JSON")
	return cmd
}

// editReport is what --json prints of edited pictures.
type editReport struct {
	Pictures int    `json:"pictures"`
	Each     int    `json:"edits_of_each"`
	Output   string `json:"output"`
}

func edit(cmd *cobra.Command, path string, sources []string, o editOptions) error {
	given := cmd.Flags()
	if err := refuseEmpty(given, "label", "to", "from", "mask"); err != nil {
		return err
	}
	folder := strings.HasSuffix(o.output, "/") || strings.HasSuffix(o.output, string(os.PathSeparator)) || isDir(o.output)
	switch {
	case o.mask == "" && o.upscale == 1 && o.Noise == 0 && o.to == "":
		return usageErrorf("what is to be done? Give --mask, --upscale, --denoise or --to")
	case o.upscale < 1 || o.upscale > 8 || o.upscale&(o.upscale-1) != 0:
		return usageErrorf("--upscale is %d: want 2, 4 or 8", o.upscale)
	case !(o.Noise >= 0 && o.Noise <= 1):
		return usageErrorf("--denoise is %v: want 0 to 1", o.Noise)
	case !(o.Temperature > 0 && o.Temperature <= 1e6):
		return usageErrorf("--temperature is %v: want more than 0", o.Temperature)
	case !folder && !hasExtension(o.output, ".png"):
		return usageErrorf("--output is %q: want a name ending in .png, or in / for a folder", o.output)
	case (o.measure == 0) == (len(sources) == 0):
		return usageErrorf("give pictures to edit, or --measure with a number of images to degrade")
	case o.measure > 0 && folder:
		return usageErrorf("--output %s is a folder, and --measure draws one picture: give it a name ending in .png", o.output)
	}
	for _, err := range []error{
		refuseIdle(given, o.from == "", "is the weight of the energy of --from, which is not given", "away"),
		refuseIdle(given, o.Noise == 0, "is for --denoise, which is not given", "temperature"),
		checkApart(o.output, o.mask),
	} {
		if err != nil {
			return err
		}
	}
	if err := checkBounds(bounds{"number", o.number, 1, 1000}, bounds{"steps", o.Steps, 0, million}, bounds{"measure", o.measure, 0, million},
		bounds{"threads", o.threads, 0, mostThreads}); err != nil {
		return err
	}
	m, err := openModel(path, sources...)
	if err != nil {
		return err
	}
	if err := o.understand(m); err != nil {
		return err
	}
	if err := checkOutput(o.output, folder); err != nil {
		return err
	}
	shown := &stages{out: cmd.ErrOrStderr()}
	defer shown.clear()
	o.Progress = func(done, total int64) { shown.show("editing", "steps", done, total) }
	size := m.Config.ImageSize()
	if o.measure > 0 {
		return o.compare(cmd, m, size, shown)
	}
	small := o.PictureSize(size)
	var pictures []uint8
	var changed changes
	for _, source := range sources {
		for img, err := range dataset.Images(cmd.Context(), source, small, dataset.WithWarnings(shown.warn)) {
			if err != nil {
				return err
			}
			if err := checkApart(o.output, img.Name); err != nil {
				return err
			}
			own := dataset.Size{Height: img.Stored.Height, Width: img.Stored.Width}
			if o.maskSize != (dataset.Size{}) && o.maskSize != own {
				return fmt.Errorf("--mask %s is %dx%d, and %s %dx%d: want a mask of the picture's size, or of %dx%d, which is the model's", o.mask,
					o.maskSize.Height, o.maskSize.Width, terminal.OneLine(img.Name), own.Height, own.Width, small.Height, small.Width)
			}
			changed.see(img)
			pictures = append(pictures, img.Pixels...)
		}
	}
	if line := changed.line(len(pictures)/small.Len(), small); line != "" {
		shown.warn(line)
	}
	edited, err := m.Edit(cmd.Context(), &cpu.Engine{Threads: o.threads}, pictures, o.number, o.Edit)
	if err != nil {
		return err
	}
	shown.clear()
	report := editReport{len(pictures) / small.Len(), o.number, o.output}
	if folder {
		err = picture.WriteFolder(o.output, edited, size.Height, size.Width, size.Channels, 0, report.Pictures*o.number)
	} else {
		err = o.write(o.output, pictures, edited, small, size, report.Pictures)
	}
	if err != nil {
		return err
	}
	if o.json {
		return writeJSON(cmd.OutOrStdout(), report)
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s of %s: %s\n", counted(report.Pictures*o.number, "edit"),
		counted(report.Pictures, "picture"), o.output)
	return err
}

// understand reads the labels and the mask.
func (o *editOptions) understand(m *model.Model) (err error) {
	o.Halvings = bits.TrailingZeros(uint(o.upscale))
	if err := o.Relabel(m, o.label, o.to, o.from); err != nil {
		return usageErrorf("%w", err)
	}
	if o.mask == "" {
		return nil
	}
	f, err := os.Open(o.mask)
	if err != nil {
		return fmt.Errorf("--mask: %w", err)
	}
	defer f.Close()
	size := o.PictureSize(m.Config.ImageSize())
	size.Channels = 1
	img, err := dataset.ReadImage(f, size)
	if err != nil {
		return fmt.Errorf("--mask %s: %w", o.mask, err)
	}
	if img.Resized {
		o.maskSize = dataset.Size{Height: img.Stored.Height, Width: img.Stored.Width}
		if o.measure > 0 {
			return fmt.Errorf("--mask %s is %dx%d: want %dx%d, the size of the images", o.mask, o.maskSize.Height, o.maskSize.Width, size.Height, size.Width)
		}
	}
	if o.Missing, err = model.Missing(img.Pixels); err != nil {
		return fmt.Errorf("--mask %s: %w", o.mask, err)
	}
	return nil
}

// counted is a number of things.
func counted(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// write shows each picture beside its edits.
func (o *editOptions) write(path string, pictures, edited []uint8, small, size dataset.Size, n int) error {
	var all []uint8
	each := len(edited) / size.Len() / n
	for i := range n {
		all = append(all, picture.Enlarge(pictures[i*small.Len():][:small.Len()], small.Height, small.Width, small.Channels, size.Height, size.Width)...)
		all = append(all, edited[i*each*size.Len():][:each*size.Len()]...)
	}
	img, err := picture.Sheet(all, size.Height, size.Width, size.Channels, 1+each, gridWidth)
	if err != nil {
		return err
	}
	return writePNG(path, img)
}

// compare degrades images that the model was not trained on and measures how near the edits come.
func (o *editOptions) compare(cmd *cobra.Command, m *model.Model, size dataset.Size, shown *stages) error {
	plan := benchmark.Plan{Images: o.measure, Seed: o.Seed, Progress: shown.show, Warn: shown.warn}
	if o.label != "" {
		plan.Images = 0 // so many of the class, below
	}
	images, err := plan.OpenIn(cmd.Context(), &m.Config)
	if err != nil {
		return err
	}
	if o.label != "" && len(m.Classes) > 0 {
		label, err := m.Label(o.label)
		if err != nil {
			return usageErrorf("--label: %w", err)
		}
		name := fmt.Sprintf("%s of class %s", images.Name, m.Classes[label])
		if images = images.OfClass(images.Class(m.Classes[label])); images.Len() == 0 {
			return fmt.Errorf("%s: there are none, so nothing can be measured", name)
		}
		images = images.AtMost(o.measure, o.Seed)
		images.Name = name
	}
	r, err := restoration.Measure(cmd.Context(), &cpu.Engine{Threads: o.threads}, m, images, o.number, o.Edit)
	if err != nil {
		return err
	}
	shown.clear()
	var all []uint8
	for i := range len(r.Shown) / size.Len() {
		for _, of := range [][]uint8{r.Shown, r.ShownDegraded, r.ShownEdited} {
			all = append(all, of[i*size.Len():][:size.Len()]...)
		}
	}
	var sheet image.Image
	if sheet, err = picture.Sheet(all, size.Height, size.Width, size.Channels, 12, gridWidth); err != nil {
		return err
	}
	if err := writePNG(o.output, sheet); err != nil {
		return err
	}
	if o.json {
		return writeJSON(cmd.OutOrStdout(), r)
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "PSNR of %d images of %s: degraded %.2f dB, an edit %.2f dB, the mean of %d edits %.2f dB; as they were, degraded and edited: %s\n",
		r.Images, terminal.Printable(images.Name), r.Degraded, r.Edited, r.Each, r.Mean, o.output)
	return err
}
