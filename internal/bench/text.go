package bench

// This file writes reports for people.

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// String has a line for each part of an iteration.
func (r Report) String() string {
	var text strings.Builder
	on := fmt.Sprintf("%d threads, kernels %s", r.Threads, r.Kernels)
	if r.On != "" {
		on = r.On
	}
	fmt.Fprintf(&text, "%s, %d filters, batch %d, %d steps, %s, chains in %s\n", r.Preset, r.Filters, r.Batch, r.Steps, on, r.Precision)
	for _, row := range []struct {
		name    string
		seconds float64
	}{{"langevin_step", r.LangevinStep}, {"energy", r.Energy}, {"kl", r.KL}, {"cd", r.CD}, {"update", r.Update}, {"bind", r.Bind},
		{"first_step", r.FirstStep},
		{"loss", r.Loss}, {"iteration", r.Iteration}} {
		fmt.Fprintf(&text, "  %-14s %9.4g s\n", row.name, row.seconds)
	}
	fmt.Fprintf(&text, "  the chain runs at %.4g GFLOP/s", r.GFLOPS)
	if r.PeakGFLOPS > 0 {
		fmt.Fprintf(&text, ", %.0f%% of this machine's peak of %.4g", 100*r.PeakFraction, r.PeakGFLOPS)
	}
	fmt.Fprintln(&text)
	if r.Unit != "" {
		fmt.Fprintf(&text, "  the matrix unit %s does %.4g GFLOP/s of bf16 products; the chain comes to %.0f%% of it\n", r.Unit, r.UnitPeak,
			100*r.UnitFraction)
	}
	if r.PeakRSS > 0 {
		fmt.Fprintf(&text, "  %.0f MiB of memory at most\n", r.PeakRSS)
	}
	return text.String()
}

// Layers are where the time of a step goes.
type Layers []Layer

// String has a line for each kind of work.
func (all Layers) String() string {
	var text strings.Builder
	fmt.Fprintf(&text, "%-26s %6s %10s %9s %7s %10s\n", "work of a step", "time", "ms", "GFLOP/s", "GB/s", "FLOP/byte")
	for _, l := range all {
		fmt.Fprintf(&text, "%-26s %5.1f%% %10.3f %9.1f %7.1f %10.1f\n", l.Kind, 100*l.Share, 1e3*l.Seconds, l.GFLOPS, l.GBps, l.Intensity)
	}
	return text.String()
}

// String has the pieces, a line for each number of cores, and how far the model is from what was measured here.
func (s Scaling) String() string {
	var text strings.Builder
	p := s.Pieces
	fmt.Fprintf(&text, "%s, %d filters, batch %d, %d steps, %d lanes, kernels %s, chains in %s\n", s.Preset, s.Filters, s.Batch, s.Steps, s.Lanes, s.Kernels, s.Precision)
	fmt.Fprintf(&text, "on one core, in milliseconds: packing %.3g, prologue %.3g, epilogue %.3g, update %.3g, draw %.3g, host %.3g;\n", 1e3*(p.Chain.Packing+p.Loss.Packing),
		1e3*(p.Chain.Prologue+p.Loss.Prologue), 1e3*p.Epilogue, 1e3*p.Update, 1e3*p.Draw, 1e3*p.Host)
	fmt.Fprintf(&text, "a tile of the loss, %d images, %.3g; a step of the chain with a tile of", p.LossPlan.Images, 1e3*p.LossTile)
	for i, images := range slices.Sorted(maps.Keys(p.Step)) {
		separator := ","
		if i == 0 {
			separator = ""
		}
		fmt.Fprintf(&text, "%s %d: %.3g", separator, images, 1e3*p.Step[images])
	}
	fmt.Fprintf(&text, "\n\n%5s %12s %10s %6s %6s  %s\n", "cores", "iteration", "efficiency", "tile", "GB/s", "what loses most")
	for _, c := range s.Cores {
		limit := ""
		if c.Limit != "" {
			limit = fmt.Sprintf("%s, %.1f%%", c.Limit, 100*c.Lost)
		}
		fmt.Fprintf(&text, "%5d %10.4g s %9.1f%% %6d %6.0f  %s\n", c.Cores, c.Seconds, 100*c.Efficiency, c.Images, c.GBps, limit)
	}
	fmt.Fprintf(&text, "\nTile: images of a tile of the chain. GB/s: of packed kernels that all tiles read, if they stay in no cache.\n")
	for _, c := range s.Checked {
		fmt.Fprintf(&text, "Measured here: an iteration of %d steps on %d threads takes %.4g s, predicted %.4g s.\n", c.Steps, c.Threads, c.Measured, c.Predicted)
	}
	return text.String()
}
