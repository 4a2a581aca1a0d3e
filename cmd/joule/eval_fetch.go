package main

// joule eval fetch-inception: the weights of the network that FID is defined with.

import (
	"fmt"
	"net/http"

	"github.com/spf13/cobra"

	"github.com/joule-ebm/joule/eval/features/inception"
)

func newFetchInceptionCommand() *cobra.Command {
	source, output := inception.Weights, ""
	cmd := &cobra.Command{
		Use:   "fetch-inception",
		Short: "Download the weights of FID's Inception network",
		Long: fmt.Sprintf(`Download the weights of the Inception network that FID, KID and Inception Score are customarily
computed with (%d MB), from where the authors of pytorch-fid publish them, and check that they are these:

  %s
  SHA-256 %s

joule eval quality --features inception finds them where this command puts them. Where there is no
network, copy the file from elsewhere and name it with --inception-weights.`, source.Size/1e6, source.Name, source.SHA256),
		Example: `  joule eval fetch-inception
  joule eval fetch-inception --output weights/inception.pth --url https://mirror.example/inception.pth`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			path := output
			if path == "" {
				var err error
				if path, err = inception.DefaultPath(); err != nil {
					return err
				}
			}
			there, err := source.Check(path)
			if err != nil {
				return err
			}
			if !there {
				bar := newProgress(cmd.ErrOrStderr(), "fetching", "bytes", source.Size)
				err := source.Fetch(cmd.Context(), http.DefaultClient, path, func(n int) { bar.Add(int64(n)) })
				bar.Done()
				if err != nil {
					return err
				}
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), path)
			return err
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "", "`file` to write (default one in the user's cache directory)")
	cmd.Flags().StringVar(&source.URL, "url", source.URL, "where to fetch it from; the checksum stays")
	return cmd
}
