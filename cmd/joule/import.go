package main

// joule import: models that the authors of the method trained with their own code.

import (
	"cmp"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/joule-ebm/joule/internal/authors"
	"github.com/joule-ebm/joule/internal/terminal"
)

type importOptions struct {
	output  string
	member  int
	classes []string
	json    bool
}

func newImportCommand() *cobra.Command {
	var o importOptions
	cmd := &cobra.Command{
		Use:   "import FILE.pth",
		Short: "Make a model of a checkpoint of the method's authors, written by PyTorch",
		Long: `Read a checkpoint that the training script of Du et al. (2021) wrote with PyTorch, and write the model in it,
which all commands take where they take a RUN. All three networks are known, conditional or not. The
averaged weights (EMA) are the model; what is left out or assumed is said. Nothing in the file is run.

A state_dict alone is read as well: save one with torch.save(net.state_dict(), FILE). docs/pytorch.md shows
how a model goes back to PyTorch.

The images that the model was not trained on are not known, so it has no p-values yet: name in-distribution
images that it has not seen with joule calibrate MODEL --data good/.`,
		Example: `  joule import model_20000.pth -o cifar10.safetensors
  joule import model_20000.pth -o smiling.safetensors --classes no,yes
  joule score cifar10.safetensors photos/`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return importModel(cmd, args[0], o) },
	}
	f := cmd.Flags()
	f.StringVarP(&o.output, "output", "o", "", "`file` to write the model to, such as model.safetensors")
	f.IntVar(&o.member, "member", 0, "which `model` of an ensemble to take, from 0")
	f.StringSliceVar(&o.classes, "classes", nil, "names of the classes of a conditional model, in order (default their numbers)")
	f.BoolVar(&o.json, "json", false, "print what was read as JSON")
	return cmd
}

// imported is what --json prints.
type imported struct {
	Output     string   `json:"output"`
	Network    string   `json:"network"`
	Filters    int      `json:"filters"`
	Image      []int    `json:"image"` // height, width, channels
	MultiScale bool     `json:"multi_scale"`
	Attention  bool     `json:"attention"`
	Norm       string   `json:"norm"`
	Kernel     string   `json:"kernel"`
	Classes    []string `json:"classes,omitempty"`
	Parameters int      `json:"parameters"`
	Iterations int64    `json:"iterations"`
	Notes      []string `json:"notes,omitempty"`
}

func importModel(cmd *cobra.Command, path string, o importOptions) error {
	if o.output == "" {
		return usageErrorf("where is the model to be written? Give --output, such as -o model.safetensors")
	}
	if err := checkBounds(bounds{"member", o.member, 0, million}); err != nil {
		return err
	}
	if err := cmp.Or(checkOutput(o.output, false), checkApart(o.output, path)); err != nil {
		return err
	}
	i, err := authors.Import(path, authors.Options{Member: o.member, Classes: o.classes})
	if err != nil {
		return err
	}
	if err := i.Model.Save(o.output); err != nil {
		return err
	}
	n := &i.Model.Config.Network
	report := imported{o.output, n.Name, n.Filters, n.Image, n.MultiScale, n.Attention, n.Norm, n.Kernel, i.Model.Classes, i.Model.Parameters(), i.Model.Iterations, i.Notes}
	if o.json {
		return writeJSON(cmd.OutOrStdout(), report)
	}
	for _, note := range i.Notes {
		fmt.Fprintln(cmd.OutOrStdout(), "note:", terminal.OneLine(note))
	}
	classes := ""
	if len(report.Classes) > 0 {
		classes = fmt.Sprintf(", %d classes", len(report.Classes))
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: network %s, %d filters, images of %d×%d×%d%s; %d parameters, after %d iterations; not calibrated\n",
		o.output, n.Name, n.Filters, n.Image[0], n.Image[1], n.Image[2], classes, report.Parameters, report.Iterations)
	return err
}
