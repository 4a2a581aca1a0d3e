package main

// joule compose: a model made of models.

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/joule-ebm/joule/energy"
	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/eval/likelihood"
	"github.com/joule-ebm/joule/model"
)

type composeOptions struct {
	hardware
	expression string
	output     string
	mixture    energy.Mixture
	sampler    samplerFlags
	weighByZ   bool
	z          likelihood.Options
	threads    int
	json       bool
}

func newComposeCommand() *cobra.Command {
	o := composeOptions{mixture: model.DefaultMixture, z: likelihood.Defaults()}
	cmd := &cobra.Command{
		Use:   "compose --expr EXPRESSION NAME=RUN...",
		Short: "Make a model of several",
		Long: `Make a new model of trained ones, without training: energies add up. Each RUN - a run directory or a
model file, which may be composed itself - gets a NAME, and the expression says how they compose:

  a & b      images likely under both: the energies are added
  a | b      images likely under one of them: E = -T log(½ exp(-Ea/T) + ½ exp(-Eb/T))
  !b         unlikely under b: the energy of b times -0.001, beside terms that want more than that
  0.5*a      another weight; -0.01*b is a stronger negation
  a:LABEL    one class of a conditional model, by name or number from 0, as 7 or 'ankle boot'
  ( )        & binds more than |

The energies of alternatives have unknown constants, log Z, so that one of them may take all of a
mixture. --weigh-by-z estimates each by annealed importance sampling (see joule eval likelihood) and
writes the weights into the expression: a @ -12.5 | b @ 3 has alternatives of these log-weights, up to
a constant. What is given already becomes a weight of normalised alternatives: with --weigh-by-z
a @ -1.2 | b @ -0.36 has a share of 30% of a. Each chain of a mixture so weighed draws one alternative,
by its share, and descends the energy of that one. Otherwise, and where | is within & or has a weight,
chains descend the energy of the mixture, to the alternative that is next.

The model is one file that needs the others no more, and that every command takes as a RUN. A class
left open - of one conditional model, or of several with the same classes - is the class of the whole.

Images are drawn from M models with & between, negations aside, by steps of the gradient of 1/M of the
length, in ten rounds of 30. Each but the first goes back to noise by 0.7 of the way, so that an image
that one model leads to and the others do not want gets another try. If a model was not trained to know
the way from noise (loss.flow), rounds are those of the authors of the method: ten of 20 steps that an
augmentation ends (if the models were trained with one), then 80 steps. Models of photographs whose chains
start from noise with the spectrum of the data (noise=spectrum) are sampled together as the first of them.
--set changes all that. A single model, such as digits:3, one or the other, and one but not another are
sampled as the one is.`,
		Example: `  joule compose -o both.safetensors --expr 'young:1 & smiling:1 & !male:1' young=RUN smiling=RUN male=RUN
  joule compose -o three.safetensors --expr d:3 d=RUN             one class of a conditional model
  joule compose -o 4or9.safetensors --expr 'd:4 | d:9' --weigh-by-z d=RUN
  joule compose -o long.safetensors --expr 'a & b' --set generation.augmented=19 a=RUN b=RUN
  joule sample both.safetensors -o both.png`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return compose(cmd, args, o) },
	}
	f := cmd.Flags()
	f.StringVarP(&o.output, "output", "o", "", "`file` to write the model to")
	f.StringVar(&o.expression, "expr", "", "how the models compose, as above")
	f.Float64Var(&o.mixture.Temperature, "temperature", o.mixture.Temperature, "T of |: the lower, the more the likeliest alternative counts alone")
	f.BoolVar(&o.mixture.ByScale, "by-scale", false, "join alternatives scale by scale, as the authors do, not their sums over the scales")
	o.sampler.addSets(f)
	f.BoolVar(&o.weighByZ, "weigh-by-z", false, "weigh alternatives by their Z, so that they share a mixture evenly")
	f.IntVar(&o.z.Rungs, "rungs", o.z.Rungs, "temperatures on the way to log Z, for --weigh-by-z")
	f.IntVar(&o.z.Chains, "chains", o.z.Chains, "chains each way to log Z, for --weigh-by-z")
	f.Uint64Var(&o.z.Seed, "seed", o.z.Seed, "of the chains to log Z")
	f.IntVar(&o.threads, "threads", 0, "threads to use (default one a core)")
	o.addFlags(f)
	f.BoolVar(&o.json, "json", false, "print what was made as JSON")
	return cmd
}

// composeReport is what --json prints.
type composeReport struct {
	Output     string       `json:"output"`
	Expression string       `json:"expression"`
	Parameters int          `json:"parameters"`
	Classes    []string     `json:"classes,omitempty"`
	StepSize   float64      `json:"step_size"`
	Steps      int          `json:"steps"` // of a chain that makes an image
	LogZ       []logZOfPart `json:"log_z,omitempty"`
	// Alternatives are those of which each chain draws one; none where chains descend the energy of the whole.
	Alternatives []model.Alternative `json:"alternatives,omitempty"`
	Notes        []string            `json:"notes,omitempty"`
}

// logZOfPart is what was found of an alternative.
type logZOfPart struct {
	Expression string  `json:"expression"`
	Low        float64 `json:"low"`
	High       float64 `json:"high"`
}

func compose(cmd *cobra.Command, args []string, o composeOptions) error {
	switch {
	case o.output == "":
		return usageErrorf("where is the model to be written? Give --output, such as -o composed.safetensors")
	case o.expression == "":
		return usageErrorf("how do the models compose? Give --expr, such as --expr 'a & b'")
	case !(o.mixture.Temperature >= likelihood.Coldest && o.mixture.Temperature <= likelihood.Hottest):
		return usageErrorf("--temperature is %v: want %v to %v", o.mixture.Temperature, likelihood.Coldest, likelihood.Hottest)
	}
	if err := refuseIdle(cmd.Flags(), !o.weighByZ, "is of the estimate of log Z: give --weigh-by-z as well", "rungs", "chains", "seed"); err != nil {
		return err
	}
	if err := refuseIdle(cmd.Flags(), !strings.Contains(o.expression, "|"), "is of |, which is not in the expression "+o.expression, "temperature", "by-scale"); err != nil {
		return err
	}
	if err := checkBounds(bounds{"rungs", o.z.Rungs, 1, million}, bounds{"chains", o.z.Chains, 2, million}, bounds{"threads", o.threads, 0, mostThreads}); err != nil {
		return err
	}
	models, err := o.open(args)
	if err != nil {
		return err
	}
	m, err := model.Compose(o.expression, o.mixture, models)
	if err != nil {
		return usageError{fmt.Errorf("--expr: %w", err)}
	}
	shown := &stages{out: cmd.ErrOrStderr()}
	defer shown.clear()
	if err := o.sampler.change(m, 0, shown.warn); err != nil {
		return err
	}
	if err := checkOutput(o.output, false); err != nil {
		return err
	}
	report := composeReport{Output: o.output}
	if o.weighByZ {
		if m, err = o.weigh(cmd.Context(), shown, m, &report); err != nil {
			return err
		}
	}
	alternatives, err := m.Config.Composition.Alternatives()
	if err != nil {
		return err
	}
	if len(alternatives) > 1 {
		report.Alternatives = alternatives
	}
	if err := m.Save(o.output); err != nil {
		return err
	}
	report.Expression, report.Parameters, report.Classes = m.Config.Composition.Expression, m.Parameters(), m.Classes
	report.Notes = m.Config.Composition.Notes()
	report.StepSize, report.Steps = m.Config.Sampler.StepSize, m.ChainSteps(model.Sampling{})
	if o.json {
		return writeJSON(cmd.OutOrStdout(), report)
	}
	return report.print(cmd, m)
}

// open reads the models that arguments such as young=RUN name.
func (o *composeOptions) open(args []string) (map[string]*model.Model, error) {
	models := map[string]*model.Model{}
	for _, arg := range args {
		name, path, ok := strings.Cut(arg, "=")
		switch {
		case !ok || name == "" || path == "":
			return nil, usageErrorf("%q: want NAME=RUN, with a name for the expression", arg)
		case models[name] != nil:
			return nil, usageErrorf("two models are called %s: give each its own name", name)
		}
		m, err := model.Open(path)
		if err != nil {
			return nil, err
		}
		if err := checkApart(o.output, m.Path); err != nil {
			return nil, err
		}
		models[name] = m
	}
	return models, nil
}

// weigh gives alternatives the weights 1/Z.
func (o *composeOptions) weigh(ctx context.Context, shown *stages, m *model.Model, report *composeReport) (*model.Model, error) {
	o.z.Temperature = o.mixture.Temperature
	return m.Weigh(func(alternative *model.Model) (float64, error) {
		name := alternative.Config.Composition.Expression
		if len(alternative.Classes) > 0 {
			return 0, usageErrorf("log Z of %s is different for each of its classes: give it a label to weigh it", name)
		}
		o.z.Progress = func(_, unit string, done, total int64) { shown.show("log Z of "+name, unit, done, total) }
		e, err := o.openEngine(o.threads, engine.Float32)
		if err != nil {
			return 0, err
		}
		up, down, err := likelihood.LogZ(ctx, e, alternative, o.z)
		if err != nil {
			return 0, err
		}
		low, high := min(up.LogZ, down.LogZ), max(up.LogZ, down.LogZ)
		if report.LogZ = append(report.LogZ, logZOfPart{name, low, high}); high-low > 1 {
			shown.warn(fmt.Sprintf("log Z of %s is between %.2f and %.2f: more --rungs or --chains bring the two closer", name, low, high))
		}
		return (low + high) / 2, nil
	})
}

func (r *composeReport) print(cmd *cobra.Command, m *model.Model) error {
	out := cmd.OutOrStdout()
	for _, z := range r.LogZ {
		fmt.Fprintf(out, "log Z of %s: %.2f to %.2f\n", z.Expression, z.Low, z.High)
	}
	for _, a := range r.Alternatives {
		fmt.Fprintf(out, "drawn from %s: %.3g%% of the chains\n", a.Expression, 100*a.Share)
	}
	for _, note := range r.Notes {
		fmt.Fprintln(out, "note:", note)
	}
	classes := ""
	if len(r.Classes) > 0 {
		classes = fmt.Sprintf(", of %d classes", len(r.Classes))
	}
	_, err := fmt.Fprintf(out, "%s: %s%s; %d parameters; images by %d steps of %s, step size %.4g\n",
		r.Output, r.Expression, classes, r.Parameters, r.Steps, m.Config.Sampler.Kind, r.StepSize)
	return err
}
