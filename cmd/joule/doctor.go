package main

// joule doctor: what this machine offers, and whether Joule computes rightly on it.

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/joule-ebm/joule/internal/conform"
	"github.com/joule-ebm/joule/internal/doctor"
)

func newDoctorCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Show what this machine offers, and check that Joule works on it",
		Long: `Show the processor's features, the kernels chosen for them, cores, memory and the peak rate of fused
multiply-adds, and compare a recorded case of the authors' networks with what Joule computes here.
It takes a few seconds. The exit code is 1 if the comparison fails.`,
		Example: `  joule doctor
  joule doctor --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			report, err := doctor.Examine(cmd.Context(), version())
			if err != nil {
				return err
			}
			if asJSON {
				err = json.NewEncoder(cmd.OutOrStdout()).Encode(report)
			} else {
				_, err = io.WriteString(cmd.OutOrStdout(), doctorText(report))
			}
			if err == nil && !report.OK {
				err = errors.New("the self-check failed: do not trust what is computed on this machine, and please report it at " + reports)
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the findings as JSON")
	return cmd
}

func doctorText(r doctor.Report) string {
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
	unit := "none that Joule can use"
	if r.Unit != "" {
		unit = fmt.Sprintf("%s: %.0f GFLOP/s of bf16 products on one core, %.0f on %d", r.Unit, r.UnitPeakOneCore, r.UnitPeak, r.Threads)
	}
	check := fmt.Sprintf("ok: all %d quantities of the recorded case %s agree (%.1f s)", len(r.All()), r.Case, r.CheckSeconds)
	if !r.OK {
		check = fmt.Sprintf("FAIL: %d of %d quantities of the recorded case %s are wrong", conform.Failures(r.All()), len(r.All()), r.Case)
	}
	var text strings.Builder
	for _, row := range [][2]string{
		{"joule", r.Version},
		{"processor", known(r.Processor)},
		{"features", known(strings.Join(r.Features, " "))},
		{"kernels", fmt.Sprintf("%s, the fastest of %s", r.Kernels, strings.Join(r.KernelsAll, ", "))},
		{"cores", fmt.Sprintf("%d, of which %d may be used", r.Cores, r.Threads)},
		{"memory", memory},
		{"FMA peak", fmt.Sprintf("%.0f GFLOP/s on one core, %.0f on %d", r.PeakOneCore, r.Peak, r.Threads)},
		{"matrix unit", unit},
		{"chains", fmt.Sprintf("convolve in %s unless told otherwise", r.Precision)},
		{"self-check", check},
	} {
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
