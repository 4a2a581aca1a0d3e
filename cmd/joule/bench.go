package main

// joule bench: how fast this machine trains.

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/internal/bench"
)

func newBenchCommand() *cobra.Command {
	var (
		w      bench.Workload
		layers bool
		asJSON bool
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
  iteration      bind + steps x langevin_step + loss + update

and the rate of the chain, beside the peak rate of fused multiply-adds on the same threads, and of the
matrix unit if there is one. --precision is that of the chain; all else is float32.`,
		Example: `  joule bench
  joule bench --preset cifar10 --filters 64 --batch 16 --steps 40 --threads 2
  joule bench --preset celeba --filters 32 --batch 4 --json
  joule bench --preset cifar10 --filters 64 --batch 16 --layers`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			b, err := bench.New(w)
			if err != nil {
				return usageErrorf("%w", err)
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
			_, err = io.WriteString(cmd.OutOrStdout(), benchText(report))
			return err
		},
	}
	f := cmd.Flags()
	f.StringVar(&w.Preset, "preset", "mnist", "network: "+strings.Join(bench.Presets(), ", "))
	f.IntVar(&w.Filters, "filters", 16, "width of the network")
	f.IntVar(&w.Batch, "batch", 64, "images at a time")
	f.IntVar(&w.Steps, "steps", 40, "steps of a chain")
	f.IntVar(&w.Threads, "threads", 0, "threads to use (default one a core)")
	f.IntVar(&w.Repeats, "repeats", 5, "measurements of each part, of which the median counts")
	f.StringVar(&w.Kernels, "kernels", "", kernelsUsage)
	f.StringVar((*string)(&w.Precision), "precision", string(engine.Float32), precisionUsage+"; the chain's alone")
	f.BoolVar(&layers, "layers", false, "tell instead where the time of a step goes, on one thread")
	f.BoolVar(&asJSON, "json", false, "print the report as JSON")
	return cmd
}

func benchLayers(cmd *cobra.Command, b *bench.Bench, asJSON bool) error {
	layers, err := b.Layers(cmd.Context())
	if err != nil {
		return err
	}
	if asJSON {
		return json.NewEncoder(cmd.OutOrStdout()).Encode(layers)
	}
	var text strings.Builder
	fmt.Fprintf(&text, "%-26s %6s %10s %9s %7s %10s\n", "work of a step", "time", "ms", "GFLOP/s", "GB/s", "FLOP/byte")
	for _, l := range layers {
		fmt.Fprintf(&text, "%-26s %5.1f%% %10.3f %9.1f %7.1f %10.1f\n", l.Kind, 100*l.Share, 1e3*l.Seconds, l.GFLOPS, l.GBps, l.Intensity)
	}
	_, err = io.WriteString(cmd.OutOrStdout(), text.String())
	return err
}

func benchText(r bench.Report) string {
	var text strings.Builder
	fmt.Fprintf(&text, "%s, %d filters, batch %d, %d steps, %d threads, kernels %s, chains in %s\n", r.Preset, r.Filters, r.Batch, r.Steps, r.Threads, r.Kernels,
		r.Precision)
	for _, row := range []struct {
		name    string
		seconds float64
	}{{"langevin_step", r.LangevinStep}, {"energy", r.Energy}, {"kl", r.KL}, {"cd", r.CD}, {"update", r.Update}, {"bind", r.Bind},
		{"first_step", r.FirstStep},
		{"loss", r.Loss}, {"iteration", r.Iteration}} {
		fmt.Fprintf(&text, "  %-14s %9.4g s\n", row.name, row.seconds)
	}
	fmt.Fprintf(&text, "  the chain runs at %.4g GFLOP/s, %.0f%% of this machine's peak of %.4g\n", r.GFLOPS, 100*r.PeakFraction, r.PeakGFLOPS)
	if r.Unit != "" {
		fmt.Fprintf(&text, "  the matrix unit %s does %.4g GFLOP/s of bf16 products; the chain comes to %.0f%% of it\n", r.Unit, r.UnitPeak,
			100*r.UnitFraction)
	}
	if r.PeakRSS > 0 {
		fmt.Fprintf(&text, "  %.0f MiB of memory at most\n", r.PeakRSS)
	}
	return text.String()
}
