package main

// joule bench: how fast this machine trains.

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/internal/bench"
)

func newBenchCommand() *cobra.Command {
	var (
		w       bench.Workload
		on      hardware
		layers  bool
		scaling bool
		asJSON  bool
	)
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure the speed of training on this machine",
		Long: `Measure the parts of a training iteration, with random weights and images, and print the median
time of each:

  langevin_step  one of the --steps of a chain: noise, energy, its gradient with respect to the image, clamp
  energy         the energies of a batch, without gradients
  kl             the gradient of the KL terms, through the last Langevin step
  cd             the gradient of the contrastive divergence and magnitude terms
  update         gradient clip and Adam
  bind           taking up new parameters, once a chain
  first_step     compiling the chain, taking up parameters, and a step
  loss           the gradient of all terms together, as training computes it
  iteration      a whole iteration of training, with its buffer and augmentation: on a CPU about
                 bind + steps x langevin_step + loss + update, on an accelerator one program

and the rate of the chain, beside the peak rate of fused multiply-adds on the same threads, and of the
matrix unit if there is one. --precision is that of the chain; all else is float32.

--scaling measures the pieces of an iteration on one core instead, and predicts from them what it would
take on 2 to 128 cores, and what would keep it from taking less.`,
		Example: `  joule bench
  joule bench --preset cifar10 --filters 64 --batch 16 --steps 40 --threads 2
  joule bench --preset celeba --filters 32 --batch 4 --json
  joule bench --preset cifar10 --filters 64 --batch 128 --device xla:cuda --precision tf32
  joule bench --preset cifar10 --filters 64 --batch 16 --layers
  joule bench --preset cifar10 --filters 64 --batch 128 --scaling --repeats 2`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := on.check(); err != nil {
				return err
			}
			if err := refuseIdle(cmd.Flags(), layers, "does nothing with --layers, which is of one thread", "threads"); err != nil {
				return err
			}
			w.Device, w.Devices = on.device, on.devices
			b, err := bench.New(w)
			if err != nil {
				return usageErrorf("%w", err)
			}
			if scaling {
				return benchScaling(cmd, w, asJSON)
			}
			if layers {
				return benchLayers(cmd, b, asJSON)
			}
			bar := newProgress(cmd.ErrOrStderr(), "measuring", "parts", bench.Parts)
			defer bar.Done()
			report, err := b.Measure(cmd.Context(), func(string) { bar.Add(1) })
			if err != nil {
				return err
			}
			bar.Done()
			if asJSON {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(report)
			}
			_, err = fmt.Fprint(cmd.OutOrStdout(), report)
			return err
		},
	}
	f := cmd.Flags()
	f.StringVar(&w.Preset, "preset", "mnist", "network: "+strings.Join(bench.Presets(), ", "))
	f.IntVar(&w.Filters, "filters", 16, "width of the network")
	f.IntVar(&w.Batch, "batch", 64, "images at a time")
	f.IntVar(&w.Steps, "steps", 40, "steps of a chain")
	f.IntVar(&w.Threads, "threads", 0, "threads to use (default one a core)")
	on.addFlags(f)
	f.IntVar(&w.Repeats, "repeats", 5, "measurements of each part, of which the median counts")
	f.StringVar(&w.Kernels, "kernels", "", kernelsUsage)
	f.StringVar((*string)(&w.Precision), "precision", string(engine.Float32), precisionUsage+"; the chain's alone")
	f.BoolVar(&layers, "layers", false, "tell instead where the time of a step goes, on one thread")
	f.IntVar(&w.Lanes, "lanes", 0, "partial sums of a gradient (default 4, or 128 with --scaling)")
	f.BoolVar(&scaling, "scaling", false, "predict instead how an iteration would take less time on more cores")
	f.BoolVar(&asJSON, "json", false, "print the report as JSON")
	cmd.MarkFlagsMutuallyExclusive("layers", "scaling")
	return cmd
}

func benchScaling(cmd *cobra.Command, w bench.Workload, asJSON bool) error {
	w.Lanes = cmp.Or(w.Lanes, 128)
	b, err := bench.New(w)
	if err != nil {
		return usageErrorf("%w", err)
	}
	bar := newProgress(cmd.ErrOrStderr(), "measuring", "parts", bench.ScalingParts)
	defer bar.Done()
	scaling, err := b.Scale(cmd.Context(), func(string) { bar.Add(1) })
	if err != nil {
		return err
	}
	bar.Done()
	if asJSON {
		return json.NewEncoder(cmd.OutOrStdout()).Encode(scaling)
	}
	_, err = fmt.Fprint(cmd.OutOrStdout(), scaling)
	return err
}

func benchLayers(cmd *cobra.Command, b *bench.Bench, asJSON bool) error {
	layers, err := b.Layers(cmd.Context())
	if err != nil {
		return err
	}
	if asJSON {
		return json.NewEncoder(cmd.OutOrStdout()).Encode(layers)
	}
	_, err = fmt.Fprint(cmd.OutOrStdout(), layers)
	return err
}
