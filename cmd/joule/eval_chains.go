package main

// joule eval chains: whether the chains of a model move, agree, copy and miss anything.

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/eval/chains"
	"github.com/joule-ebm/joule/model"
)

type chainsOptions struct {
	hardware
	chains.Options
	picture, curves string
	json            bool
}

func newChainsCommand() *cobra.Command {
	o := chainsOptions{Options: chains.Defaults()}
	cmd := &cobra.Command{
		Use:   "chains RUN",
		Short: "Do a model's chains mix, copy the training images, miss classes?",
		Long: `Look at what the chains of a trained model do: RUN is a run directory or a model.safetensors file.
Samples are generated as joule sample does. Then as many chains, half from samples and half from
images that the run has held out, go on with the sampler of the training and are recorded.

  effective   how many independent draws the chains' draws are worth (Geyer's initial sequence)
  R-hat       1 where chains agree; far above 1 where each stays where it started
  copying     are samples nearer to training images than images held out are?
  memory      have training images lower energies than images held out?
  classes     which classes the samples show, by the classifier of digits (models of MNIST only)

Short-run chains with little noise, as in this method, go downhill and stay: expect few effective
draws and a large R-hat of them. What they say is how far a sampler is from one that is exact.`,
		Example: `  joule eval chains RUN
  joule eval chains RUN -n 128 --picture neighbours.png --curves chains.png
  joule eval chains RUN --draws 1000 --every 20 --json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return examineChains(cmd, args[0], o) },
	}
	f := cmd.Flags()
	f.IntVarP(&o.Samples, "number", "n", o.Samples, "samples, and chains to record")
	f.IntVar(&o.Steps, "steps", 0, "steps of the chains of samples (default all rounds of joule sample)")
	f.IntVar(&o.Draws, "draws", o.Draws, "states of each chain to record")
	f.IntVar(&o.Every, "every", 0, "steps between them (default half of the K of training; K with a noise schedule)")
	f.IntVar(&o.Images, "images", o.Images, "most images of training and held out whose energies are compared")
	f.IntVar(&o.Neighbours, "neighbours", o.Neighbours, "nearest training images to find of each sample")
	f.StringVar(&o.picture, "picture", "", "also show samples beside their nearest training images, in this .png `file`")
	f.StringVar(&o.curves, "curves", "", "also draw autocorrelations by steps, in this .png `file`")
	f.Uint64Var(&o.Seed, "seed", o.Seed, "of all random numbers")
	f.IntVar(&o.Threads, "threads", 0, "threads to use (default one a core)")
	o.addFlags(f)
	f.BoolVar(&o.json, "json", false, "print an object")
	return cmd
}

func examineChains(cmd *cobra.Command, path string, o chainsOptions) error {
	if err := checkBounds(bounds{"number", o.Samples, 2, million}, bounds{"draws", o.Draws, 8, million}, bounds{"every", o.Every, 0, million},
		bounds{"steps", o.Steps, 0, million}, bounds{"images", o.Images, 2, million}, bounds{"neighbours", o.Neighbours, 1, 100},
		bounds{"threads", o.Threads, 0, mostThreads}); err != nil {
		return err
	}
	if err := checkPictures(map[string]string{"picture": o.picture, "curves": o.curves}); err != nil {
		return err
	}
	m, err := model.Open(path)
	if err != nil {
		return err
	}
	training, heldOut, err := m.Config.OpenData(cmd.Context())
	if err != nil {
		return fmt.Errorf("the data that the model was trained on: %w", err)
	}
	if training.Len() < o.Neighbours {
		return usageErrorf("--neighbours is %d: there are %d images of training", o.Neighbours, training.Len())
	}
	shown := &stages{out: cmd.ErrOrStderr()}
	defer shown.clear()
	o.Progress = shown.show
	e, err := o.openEngine(o.Threads, engine.Float32)
	if err != nil {
		return err
	}
	r, err := chains.Examine(cmd.Context(), e, m, training, heldOut, o.Options)
	if err != nil {
		return err
	}
	if o.picture != "" {
		img, err := r.Picture()
		if err != nil {
			return err
		}
		if err := writePNG(o.picture, img); err != nil {
			return err
		}
	}
	if err := writeOutput(o.curves, r.Curves); err != nil {
		return err
	}
	shown.clear()
	if o.json {
		return writeJSON(cmd.OutOrStdout(), r)
	}
	return printText(cmd.OutOrStdout(), r.String())
}
