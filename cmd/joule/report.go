package main

// joule report: a run as a page to read.

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/internal/durable"
	"github.com/joule-ebm/joule/internal/terminal"
	"github.com/joule-ebm/joule/report"
)

type reportOptions struct {
	hardware
	report.Options
	output      string
	quick, json bool
}

func newReportCommand() *cobra.Command {
	o := reportOptions{Options: report.Defaults()}
	cmd := &cobra.Command{
		Use:   "report RUN",
		Short: "Show a run as a page: samples, curves, how well it detects",
		Long: `Write one HTML file about a run: its samples over time, its curves, chains from noise, energies of
in-distribution and out-of-distribution images with ROC curves and intervals, timings and configuration.
The file stands alone: it can be sent, kept or printed, and asks nothing of any other place.

RUN is a run directory, finished or still training, or a model.safetensors file. What cannot be
shown, because it is not there yet or damaged, the page says. Detection is measured as by joule
eval ood, whose --in and --out-of choose the images.`,
		Example: `  joule report RUN                          writes RUN/report.html
  joule report RUN -o page.html --out-of fashion-mnist,rotated,photos/
  joule report RUN --quick                  only what training has recorded`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return writeReport(cmd, args[0], o) },
	}
	f := cmd.Flags()
	f.StringVarP(&o.output, "output", "o", "", "the page, a .html `file` (default report.html in RUN, or beside the model)")
	addPlan(f, &o.Benchmark)
	f.IntVar(&o.Chains, "chains", o.Chains, "chains to draw from noise; 0: none")
	f.IntVar(&o.Threads, "threads", 0, "threads to use (default one a core)")
	o.addFlags(f)
	f.BoolVar(&o.quick, "quick", false, "leave out what has to be computed: detection and chains")
	f.BoolVar(&o.json, "json", false, "print what was written as JSON")
	return cmd
}

// reportResult is what --json prints.
type reportResult struct {
	Output  string   `json:"output"`
	Bytes   int64    `json:"bytes"`
	Missing []string `json:"missing"` // what the page could not show
}

func writeReport(cmd *cobra.Command, path string, o reportOptions) error {
	if o.output != "" && !hasExtension(o.output, ".html") {
		return usageErrorf("--output is %q: want a name ending in .html", o.output)
	}
	if err := refuseIdle(cmd.Flags(), o.quick, "is of what --quick leaves out: give one of them", "in", "out-of", "number", "chains"); err != nil {
		return err
	}
	if err := checkPlan(&o.Benchmark); err != nil {
		return err
	}
	if err := checkBounds(bounds{"chains", o.Chains, 0, mostInGIF}, bounds{"threads", o.Threads, 0, mostThreads}); err != nil {
		return err
	}
	if o.output == "" {
		if o.output = filepath.Join(path, "report.html"); !isDir(path) {
			o.output = strings.ReplaceAll(strings.TrimSuffix(path, filepath.Ext(path)), ":", "-") + ".html"
		}
	}
	if err := checkOutput(o.output, false); err != nil {
		return err
	}
	shown := &stages{out: cmd.ErrOrStderr()}
	defer shown.clear()
	o.Program, o.Progress, o.Benchmark.Warn = "joule "+version(), shown.show, shown.warn
	if o.quick {
		o.Detect, o.Chains = false, 0
	}
	e, err := o.openEngine(o.Threads, engine.Float32)
	if err != nil {
		return err
	}
	r, err := report.Build(cmd.Context(), e, path, o.Options)
	if err != nil {
		return nameIn(err)
	}
	shown.clear()
	if err := durable.WriteFile(o.output, r.Write); err != nil {
		return err
	}
	info, err := os.Stat(o.output)
	if err != nil {
		return err
	}
	if o.json {
		return json.NewEncoder(cmd.OutOrStdout()).Encode(reportResult{o.output, info.Size(), append([]string{}, r.Missing...)})
	}
	for _, line := range r.Missing {
		fmt.Fprintln(cmd.ErrOrStderr(), "joule:", terminal.OneLine(line))
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s, %.1f MB: open it in a browser\n", o.output, float64(info.Size())/1e6)
	return err
}
