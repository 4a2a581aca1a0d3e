package run

// This file says what a run is made of: every choice that decides its numbers, with the words that explain it in config.yaml.

import (
	"fmt"
	"strings"
	"time"

	"github.com/joule-ebm/joule/cd"
	"github.com/joule-ebm/joule/dataset"
	"github.com/joule-ebm/joule/energy"
	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/engine/cpu"
	"github.com/joule-ebm/joule/expr"
	"github.com/joule-ebm/joule/mcmc"
)

// Config is the configuration of a run. What it does not hold, such as the number of threads, does not change the numbers.
type Config struct {
	Data    string `yaml:"data" doc:"data set: mnist, or a path; see joule train --help"`
	HeldOut int    `yaml:"held_out" doc:"images kept from training to measure energies on"`
	Seed    uint64 `yaml:"seed" doc:"of all random numbers: equal seeds give equal runs"`

	Network struct {
		Name        string `yaml:"name" doc:"quick, mnist, cifar10 or celeba128"`
		Filters     int    `yaml:"filters" doc:"width of the network; 0: its own"`
		Image       []int  `yaml:"image" doc:"height, width and channels of the images; none: the network's own"`
		MultiScale  bool   `yaml:"multi_scale" doc:"also look at the image at half and quarter resolution"`
		Attention   bool   `yaml:"attention" doc:"self-attention at the largest scale"`
		Conditional bool   `yaml:"conditional" doc:"learn an energy for each class of the data"`
		Norm        string `yaml:"norm" doc:"reference (instance norm, group norm above 128 channels), layer or none"`
		Kernel      string `yaml:"kernel" doc:"standardised, spectral or plain"`
	} `yaml:"network" doc:"the energy"`

	Sampler struct {
		Kind        string  `yaml:"kind" doc:"langevin or hmc"`
		Steps       int     `yaml:"steps" doc:"steps of a chain, K"`
		StepSize    float64 `yaml:"step_size" doc:"langevin: λ, times a gradient per unit of intensity; hmc: ε, in units of intensity"`
		Noise       float64 `yaml:"noise" doc:"langevin: standard deviation σ of the noise of a step, in units of intensity"`
		Anneal      bool    `yaml:"anneal" doc:"langevin: lower the noise to 0 over a chain"`
		AllSteps    bool    `yaml:"all_steps" doc:"differentiate the KL term through all steps instead of the last"`
		Leapfrogs   int     `yaml:"leapfrogs" doc:"hmc: leapfrog steps of a proposal"`
		Temperature float64 `yaml:"temperature" doc:"hmc: temperature T of exp(-E/T)"`
		Precision   string  `yaml:"precision" doc:"of a chain's convolutions: float32, split, bf16, or auto, in whose place the run notes what it took"`
	} `yaml:"sampler" doc:"how chains move"`

	Buffer struct {
		Size    int     `yaml:"size" doc:"images kept"`
		Restart float64 `yaml:"restart" doc:"probability that a chain starts from noise instead"`
	} `yaml:"buffer" doc:"the replay buffer, where chains start"`

	Augmentation string `yaml:"augmentation" doc:"random transforms of images out of the buffer: none, cifar10, large or imagenet"`

	Generation struct {
		Augmented int `yaml:"augmented" doc:"rounds that begin with an augmentation"`
		Plain     int `yaml:"plain" doc:"rounds after them, without"`
	} `yaml:"generation" doc:"how images come from noise: rounds of K steps, of which the first is plain"`

	Loss struct {
		Regularisation float64 `yaml:"reg" doc:"coefficient of L_reg, the squared energies; 0 leaves the term out"`
		Optimisation   float64 `yaml:"opt" doc:"coefficient of L_opt, the first half of the KL term; 0 leaves it out"`
		Entropy        float64 `yaml:"ent" doc:"coefficient of L_ent, its second half; 0 leaves it out"`
		Neighbour      int     `yaml:"neighbour" doc:"L_ent takes the k-th nearest of the reference images"`
		References     int     `yaml:"references" doc:"reference images of L_ent, drawn from the buffer"`
		EntropyAfter   int     `yaml:"entropy_after" doc:"L_ent starts once the buffer holds more images than this"`
	} `yaml:"loss" doc:"L = L_cd + reg L_reg + opt L_opt + ent L_ent"`

	Optimiser struct {
		Batch        int     `yaml:"batch" doc:"images and chains of an iteration"`
		LearningRate float64 `yaml:"learning_rate" doc:"of Adam"`
		Beta1        float64 `yaml:"beta1" doc:"of Adam"`
		Beta2        float64 `yaml:"beta2" doc:"of Adam"`
		Epsilon      float64 `yaml:"epsilon" doc:"of Adam"`
		Clip         float64 `yaml:"clip" doc:"longest gradient; 0: any"`
		Average      float64 `yaml:"average" doc:"decay of the moving average of the weights, which is the model"`
		Warmup       int64   `yaml:"warmup" doc:"iterations over which the learning rate rises to its value"`
	} `yaml:"optimiser" doc:"how the weights move"`

	Limits Limits `yaml:"limits" doc:"when to stop; without limits, when interrupted"`

	Output struct {
		Checkpoint int64 `yaml:"checkpoint" doc:"iterations between checkpoints"`
		Samples    int64 `yaml:"samples" doc:"iterations between pictures of samples; 0: none"`
		Pictures   int   `yaml:"pictures" doc:"images in a picture of samples"`
		HeldOut    int64 `yaml:"held_out" doc:"iterations between energies of the images held out; 0: never"`
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
}

// augmentations are the choices for Config.Augmentation.
var augmentations = map[string]mcmc.Augmentation{
	"none": mcmc.NoAugmentation, "cifar10": mcmc.AugmentCIFAR10, "large": mcmc.AugmentLarge, "imagenet": mcmc.AugmentImageNet,
}

// Validate says, in one line that names the key, what cannot work. It completes what was left open: the network's filters and
// image, and the precision that suits this machine.
func (c *Config) Validate() error {
	const many = 1 << 40
	s, o, l := &c.Sampler, &c.Optimiser, &c.Loss
	for _, k := range []struct {
		key                string
		value, least, most float64
	}{
		{"held_out", float64(c.HeldOut), 1, 1e6},
		{"sampler.steps", float64(s.Steps), 1, 1e6},
		{"sampler.noise", s.Noise, 0, 1},
		{"buffer.size", float64(c.Buffer.Size), 1, 1e8},
		{"buffer.restart", c.Buffer.Restart, 0, 1},
		{"generation.augmented", float64(c.Generation.Augmented), 0, 1e6},
		{"generation.plain", float64(c.Generation.Plain), 0, 1e6},
		{"loss.reg", l.Regularisation, 0, 1e6},
		{"loss.opt", l.Optimisation, 0, 1e6},
		{"loss.ent", l.Entropy, 0, 1e6},
		{"loss.references", float64(l.References), 1, 1e5},
		{"loss.neighbour", float64(l.Neighbour), 1, float64(l.References)},
		{"loss.entropy_after", float64(l.EntropyAfter), 0, many},
		{"optimiser.batch", float64(o.Batch), 1, 1e6},
		{"optimiser.learning_rate", o.LearningRate, 0, 1e6},
		{"optimiser.epsilon", o.Epsilon, 1e-30, 1},
		{"optimiser.clip", o.Clip, 0, many},
		{"optimiser.warmup", float64(o.Warmup), 0, many},
		{"limits.iterations", float64(c.Limits.Iterations), 0, many},
		{"output.checkpoint", float64(c.Output.Checkpoint), 1, many},
		{"output.samples", float64(c.Output.Samples), 0, many},
		{"output.pictures", float64(c.Output.Pictures), 1, 1024},
		{"output.held_out", float64(c.Output.HeldOut), 0, many},
		{"output.diagnose", float64(c.Output.Diagnose), 0, many},
		{"recovery.failures", float64(c.Recovery.Failures), 1, 100},
		{"recovery.rate_factor", c.Recovery.RateFactor, 1e-6, 1},
	} {
		if !(k.value >= k.least && k.value <= k.most) { // refuses NaN too
			return fmt.Errorf("setting %s is %v: want %v to %v", k.key, k.value, k.least, k.most)
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
	if c.Limits.For < 0 {
		return fmt.Errorf("setting limits.for is %v: want a duration such as 10m, or 0 for no limit", c.Limits.For)
	}
	if _, ok := augmentations[c.Augmentation]; !ok {
		return fmt.Errorf("setting augmentation is %.40q: want none, cifar10, large or imagenet", c.Augmentation)
	}
	if l.Entropy != 0 && l.EntropyAfter >= c.Buffer.Size {
		return fmt.Errorf("setting loss.entropy_after is %d: the buffer holds only %d, so lower it, raise buffer.size or set loss.ent=0",
			l.EntropyAfter, c.Buffer.Size)
	}
	p := engine.Precision(s.Precision)
	if err := p.Check(); err != nil {
		return fmt.Errorf("setting sampler.precision: %w", err)
	}
	s.Precision = string(cpu.Resolve(p)) // once and for all: written down, it stays
	if _, err := c.NewSampler(); err != nil {
		return err
	}
	return c.completeNetwork()
}

func (c *Config) completeNetwork() error {
	n := &c.Network
	var names []string
	for _, known := range energy.Networks() {
		names = append(names, known.Name)
		if known.Name != n.Name {
			continue
		}
		if n.Filters == 0 {
			n.Filters = known.Filters
		}
		if len(n.Image) == 0 {
			n.Image = append([]int{}, known.Image[:]...)
		}
		if len(n.Image) != 3 || n.Image[2] != 1 && n.Image[2] != 3 {
			return fmt.Errorf("setting network.image is %v: want height, width and 1 or 3 channels, such as 28,28,1", n.Image)
		}
		some := 0
		if n.Conditional {
			some = 1 // any number: the data will say
		}
		_, err := c.energy(some)
		return err
	}
	return fmt.Errorf("setting network.name is %.40q: want one of %s", n.Name, strings.Join(names, ", "))
}

// energy makes the network; classes is the length of its label.
func (c *Config) energy(classes int) (*energy.Energy, error) {
	n := &c.Network
	e, err := energy.New(n.Name, energy.Options{Filters: n.Filters, MultiScale: n.MultiScale, Attention: n.Attention, Classes: classes,
		Norm: energy.Norm(n.Norm), Kernel: energy.Kernel(n.Kernel), Image: expr.Shape(n.Image)})
	if err != nil {
		return nil, fmt.Errorf("settings network.*: %w", err)
	}
	return e, nil
}

// ImageSize is the size of the images.
func (c *Config) ImageSize() dataset.Size {
	n := c.Network.Image
	return dataset.Size{Height: n[0], Width: n[1], Channels: n[2]}
}

// NewSampler makes the sampler that the configuration describes, or says what is wrong with the description.
func (c *Config) NewSampler() (mcmc.Sampler, error) {
	s := &c.Sampler
	switch s.Kind {
	case "langevin":
		if !(s.StepSize > 0 && s.StepSize <= 1e9) {
			return nil, fmt.Errorf("setting sampler.step_size is %v: want more than 0, such as 100", s.StepSize)
		}
		return mcmc.Langevin{StepSize: s.StepSize, Sigma: s.Noise, Anneal: s.Anneal}, nil
	case "hmc":
		if s.Anneal {
			return nil, fmt.Errorf("setting sampler.anneal is true: hmc has no noise to anneal")
		}
		switch {
		case !(s.StepSize > 0 && s.StepSize < 1):
			return nil, fmt.Errorf("setting sampler.step_size is %v: with hmc, want more than 0 and less than 1, such as 0.01", s.StepSize)
		case s.Leapfrogs < 1 || s.Leapfrogs > 100:
			return nil, fmt.Errorf("setting sampler.leapfrogs is %d: want 1 to 100", s.Leapfrogs)
		case !(s.Temperature > 0 && s.Temperature <= 1e9):
			return nil, fmt.Errorf("setting sampler.temperature is %v: want more than 0, such as 1", s.Temperature)
		}
		return mcmc.HMC{StepSize: s.StepSize, Leapfrogs: s.Leapfrogs, Temperature: s.Temperature}, nil
	}
	return nil, fmt.Errorf("setting sampler.kind is %.40q: want langevin or hmc", s.Kind)
}

// Transitions are the random transforms of images out of the buffer.
func (c *Config) Transitions() mcmc.Augmentation { return augmentations[c.Augmentation] }

// NewGeneration is how images are generated.
func (c *Config) NewGeneration() mcmc.Generation {
	return mcmc.NewGeneration(c.Sampler.Steps, c.Generation.Augmented, c.Generation.Plain, c.Transitions())
}

// training is the configuration of the training step.
func (c *Config) training(threads int) (cd.Settings, error) {
	s, err := c.NewSampler()
	o, l := &c.Optimiser, &c.Loss
	return cd.Settings{
		Seed: c.Seed, Threads: threads,
		Steps: c.Sampler.Steps, Sampler: s, AllSteps: c.Sampler.AllSteps,
		BufferSize: c.Buffer.Size, Restart: c.Buffer.Restart, Augmentation: c.Transitions(),
		Weights:   cd.Weights{Magnitude: l.Regularisation, Optimisation: l.Optimisation, Entropy: l.Entropy},
		Neighbour: l.Neighbour, References: l.References, EntropyAfter: l.EntropyAfter,
		LearningRate: o.LearningRate, Beta1: o.Beta1, Beta2: o.Beta2, Epsilon: o.Epsilon, ClipNorm: o.Clip, Decay: o.Average, Warmup: o.Warmup,
		DiagnoseEvery: c.Output.Diagnose,
	}, err
}
