package doctor

// This file writes a report for people.

import (
	"fmt"
	"strings"

	"github.com/joule-ebm/joule/internal/conform"
)

// String has a line for each thing found.
func (r Report) String() string {
	known := func(s string) string {
		if s == "" {
			return "unknown"
		}
		return s
	}
	memory := "unknown"
	if r.Memory > 0 {
		memory = fmt.Sprintf("%.1f GiB, %.1f GiB of it free", gibibytes(r.Memory), gibibytes(r.MemoryAvailable))
	}
	if r.Nodes > 1 {
		memory += fmt.Sprintf(", in %d nodes: start a process for each (docs/cluster.md)", r.Nodes)
	}
	unit := "none that Joule can use"
	if r.Unit != "" {
		unit = fmt.Sprintf("%s: %.0f GFLOP/s of bf16 products on one core, %.0f on %d", r.Unit, r.UnitPeakOneCore, r.UnitPeak, r.Threads)
	}
	check := fmt.Sprintf("ok: all %d quantities of the recorded case %s agree (%.1f s)", len(r.All()), r.Case, r.CheckSeconds)
	if !r.OK {
		check = fmt.Sprintf("FAIL: %d of %d quantities of the recorded case %s are wrong", conform.Failures(r.All()), len(r.All()), r.Case)
	}
	var text strings.Builder
	rows := [][2]string{
		{"joule", r.Version},
		{"processor", known(r.Processor)},
		{"features", known(strings.Join(r.Features, " "))},
		{"kernels", fmt.Sprintf("%s, the fastest of %s", r.Kernels, strings.Join(r.KernelsAll, ", "))},
		{"cores", fmt.Sprintf("%d, of which %d may be used", r.Cores, r.Threads)},
		{"memory", memory},
		{"FMA peak", fmt.Sprintf("%.0f GFLOP/s on one core, %.0f on %d", r.PeakOneCore, r.Peak, r.Threads)},
		{"matrix unit", unit},
		{"chains", fmt.Sprintf("convolve in %s unless told otherwise", r.Precision)},
	}
	if r.Device != "" {
		rows = append(rows, [2]string{"device", r.Device})
	}
	for i, line := range r.Inventory {
		rows = append(rows, [2]string{map[bool]string{true: "plugin"}[i == 0], line})
	}
	for _, row := range append(rows, [2]string{"self-check", check}) {
		fmt.Fprintf(&text, "%-12s%s\n", row[0], row[1])
	}
	for _, q := range r.All() {
		if !q.OK {
			fmt.Fprintf(&text, "%-12s%s is off by %.1e, at most %.0e is right\n", "", q.Quantity, q.Error, q.Tolerance)
		}
	}
	return text.String()
}

func gibibytes(n uint64) float64 { return float64(n) / (1 << 30) }
