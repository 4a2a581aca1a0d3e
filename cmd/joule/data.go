package main

// joule data: what a data set is understood to be, before it is used.

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/spf13/cobra"

	"github.com/joule-ebm/joule/dataset"
	"github.com/joule-ebm/joule/internal/picture"
)

func newDataCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "data",
		Short:   "Look at a data set before using it, and pack it",
		Example: "  joule data look photos/\n  joule data pack photos/ -o photos.npy --image 64,64,3",
		Args:    onlySubcommands,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newLookCommand(), newPackCommand())
	return cmd
}

type lookOptions struct {
	most, sheet, tile uint
	out               string
	json              bool
}

func newLookCommand() *cobra.Command {
	var o lookOptions
	cmd := &cobra.Command{
		Use:   "look DATA",
		Short: "Show what is read of a data set, what is left out and why, and some of its images",
		Long: `Show what a data set is understood to be: the files and splits that are taken, those left out and why,
sizes, colours and classes of its images, and what to beware of. With -o some images are drawn as a
training would see them, cropped to squares, as a contact sheet. Nothing is changed.

` + dataset.Usage,
		Example: `  joule data look photos/ -o sheet.png
  joule data look bottle/ --json        an MVTec AD category: its defects are left out
  joule data look keras.npz:test`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return look(cmd, args[0], o) },
	}
	f := cmd.Flags()
	f.UintVarP(&o.most, "number", "n", 10_000, "most images to look at; 0 looks at all")
	f.StringVarP(&o.out, "output", "o", "", "also draw a contact sheet, in this .png `file`")
	f.UintVar(&o.sheet, "images", 64, "of the contact sheet")
	f.UintVar(&o.tile, "tile", 64, "side of an image of the contact sheet")
	f.BoolVar(&o.json, "json", false, "print an object")
	return cmd
}

func look(cmd *cobra.Command, ref string, o lookOptions) error {
	const most = 1 << 12
	if o.sheet < 1 || o.sheet > most || o.tile < 1 || o.tile > 1024 {
		return usageErrorf("--images is %d and --tile %d: want 1 to %d, and 1 to 1024", o.sheet, o.tile, most)
	}
	if err := refuseIdle(cmd.Flags(), o.out == "", "is of the contact sheet: give --output as well", "images", "tile"); err != nil {
		return err
	}
	if err := checkPictures(map[string]string{"output": o.out}); err != nil {
		return err
	}
	src, err := dataset.Locate(cmd.Context(), ref)
	if err != nil {
		return err
	}
	defer src.Close()
	shown := &stages{out: cmd.ErrOrStderr()}
	v, err := src.Look(cmd.Context(), int(o.most), int(o.sheet), int(o.tile), dataset.WithProgress(func(done, total int) {
		shown.show("looking", "images", int64(done), int64(total))
	}))
	shown.clear()
	if err != nil {
		return err
	}
	if o.out != "" {
		if err := drawSheet(o.out, v, int(o.tile)); err != nil {
			return err
		}
	}
	if o.json {
		return writeJSON(cmd.OutOrStdout(), v)
	}
	return printText(cmd.OutOrStdout(), v.String())
}

// drawSheet draws the images in rows, in colour if one of them is.
func drawSheet(path string, v *dataset.Overview, tile int) error {
	if len(v.Sheet) == 0 {
		return errors.New("there is no image to draw")
	}
	channels := 1
	for _, img := range v.Sheet {
		channels = max(channels, img.Channels)
	}
	var pixels []uint8
	for _, img := range v.Sheet {
		for i := range tile * tile * channels {
			pixels = append(pixels, img.Pixels[i*img.Channels/channels])
		}
	}
	grid, err := picture.Grid(pixels, len(v.Sheet), tile, tile, channels, int(math.Ceil(math.Sqrt(float64(len(v.Sheet))))), 1)
	if err != nil {
		return err
	}
	return writePNG(path, grid)
}

type packOptions struct {
	out   string
	image []int
	json  bool
}

func newPackCommand() *cobra.Command {
	var o packOptions
	cmd := &cobra.Command{
		Use:   "pack DATA",
		Short: "Decode and scale the images of a data set once, into a file that is read as it is used",
		Long: `Decode the images of a data set, bring them to one size as a training would, and write them to a .npy
file, which NumPy reads too: bytes, N,H,W,C. Beside it are the labels, FILE-labels.npy, and the names
of classes and images, and their attributes, FILE.json. Given as a data set it is the same as DATA, to the last value; from
256 MiB up it is not read into memory but as it is used, so that it may be larger than memory.`,
		Example: `  joule data pack photos/ -o photos.npy --image 64,64,3
  joule train --preset photos32 --data imagenet32.npy    packed from its published files`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return pack(cmd, args[0], o) },
	}
	f := cmd.Flags()
	f.StringVarP(&o.out, "output", "o", "", "the new `.npy` file")
	f.IntSliceVar(&o.image, "image", nil, "`height,width,channels`, as network.image (default those of the images, if all have one size)")
	f.BoolVar(&o.json, "json", false, "print what was packed as an object")
	return cmd
}

func pack(cmd *cobra.Command, ref string, o packOptions) error {
	if o.out == "" || !hasExtension(o.out, ".npy") {
		return usageErrorf("--output is %q: want a name ending in .npy", o.out)
	}
	var want dataset.Size
	switch n := len(o.image); {
	case n == 0:
	case n == 3 && slices.Min(o.image) > 0:
		want = dataset.Size{Height: o.image[0], Width: o.image[1], Channels: o.image[2]}
	default:
		return usageErrorf("--image is %v: want height, width and 1 or 3 channels, such as 64,64,3", o.image)
	}
	src, err := dataset.Locate(cmd.Context(), ref)
	if err != nil {
		return err
	}
	defer src.Close()
	shown := &stages{out: cmd.ErrOrStderr()}
	defer shown.clear()
	p, err := src.Pack(cmd.Context(), o.out, want, dataset.WithWarnings(shown.warn), dataset.WithProgress(func(done, total int) {
		shown.show("packing", "images", int64(done), int64(total))
	}))
	if err != nil {
		return err
	}
	shown.clear()
	for _, u := range p.Skipped {
		shown.warn("left out " + u.Name + ": " + u.Why)
	}
	if o.json {
		return writeJSON(cmd.OutOrStdout(), p)
	}
	return printText(cmd.OutOrStdout(), fmt.Sprintf("%d images of %v in %s; now: joule train --data %s --set network.image=%d,%d,%d\n", p.Images, p.Size, o.out,
		shellWord(o.out), p.Size.Height, p.Size.Width, p.Size.Channels))
}
