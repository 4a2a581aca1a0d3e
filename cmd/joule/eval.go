package main

// joule eval: how good a trained model is. Each of its subcommands has a file.

import "github.com/spf13/cobra"

// evalCommands make the subcommands, in the order of the help.
var evalCommands = []func() *cobra.Command{
	newOODCommand,
	newQualityCommand,
	newFetchInceptionCommand,
	newLikelihoodCommand,
	newChainsCommand,
}

func newEvalCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "eval",
		Short:   "Measure how good a trained model is",
		Example: "  joule eval ood RUN --out-of fashion-mnist",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	for _, command := range evalCommands {
		cmd.AddCommand(command())
	}
	return cmd
}
