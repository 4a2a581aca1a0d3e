package main

// joule conform: recorded cases, computed here.

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/engine/cpu"
	"github.com/joule-ebm/joule/engine/device"
	"github.com/joule-ebm/joule/internal/conform"
	"github.com/joule-ebm/joule/internal/kernels"
)

func newConformCommand() *cobra.Command {
	var (
		set       string
		precision string
		threads   uint
		asJSON    bool
		on        hardware
	)
	cmd := &cobra.Command{
		Use:   "conform FILE...",
		Short: "Compare with recorded numbers of the authors' networks",
		Long: `Compare with recorded numbers: each FILE holds a case of one of the authors' networks, computed in
float64, in the format of testdata/golden/README.md. Joule computes the same in float32 and prints
a line per quantity: its relative error, the most it may be, and ok or FAIL. The exit code is 1 if
any quantity fails. --precision shows the errors of arithmetic for matrix units; each has its own
limits. Where there is no such unit the same is computed without, more slowly.

The relative error is the norm of the difference over the norm of what was recorded, over all
numbers of a quantity together. Gradients start from the recorded end of the chain.`,
		Example: `  joule conform testdata/golden/*.safetensors
  joule conform --kernels portable mnist.safetensors    the kernels in plain Go
  joule conform --precision split mnist.safetensors     for a matrix unit
  joule conform --device xla:cuda mnist.safetensors     on a GPU
  joule conform --json mnist.safetensors                for a program to read`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, files []string) error {
			p, err := parsePrecision(precision)
			if err != nil {
				return err
			}
			p = device.Resolve(on.device, p)
			e, err := on.openEngine(int(threads), p)
			if err != nil {
				return err
			}
			if c, ok := e.(*cpu.Engine); ok {
				if c.Kernels, err = kernelsNamed(set); err != nil {
					return err
				}
			} else if set != "" {
				return usageErrorf("--kernels are those of the CPU engine, and --device is %s", on.device)
			}
			return compareAll(cmd, files, e, p, asJSON)
		},
	}
	f := cmd.Flags()
	f.StringVar(&set, "kernels", "", kernelsUsage)
	f.StringVar(&precision, "precision", string(engine.Float32), precisionUsage)
	f.UintVar(&threads, "threads", 0, "threads to use (default one a core)")
	on.addFlags(f)
	f.BoolVar(&asJSON, "json", false, "print the results as JSON")
	return cmd
}

const kernelsUsage = "inner `loops` to use: avx512, avx2 or portable (default the fastest this machine can run)"

// kernelsNamed are the kernels of that name, or the best.
func kernelsNamed(set string) (*kernels.Set, error) {
	if set == "" {
		return kernels.Best(), nil
	}
	k, err := kernels.ByName(set)
	if err != nil {
		return nil, usageErrorf("--kernels: %w", err)
	}
	return k, nil
}

const mostThreads = 1024

const precisionUsage = "of convolutions: float32, split, bf16, tf32 (on accelerators) or auto, the best `one`"

func parsePrecision(s string) (engine.Precision, error) {
	p := engine.Precision(s)
	if err := p.Check(); err != nil {
		return p, usageErrorf("--%w", err)
	}
	return p, nil
}

func compareAll(cmd *cobra.Command, files []string, e engine.Engine, p engine.Precision, asJSON bool) error {
	var reports []conform.Report
	failed := 0
	for _, file := range files {
		r, err := conform.CheckFile(cmd.Context(), file, e, p)
		if err != nil {
			return err
		}
		if failed += conform.Failures(r.Results); !asJSON {
			fmt.Fprint(cmd.OutOrStdout(), r)
		}
		reports = append(reports, r)
	}
	if asJSON {
		if err := json.NewEncoder(cmd.OutOrStdout()).Encode(reports); err != nil {
			return err
		}
	}
	if failed > 0 {
		return fmt.Errorf("quantities off by more than the precision explains: %d", failed)
	}
	return nil
}
