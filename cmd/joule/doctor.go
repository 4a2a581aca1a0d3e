package main

// joule doctor: what this machine offers, and whether Joule computes rightly on it.

import (
	"encoding/json"
	"errors"

	"github.com/spf13/cobra"

	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/internal/doctor"
)

func newDoctorCommand() *cobra.Command {
	var (
		asJSON bool
		on     hardware
	)
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Show what this machine offers, and check that Joule works on it",
		Long: `Show the processor's features, the kernels chosen for them, cores, memory and the peak rate of fused
multiply-adds, and compare a recorded case of the authors' networks with what Joule computes here.
It takes a few seconds. The exit code is 1 if the comparison fails.`,
		Example: `  joule doctor
  joule doctor --device xla:cuda       an accelerator too: its devices, their memory, what it computes
  joule doctor --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			e, err := on.openEngine(0, engine.Float32)
			if err != nil {
				return err
			}
			report, err := doctor.Examine(cmd.Context(), version(), e)
			if err != nil {
				return err
			}
			if asJSON {
				err = json.NewEncoder(cmd.OutOrStdout()).Encode(report)
			} else {
				err = printText(cmd.OutOrStdout(), report.String())
			}
			if err == nil && !report.OK {
				err = errors.New("the self-check failed: do not trust what is computed on this machine, and please report it at " + reports)
			}
			return err
		},
	}
	on.addFlags(cmd.Flags())
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the findings as JSON")
	return cmd
}
