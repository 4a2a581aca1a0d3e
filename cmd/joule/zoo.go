package main

// joule zoo: models that come with Joule, to be used by name wherever a run can be.

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/joule-ebm/joule/internal/durable"
	"github.com/joule-ebm/joule/model"
	"github.com/joule-ebm/joule/model/zoo"
)

func newZooCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "zoo",
		Short: "Models that are trained already, to be used by name",
		Long: `List the models that come with Joule. All commands take one where they take a RUN: zoo:NAME. Small ones
are in the program; others are published elsewhere, and joule zoo fetch brings them, checked, into the
cache directory.`,
		Example: `  joule zoo
  joule zoo show mnist                          its card: data, recipe, figures, limits, licence
  joule sample zoo:mnist -o digits.png
  joule score zoo:mnist photo.png
  joule eval ood zoo:mnist --out-of fashion-mnist
  joule zoo copy mnist -o mine.safetensors      to calibrate it with images of one's own, say`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cards, err := zoo.Default().Cards()
			if err != nil {
				return err
			}
			if asJSON {
				return writeJSON(cmd.OutOrStdout(), cards)
			}
			t := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			for _, c := range cards {
				where := "in the program"
				if c.URL != "" {
					where = "to be fetched"
				}
				fmt.Fprintf(t, "%s:%s\t%.1f MB, %s\t%s\n", zoo.Scheme, c.Name, float64(c.Size)/1e6, where, c.About)
			}
			return t.Flush()
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the cards as JSON")
	cmd.AddCommand(&cobra.Command{
		Use:     "show NAME",
		Short:   "Print the card of a model",
		Example: "  joule zoo show mnist",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			card, err := zoo.Default().Card(args[0])
			if err != nil {
				return err
			}
			return printText(cmd.OutOrStdout(), card.String())
		},
	}, &cobra.Command{
		Use:     "fetch NAME",
		Short:   "Download a model that is published elsewhere, and check it",
		Example: "  joule zoo fetch NAME",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			card, err := zoo.Default().Card(args[0])
			if err != nil {
				return err
			}
			bar := newProgress(cmd.ErrOrStderr(), "fetching", "bytes", card.Size)
			err = zoo.Default().Fetch(cmd.Context(), http.DefaultClient, args[0], func(n int) { bar.Add(int64(n)) })
			bar.Done()
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s:%s is here\n", zoo.Scheme, args[0])
			return err
		},
	}, newZooCopyCommand(), newZooPackCommand())
	return cmd
}

func newZooCopyCommand() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:     "copy NAME",
		Short:   "Write a model of the zoo to a file of one's own",
		Example: "  joule zoo copy mnist -o mine.safetensors",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := newFile(output); err != nil {
				return err
			}
			content, err := zoo.Default().Read(args[0])
			if err != nil {
				return err
			}
			err = durable.WriteFile(output, func(w io.Writer) error {
				_, err := w.Write(content)
				return err
			})
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), output)
			return err
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "", "`file` to write")
	return cmd
}

func newZooPackCommand() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "pack RUN",
		Short: "Write a model with parameters of 16 bits, half the size",
		Long: `Write a model with its parameters rounded to 16 bits, which halves the file. It is another model then, if
hardly: it has no calibration until joule calibrate gives it one, and its figures are to be measured
again. The models that come with Joule are made so.`,
		Example: `  joule zoo pack runs/mnist -o mnist.safetensors
  joule calibrate mnist.safetensors`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := newFile(output); err != nil {
				return err
			}
			m, err := model.Open(args[0])
			if err != nil {
				return err
			}
			if err := checkApart(output, m.Path); err != nil {
				return err
			}
			if err := m.SaveHalf(output); err != nil {
				return err
			}
			info, err := os.Stat(output)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: %d parameters in %.2f MB; next: joule calibrate %s\n", output, m.Parameters(),
				float64(info.Size())/1e6, shellWord(output))
			return err
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "", "`file` to write")
	return cmd
}

// newFile is an error unless a model can be written to a file of that name.
func newFile(output string) error {
	if output == "" {
		return usageErrorf("where is the model to be written? Give --output, such as -o mine.safetensors")
	}
	return checkOutput(output, false)
}
