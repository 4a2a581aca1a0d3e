package main

// joule export: a model for programs that know nothing of Joule.

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/joule-ebm/joule/detect"
	"github.com/joule-ebm/joule/engine/cpu"
	"github.com/joule-ebm/joule/internal/durable"
	"github.com/joule-ebm/joule/internal/terminal"
	"github.com/joule-ebm/joule/model"
	"github.com/joule-ebm/joule/model/onnx"
)

type exportOptions struct {
	output   string
	label    string
	mixture  bool
	gradient bool
}

func newExportCommand() *cobra.Command {
	var o exportOptions
	cmd := &cobra.Command{
		Use:   "export RUN",
		Short: "Write a model as an ONNX file, for ONNX Runtime, OpenVINO and others",
		Long: `Write the energy of a model and its gradient as an ONNX file (opset 17). RUN is a run directory or a model
file; a composed model is exported like any other.

  input   image      FP32 [N,H,W,C], intensities in [0, 1]; of a picture with bytes u, (u + 0.5) / 256
  input   label      FP32 [N,K] of a conditional model: one-hot, or its numbers from -1 to 1; without
                     --label and --mixture
  output  energy     FP32 [N]
  output  gradient   FP32 [N,H,W,C], of the energy with respect to the image

In the metadata are the configuration, the classes, and of a calibrated model the calibration and
thresholds: for each rate of false alarms, the energy above which an image is out of distribution; of a
model of classes with --mixture alone.
docs/serving.md shows how a program uses them.`,
		Example: `  joule export runs/mnist -o mnist.onnx
  joule export runs/classes -o seven.onnx --label 7
  joule export runs/classes -o digits.onnx --mixture --gradient=false`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return export(cmd, args[0], o) },
	}
	f := cmd.Flags()
	f.StringVarP(&o.output, "output", "o", "", "`file` to write, such as model.onnx")
	f.StringVar(&o.label, "label", "", "`class` of a conditional model to export, by name or number (default any: it is an input)")
	f.BoolVar(&o.mixture, "mixture", false, "of a conditional model, export what joule score measures without a label: the mixture of all classes")
	f.BoolVar(&o.gradient, "gradient", true, "export the gradient too; without it runtimes take a third of the time")
	return cmd
}

func export(cmd *cobra.Command, path string, o exportOptions) error {
	if !hasExtension(o.output, ".onnx") {
		return usageErrorf("where is the model to be written? Give --output a name ending in .onnx, such as -o model.onnx")
	}
	if err := refuseEmpty(cmd.Flags(), "label"); err != nil {
		return err
	}
	if err := checkOutput(o.output, false); err != nil {
		return err
	}
	m, err := model.Open(path)
	if err != nil {
		return err
	}
	options := onnx.Options{Label: o.label, Mixture: o.mixture, NoGradient: !o.gradient, Version: version()}
	calibrated := "not calibrated"
	switch {
	case m.Config.Tiled():
		calibrated = "without a calibration: that of a model of tiles is one of pictures"
	case m.Calibration != nil && m.Labels() > 0 && !o.mixture:
		calibrated = "without its calibration, which is of the mixture of all labels: export that with --mixture"
	case m.Calibration != nil:
		var thresholds string
		if thresholds, err = energyThresholds(m); err != nil {
			return err
		}
		options.Metadata, calibrated = map[string]string{"thresholds": thresholds}, "with its calibration"
	}
	if err := durable.WriteFile(o.output, func(w io.Writer) error { return onnx.Write(cmd.Context(), w, &cpu.Engine{}, m, options) }); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	n := m.Energy.Image
	what := "energy and gradient"
	if !o.gradient {
		what = "energy"
	}
	switch {
	case o.label != "":
		what += " given " + o.label + ","
	case o.mixture:
		what += " of the mixture of all labels,"
	case m.Labels() > 0:
		what += fmt.Sprintf(" given a label of length %d,", m.Energy.Classes)
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: %s of images of %d×%d×%d, %d parameters, %s\n",
		terminal.OneLine(o.output), terminal.OneLine(what), n[0], n[1], n[2], m.Parameters(), calibrated)
	return err
}

// energyThresholds are, for rates of false alarms, the energies above which an image is out of distribution, as JSON.
func energyThresholds(m *model.Model) (string, error) {
	c, err := detect.CalibrationOf(m)
	if err != nil {
		return "", err
	}
	thresholds := map[string]float64{}
	for _, s := range c.Summary() {
		if s.Detector != detect.Default {
			continue
		}
		for _, r := range s.Rates {
			thresholds[strconv.FormatFloat(r.Rate, 'g', -1, 64)] = r.Threshold
		}
	}
	text, err := json.Marshal(thresholds)
	return string(text), err
}
