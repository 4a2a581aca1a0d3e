package model

// This file says what a model is made of: every choice that decides its numbers once it is trained, with the words that explain it in
// configuration files. What decides how it is trained beside that, package run adds.

import (
	"errors"
	"fmt"

	"github.com/joule-ebm/joule/cd"
	"github.com/joule-ebm/joule/dataset"
	"github.com/joule-ebm/joule/energy"
	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/engine/cpu"
	"github.com/joule-ebm/joule/expr"
	"github.com/joule-ebm/joule/internal/settings"
	"github.com/joule-ebm/joule/mcmc"
)

// Config is the configuration of a model. Fields have the names of settings (network.filters).
type Config struct {
	Data      string `yaml:"data" doc:"data set: mnist, or a path; see joule train --help"`
	Attribute string `yaml:"attribute" doc:"what the images are labelled by, of what the data know of each; none: the data's own classes"`
	Exclude   string `yaml:"exclude" doc:"images to leave out, by combinations of attributes such as shape=cube&colour=red|size=small; none: none"`
	HeldOut   int    `yaml:"held_out" doc:"images kept from training to measure energies on, at most a tenth of all"`
	Seed      uint64 `yaml:"seed" doc:"of all random numbers: equal seeds give equal runs"`

	Tiles Tiles `yaml:"tiles" doc:"learn tiles of the pictures, at full resolution, instead of whole pictures"`

	Network Network `yaml:"network" doc:"the energy"`

	Sampler Sampler `yaml:"sampler" doc:"how chains move"`

	Augmentation string `yaml:"augmentation" doc:"random transforms of images out of the buffer: none, cifar10, large or imagenet"`

	Noise string `yaml:"noise" doc:"what chains start from where it is no image: uniform noise, or spectrum, noise with the colours and the spectrum of the data"`

	Generation Generation `yaml:"generation" doc:"how images come from noise: rounds of K steps, of which the first is plain"`

	Composition *Composition         `yaml:"-"` // of a composed model
	Dir         string               `yaml:"-"` // the folder that the configuration or the model was read from; empty where it was not
	Spectrum    *mcmc.Spectrum       `yaml:"-"` // of the data, where noise has it; nil until they are known, and where noise is uniform
	Fingerprint *dataset.Fingerprint `yaml:"-"` // of the data a model was trained on; nil where it is not known, as in files of earlier versions
}

// Tiles says how pictures are divided into the images that are learnt.
type Tiles struct {
	Side    int   `yaml:"side" doc:"of a tile, in pixels; 0: no tiles"`
	Stride  int   `yaml:"stride" doc:"from one tile to the next; 0: half a side"`
	Picture []int `yaml:"picture" doc:"height and width that pictures are brought to first; none: their own"`
}

// Network says which energy, and how it is built.
type Network struct {
	Name        string   `yaml:"name" doc:"quick, mnist, cifar10 or celeba128, or one registered by a program"`
	Filters     int      `yaml:"filters" doc:"width of the network; 0: its own"`
	Image       []int    `yaml:"image" doc:"height, width and channels of the images; none: the network's own"`
	MultiScale  bool     `yaml:"multi_scale" doc:"also look at the image at half and quarter resolution"`
	Attention   bool     `yaml:"attention" doc:"self-attention at the largest scale"`
	Conditional bool     `yaml:"conditional" doc:"learn an energy for each class of the data"`
	Numbers     []string `yaml:"numbers" doc:"numbers of the data, such as x,y, and attributes: learn an energy for all values of these together instead"`
	Norm        string   `yaml:"norm" doc:"reference (instance norm, group norm above 128 channels), layer or none"`
	Kernel      string   `yaml:"kernel" doc:"standardised, spectral or plain"`
}

// Sampler says how chains move, in training and after it.
type Sampler struct {
	Kind        string  `yaml:"kind" doc:"langevin, or another that joule train --help lists"`
	Steps       int     `yaml:"steps" doc:"steps of a chain, K"`
	StepSize    float64 `yaml:"step_size" doc:"langevin: λ, times a gradient per unit of intensity; of others see joule train --help"`
	Coarse      float64 `yaml:"coarse" doc:"langevin: β, how many times as far a step goes in what an image half as large shows, and so on; 0: no further"`
	Noise       float64 `yaml:"noise" doc:"langevin: standard deviation σ of the noise of a step, in units of intensity"`
	Anneal      bool    `yaml:"anneal" doc:"langevin: lower the noise to 0 over a chain"`
	AllSteps    bool    `yaml:"all_steps" doc:"differentiate the KL term through all steps instead of the last"`
	Leapfrogs   int     `yaml:"leapfrogs" doc:"hmc: leapfrog steps of a proposal"`
	Temperature float64 `yaml:"temperature" doc:"of samplers with an acceptance test: T of exp(-E/T)"`
	Hot         float64 `yaml:"hot" doc:"chains start so many times as hot as their sampler is, and cool down; 1: no hotter"`
	Cooling     float64 `yaml:"cooling" doc:"of chains that start hot: factor of the temperature from step to step"`
	Precision   string  `yaml:"precision" doc:"of a chain's convolutions: float32, split, bf16, or auto, in whose place the run notes what it took"`
}

// Generation says how images come from noise.
type Generation struct {
	Augmented int     `yaml:"augmented" doc:"rounds that begin with an augmentation, and with noise"`
	Plain     int     `yaml:"plain" doc:"rounds after them, without"`
	Renoise   float64 `yaml:"renoise" doc:"s: an augmented round takes the image this far back to noise z, x + s(z - x); 0: not at all"`
}

// The choices for Config.Noise.
const (
	UniformNoise  = "uniform"
	SpectrumNoise = "spectrum"
)

// Paper is the quick network on MNIST, and for the rest what the models of Du et al. (2021) have in common.
func Paper() Config {
	paper := cd.PaperSettings()
	langevin := paper.Sampler.(mcmc.Langevin)
	return Config{
		Data: dataset.Default, HeldOut: 1000, Seed: paper.Seed,
		Network: Network{Name: "quick", Norm: string(energy.ReferenceNorm), Kernel: string(energy.StandardisedKernel)},
		Sampler: Sampler{Kind: "langevin", Steps: paper.Steps, StepSize: langevin.StepSize, Noise: langevin.Sigma,
			Leapfrogs: 3, Temperature: 1, Hot: 1, Cooling: 0.97, Precision: string(engine.Auto)},
		Augmentation: "none", Noise: UniformNoise,
		Generation: Generation{Augmented: 8, Plain: 15},
	}
}

// augmentations are the choices for Config.Augmentation.
var augmentations = map[string]mcmc.Augmentation{
	"none": mcmc.NoAugmentation, "cifar10": mcmc.AugmentCIFAR10, "large": mcmc.AugmentLarge, "imagenet": mcmc.AugmentImageNet,
}

// Validate says, in one line that names the setting, what cannot work. It completes what was left open: the network's filters and
// image, and the precision that suits this machine.
func (c *Config) Validate() error {
	s := &c.Sampler
	for _, k := range []struct {
		key                string
		value, least, most float64
	}{
		{"held_out", float64(c.HeldOut), 1, 1e6},
		{"sampler.steps", float64(s.Steps), 1, 1e6},
		{"generation.augmented", float64(c.Generation.Augmented), 0, 1e6},
		{"generation.plain", float64(c.Generation.Plain), 0, 1e6},
		{"generation.renoise", c.Generation.Renoise, 0, 1},
	} {
		if err := settings.CheckRange(k.key, k.value, k.least, k.most); err != nil {
			return err
		}
	}
	if _, err := c.DataOptions(); err != nil {
		return err
	}
	if err := c.completeTiles(); err != nil {
		return err
	}
	if _, ok := augmentations[c.Augmentation]; !ok {
		return fmt.Errorf("setting augmentation is %.40q: want none, cifar10, large or imagenet", c.Augmentation)
	}
	if c.Noise != UniformNoise && c.Noise != SpectrumNoise {
		return fmt.Errorf("setting noise is %.40q: want %s or %s", c.Noise, UniformNoise, SpectrumNoise)
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
	for _, known := range energy.Networks() {
		if known.Name == n.Name && n.Filters == 0 {
			n.Filters = known.Filters
		}
	}
	if len(n.Image) != 0 && (len(n.Image) != 3 || n.Image[2] != 1 && n.Image[2] != 3) {
		return fmt.Errorf("setting network.image is %v: want height, width and 1 or 3 channels, such as 28,28,1", n.Image)
	}
	classes := len(n.Numbers)
	if classes > 0 {
		n.Conditional = true
	} else if n.Conditional {
		classes = 1 // any number: the data will say
	}
	if c.Composition != nil {
		open, err := c.Composition.open()
		if err != nil {
			return err
		}
		classes = open.width()
	}
	e, err := c.NewEnergy(classes)
	if err != nil {
		return err
	}
	n.Image = append([]int{}, e.Image[:]...)
	return nil
}

// NewEnergy makes the energy that the configuration describes, with a label of so many classes; 0: unconditional.
func (c *Config) NewEnergy(classes int) (*energy.Energy, error) {
	n := &c.Network
	var image expr.Shape
	copy(image[:], n.Image)
	e, err := c.build(energy.Options{Filters: n.Filters, MultiScale: n.MultiScale, Attention: n.Attention, Classes: classes,
		Norm: energy.Norm(n.Norm), Kernel: energy.Kernel(n.Kernel), Image: image})
	if err != nil {
		return nil, err
	}
	if len(n.Image) != 0 && e.Image != image {
		return nil, fmt.Errorf("setting network.image is %v, but the energy %s is of images of %v", n.Image, n.Name, e.Image)
	}
	if e.Classes != classes {
		return nil, fmt.Errorf("setting network.conditional asks for a label of %d classes, but the energy %s has %d", classes, n.Name, e.Classes)
	}
	return e, nil
}

func (c *Config) build(o energy.Options) (*energy.Energy, error) {
	if c.Composition != nil {
		return c.Composition.energy()
	}
	e, err := build(c.Network.Name, o)
	if unknown := (unknownNetwork{}); err != nil && !errors.As(err, &unknown) {
		err = fmt.Errorf("settings network.*: %w", err)
	}
	return e, err
}

// ImageSize is the size of the images.
func (c *Config) ImageSize() dataset.Size {
	n := c.Network.Image
	return dataset.Size{Height: n[0], Width: n[1], Channels: n[2]}
}

// NewSampler makes the sampler that the configuration describes, or says what is wrong with the description.
func (c *Config) NewSampler() (mcmc.Sampler, error) {
	s := &c.Sampler
	sampler, err := mcmc.New(s.Kind, mcmc.Options{
		StepSize: s.StepSize, Coarse: s.Coarse, Noise: s.Noise, Anneal: s.Anneal, Leapfrogs: s.Leapfrogs, Temperature: s.Temperature,
		Hot: s.Hot, Cooling: s.Cooling,
	})
	if err != nil {
		return nil, fmt.Errorf("setting sampler.%w", err)
	}
	return sampler, nil
}

// Transitions are the random transforms of images out of the buffer.
func (c *Config) Transitions() mcmc.Augmentation { return augmentations[c.Augmentation] }

// NewGeneration is how images are generated.
func (c *Config) NewGeneration() mcmc.Generation {
	g := mcmc.NewGeneration(c.Sampler.Steps, c.Generation.Augmented, c.Generation.Plain, c.Transitions())
	g.Renoise, g.Noise = c.Generation.Renoise, c.Spectrum
	return g
}
