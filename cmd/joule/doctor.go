package main

// joule doctor: what this machine offers, and whether Joule computes rightly on it.

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/engine/cpu"
	"github.com/joule-ebm/joule/internal/conform"
	"github.com/joule-ebm/joule/internal/kernels"
	"github.com/joule-ebm/joule/internal/kernels/matrix"
	"github.com/joule-ebm/joule/internal/machine"
	"github.com/joule-ebm/joule/internal/safetensors"
	"github.com/joule-ebm/joule/testdata/golden"
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
			report, err := examine(cmd.Context())
			if err != nil {
				return err
			}
			if asJSON {
				err = json.NewEncoder(cmd.OutOrStdout()).Encode(report)
			} else {
				_, err = io.WriteString(cmd.OutOrStdout(), report.text())
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

// doctorReport is what was found; sizes are in bytes, rates in GFLOP/s. What the system does not tell is absent.
type doctorReport struct {
	Version         string           `json:"version"`
	Processor       string           `json:"processor,omitempty"`
	Features        []string         `json:"features"`
	Kernels         string           `json:"kernels"`
	KernelsAll      []string         `json:"kernels_all"` // that run here
	Cores           int              `json:"cores"`       // of the machine
	Threads         int              `json:"threads"`     // that may run at a time
	Memory          uint64           `json:"memory,omitempty"`
	MemoryAvailable uint64           `json:"memory_available,omitempty"`
	PeakOneCore     float64          `json:"peak_gflops_one_thread"`
	Peak            float64          `json:"peak_gflops"`
	Unit            string           `json:"unit,omitempty"` // the matrix unit
	UnitPeakOneCore float64          `json:"unit_peak_gflops_one_thread,omitempty"`
	UnitPeak        float64          `json:"unit_peak_gflops,omitempty"`
	Precision       engine.Precision `json:"precision"` // of chains, unless asked for another
	Case            string           `json:"case"`
	Results         []conform.Result `json:"results"`
	UnitResults     []conform.Result `json:"unit_results,omitempty"` // with factors split for the unit
	CheckSeconds    float64          `json:"check_seconds"`
	OK              bool             `json:"ok"`
}

func examine(ctx context.Context) (doctorReport, error) {
	r := doctorReport{Version: version(), Processor: machine.Processor(), Features: machine.Features(), Kernels: kernels.Best().Name,
		Cores: runtime.NumCPU(), Threads: runtime.GOMAXPROCS(0), Case: golden.Name}
	for _, set := range kernels.All() {
		r.KernelsAll = append(r.KernelsAll, set.Name)
	}
	r.Memory, r.MemoryAvailable = machine.Memory()
	for range 4 { // other work on the machine is no part of what it can do
		r.PeakOneCore = max(r.PeakOneCore, kernels.PeakFMA(1, time.Second/4))
		r.Peak = max(r.Peak, kernels.PeakFMA(r.Threads, time.Second/4))
	}

	unit := matrix.Native()
	if unit != nil {
		r.Unit = unit.Name
		for range 4 {
			r.UnitPeakOneCore = max(r.UnitPeakOneCore, unit.Peak(1, time.Second/4))
			r.UnitPeak = max(r.UnitPeak, unit.Peak(r.Threads, time.Second/4))
		}
	}
	r.Precision = cpu.Resolve(engine.Auto)

	begun := time.Now()
	recorded := golden.Reader()
	file, err := safetensors.Read(recorded, recorded.Size())
	if err != nil {
		return r, fmt.Errorf("the case built into this program: %w", err)
	}
	c, err := conform.New(file)
	if err != nil {
		return r, fmt.Errorf("the case built into this program: %w", err)
	}
	if r.Results, err = c.Check(ctx, &cpu.Engine{}, engine.Float32); err != nil {
		return r, err
	}
	if unit != nil {
		if r.UnitResults, err = c.Check(ctx, &cpu.Engine{Precision: engine.Split}, engine.Split); err != nil {
			return r, err
		}
	}
	r.CheckSeconds, r.OK = time.Since(begun).Seconds(), conform.Failures(r.all()) == 0
	return r, nil
}

func (r doctorReport) text() string {
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
	check := fmt.Sprintf("ok: all %d quantities of the recorded case %s agree (%.1f s)", len(r.all()), r.Case, r.CheckSeconds)
	if !r.OK {
		check = fmt.Sprintf("FAIL: %d of %d quantities of the recorded case %s are wrong", conform.Failures(r.all()), len(r.all()), r.Case)
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
	for _, q := range r.all() {
		if !q.OK {
			fmt.Fprintf(&text, "%-12s%s is off by %.1e, at most %.0e is right\n", "", q.Quantity, q.Error, q.Tolerance)
		}
	}
	return text.String()
}

// all are the results of float32 and of the matrix unit.
func (r doctorReport) all() []conform.Result { return slices.Concat(r.Results, r.UnitResults) }

func gibibytes(n uint64) float64 { return float64(n) / (1 << 30) }
