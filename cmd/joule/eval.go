package main

// joule eval: how good a trained model is. Each of its subcommands has a file.

import "github.com/spf13/cobra"

func newEvalCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "eval",
		Short:   "Measure how good a trained model is",
		Example: "  joule eval ood RUN --out-of fashion-mnist",
		Args:    onlySubcommands,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newOODCommand(), newQualityCommand(), newFetchInceptionCommand(), newLikelihoodCommand(), newChainsCommand(), newAttributesCommand(), newInspectCommand())
	return cmd
}
