package main

// joule man: the help of all commands as manual pages.

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

func newManCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "man FOLDER",
		Short: "Write manual pages, for packagers",
		Long: `Write a manual page for each command into a folder, which is made unless it is there: joule.1,
joule-train.1 and so on. For completion in a shell see joule completion --help.`,
		Example: "  joule man share/man/man1\n  man -l share/man/man1/joule-serve.1",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o777); err != nil {
				return err
			}
			header := &doc.GenManHeader{Title: "JOULE", Section: "1", Source: "Joule", Manual: "Joule"}
			root := cmd.Root()
			root.DisableAutoGenTag = true
			if err := doc.GenManTree(root, header, args[0]); err != nil {
				return fmt.Errorf("writing manual pages: %w", err)
			}
			return nil
		},
	}
}
