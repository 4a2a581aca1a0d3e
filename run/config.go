package run

// This file says what a run is made of: every choice that decides its numbers, with the words that explain it in config.yaml.

import (
	"errors"
	"fmt"
	"time"

	"github.com/joule-ebm/joule/cd"
	"github.com/joule-ebm/joule/internal/settings"
	"github.com/joule-ebm/joule/model"
)

// Config is the configuration of a run: of the model, and of how it is trained. What it does not hold, such as the number of threads,
// does not change the numbers.
type Config struct {
	model.Config `yaml:",inline"`
	Training     `yaml:",inline"`
}

// Training is the part of a configuration that a model needs no more once it is trained.
type Training struct {
	From string `yaml:"from" doc:"model whose weights training begins with: a run, a model file or zoo:NAME; none: random ones"`

	Buffer struct {
		Size    int     `yaml:"size" doc:"images kept"`
		Restart float64 `yaml:"restart" doc:"probability that a chain starts from noise instead"`
		Relabel float64 `yaml:"relabel" doc:"probability that a chain of a conditional model starts from an image of another label: half of these from the data's"`
	} `yaml:"buffer" doc:"the replay buffer, where chains start"`

	Loss Loss `yaml:"loss" doc:"L, the sum of its terms, each times its coefficient"`

	Optimiser struct {
		Batch        int     `yaml:"batch" doc:"images and chains of an iteration"`
		LearningRate float64 `yaml:"learning_rate" doc:"of Adam"`
		Beta1        float64 `yaml:"beta1" doc:"of Adam"`
		Beta2        float64 `yaml:"beta2" doc:"of Adam"`
		Epsilon      float64 `yaml:"epsilon" doc:"of Adam"`
		Clip         float64 `yaml:"clip" doc:"longest gradient; 0: any"`
		Average      float64 `yaml:"average" doc:"decay of the moving average of the weights, which is the model"`
		Warmup       int64   `yaml:"warmup" doc:"iterations over which the learning rate rises to its value"`
		Cooldown     float64 `yaml:"cooldown" doc:"share of the run, at its end, over which the learning rate falls to 0; 0: it does not"`
		Lanes        int     `yaml:"lanes" doc:"partial sums of a gradient: so many cores can add one up, half as many evenly"`
	} `yaml:"optimiser" doc:"how the weights move"`

	Limits Limits `yaml:"limits" doc:"when to stop; without limits, when interrupted"`

	Output struct {
		Checkpoint int64 `yaml:"checkpoint" doc:"iterations between checkpoints"`
		Samples    int64 `yaml:"samples" doc:"iterations between pictures of samples; 0: none"`
		Pictures   int   `yaml:"pictures" doc:"images in a picture of samples"`
		HeldOut    int64 `yaml:"held_out" doc:"iterations between energies of the images held out; 0: never"`
		Noise      int64 `yaml:"noise" doc:"iterations between looks at samples from noise, whether they show as much as the buffer; 0: never"`
		Diagnose   int64 `yaml:"diagnose" doc:"iterations between gradient norms of each term, which cost time; 0: never"`
	} `yaml:"output" doc:"how often to write"`

	Recovery struct {
		Failures   int     `yaml:"failures" doc:"give up after diverging this often without getting further"`
		RateFactor float64 `yaml:"rate_factor" doc:"factor of the learning rate after each time"`
	} `yaml:"recovery" doc:"what to do when training diverges"`
}

// Limits say when a run stops: when the first is reached. Zero means no limit.
type Limits struct {
	Iterations int64         `yaml:"iterations" doc:"in all; 0: no limit"`
	For        time.Duration `yaml:"for" doc:"training time since the run was started or resumed, such as 10m; 0: no limit"`
	Processor  time.Duration `yaml:"processor" doc:"the same in processor time, which stands still while other programs have the cores; 0: no limit"`
}

// Validate says, in one line that names the setting, what cannot work. It completes what was left open, as [model.Config.Validate] does.
func (c *Config) Validate() error {
	const many = 1 << 40
	o := &c.Optimiser
	for _, k := range []struct {
		key                string
		value, least, most float64
	}{
		{"buffer.size", float64(c.Buffer.Size), 1, 1e8},
		{"buffer.restart", c.Buffer.Restart, 0, 1},
		{"buffer.relabel", c.Buffer.Relabel, 0, 1},
		{"optimiser.batch", float64(o.Batch), 1, 1e6},
		{"optimiser.learning_rate", o.LearningRate, 0, 1e6},
		{"optimiser.epsilon", o.Epsilon, 1e-30, 1},
		{"optimiser.clip", o.Clip, 0, many},
		{"optimiser.warmup", float64(o.Warmup), 0, many},
		{"optimiser.cooldown", o.Cooldown, 0, 1},
		{"optimiser.lanes", float64(o.Lanes), 1, 1 << 16},
		{"limits.iterations", float64(c.Limits.Iterations), 0, many},
		{"output.checkpoint", float64(c.Output.Checkpoint), 1, many},
		{"output.samples", float64(c.Output.Samples), 0, many},
		{"output.pictures", float64(c.Output.Pictures), 1, 1024},
		{"output.held_out", float64(c.Output.HeldOut), 0, many},
		{"output.noise", float64(c.Output.Noise), 0, many},
		{"output.diagnose", float64(c.Output.Diagnose), 0, many},
		{"recovery.failures", float64(c.Recovery.Failures), 1, 100},
		{"recovery.rate_factor", c.Recovery.RateFactor, 1e-6, 1},
	} {
		if err := settings.CheckRange(k.key, k.value, k.least, k.most); err != nil {
			return err
		}
	}
	for _, k := range []struct {
		key   string
		value float64
	}{{"optimiser.beta1", o.Beta1}, {"optimiser.beta2", o.Beta2}, {"optimiser.average", o.Average}} {
		if !(k.value >= 0 && k.value < 1) {
			return fmt.Errorf("setting %s is %v: want 0 or more and less than 1", k.key, k.value)
		}
	}
	for key, limit := range map[string]time.Duration{"for": c.Limits.For, "processor": c.Limits.Processor} {
		if limit < 0 {
			return fmt.Errorf("setting limits.%s is %v: want a duration such as 10m, or 0 for no limit", key, limit)
		}
	}
	if c.Buffer.Relabel > 0 && !c.Network.Conditional && len(c.Network.Numbers) == 0 {
		return errors.New("setting buffer.relabel is for conditional models: set network.conditional=true, or leave it out")
	}
	if c.Noise == model.SpectrumNoise && c.Loss.Weight("flow") != 0 {
		return fmt.Errorf("setting loss.flow teaches the way from uniform noise, and noise is %s: set loss.flow=0 or noise=%s", c.Noise, model.UniformNoise)
	}
	if err := c.Loss.validate(c.Buffer.Size); err != nil {
		return err
	}
	return c.Config.Validate()
}

// training is the configuration of the training step.
func (c *Config) training(threads int) (cd.Settings, error) {
	s, err := c.NewSampler()
	o := &c.Optimiser
	return cd.Settings{
		Seed: c.Seed, Threads: threads,
		Steps: c.Sampler.Steps, Sampler: s, AllSteps: c.Sampler.AllSteps,
		BufferSize: c.Buffer.Size, Restart: c.Buffer.Restart, Noise: c.Spectrum, Relabel: c.Buffer.Relabel, Augmentation: c.Transitions(),
		Terms:        c.Loss.counted(c.Sampler.Steps),
		LearningRate: o.LearningRate, Beta1: o.Beta1, Beta2: o.Beta2, Epsilon: o.Epsilon, ClipNorm: o.Clip, Decay: o.Average, Warmup: o.Warmup,
		DiagnoseEvery: c.Output.Diagnose,
	}, err
}
