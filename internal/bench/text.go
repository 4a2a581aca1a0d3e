package bench

// This file writes reports for people.

import (
	"fmt"
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
