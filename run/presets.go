package run

// This file holds configurations to start from. The constants of training are the paper's, which package cd has, where a preset does not
// say otherwise.

import (
	"fmt"
	"strings"

	"github.com/joule-ebm/joule/cd"
	"github.com/joule-ebm/joule/dataset"
	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/engine/cpu"
	"github.com/joule-ebm/joule/model"
)

// DefaultPreset is the preset to use where none is given.
const DefaultPreset = "mnist"

// Preset is a named configuration.
type Preset struct {
	Name, About string
	change      func(*Config)
}

// Presets lists the configurations to start from.
func Presets() []Preset {
	return []Preset{
		{"mnist", "digits in a few minutes on two cores, from the MNIST images built in", (*Config).digits},
		{"mnist-conditional", "an energy for each digit, in as long: what is asked for is drawn", func(c *Config) {
			c.classes(0.1)
			c.Limits.Iterations = 1500
		}},
		{"objects", "rendered objects, each by a value of --attribute, in some eight minutes of a core", func(c *Config) {
			c.classes(1)
			c.Data, c.Network.Image = dataset.Objects, []int{32, 32, 3}
			c.Buffer.Size, c.Buffer.Relabel, c.Loss.EntropyAfter = 1000, 0.4, 400
			c.Limits.Iterations = 2400
		}},
		{"mnist-paper", "the paper's network for MNIST with the paper's constants", func(c *Config) {
			c.Network.Name = "mnist"
			c.Limits.Iterations = 20_000
		}},
		{"cifar10", "the paper's CIFAR-10 model, for days on many cores; needs --data", func(c *Config) {
			c.photographs("cifar10")
			c.Augmentation = "cifar10"
			c.Limits.Iterations = 20_000
		}},
		{"cifar10-small", "the network of photos32 as it was trained before: L_ent, chains from uniform noise; needs --data", func(c *Config) {
			c.short("cifar10", 16)
			c.Augmentation = "cifar10"
			c.Generation.Augmented = 40
			c.Sampler.Steps, c.Buffer.Restart = 20, 0.02
			c.Optimiser.Batch = 32
			c.Output.Checkpoint, c.Output.Samples, c.Output.Noise = 20, 20, 400
			c.Limits.Iterations = 2000
		}},
		{"photos32", "a narrow network for photographs at 32×32, half an hour on two cores; needs --data", func(c *Config) {
			c.natural(16)
			c.coarse()
			c.Limits.Iterations = 12_000
		}},
		{"tiles32", "photos32 with steps as long for details, for tiles of pictures, half an hour on two cores; needs --data", func(c *Config) {
			c.natural(16)
			c.Limits.Iterations = 12_000
		}},
		{"photos32-wide", "photos32 with twice the filters, two to three hours on two cores; needs --data", func(c *Config) {
			c.natural(32)
			c.coarse()
			c.Limits.Iterations = 18_000
		}},
		{"photos32-night", "photos32-wide for a night, three to five hours on two cores; needs --data", func(c *Config) {
			c.natural(32)
			c.coarse()
			c.Optimiser.Cooldown = 0.8
			c.Limits.Iterations = 30_000
		}},
		{"photos64", "a narrow network for photographs at 64×64, an hour on two cores; needs --data", func(c *Config) {
			c.narrow(64, 32)
			c.Optimiser.Batch, c.Limits.Iterations = 32, 4000
		}},
		{"photos128", "a narrow network for photographs at 128×128, an hour on two cores; needs --data", func(c *Config) {
			c.narrow(128, 16)
			c.Sampler.StepSize = cd.PaperStepSize128
			c.Optimiser.Batch, c.Limits.Iterations = 16, 3000
		}},
		{"celeba128", "the paper's model of faces at 128×128, for many cores; needs --data", func(c *Config) {
			c.photographs("celeba128")
			c.Augmentation = "large"
			c.Sampler.StepSize = cd.PaperStepSize128
			c.Output.Checkpoint, c.Output.Samples = 10, 10
			c.Limits.Iterations = 20_000
		}},
	}
}

// Usage explains the presets, a line each, for the help of a command.
func Usage() string {
	var lines strings.Builder
	for _, k := range Presets() {
		fmt.Fprintf(&lines, "  %-18s %s\n", k.Name, k.About)
	}
	return lines.String()
}

// PresetConfig returns the configuration of a preset.
func PresetConfig(name string) (Config, error) {
	var names []string
	for _, p := range Presets() {
		if p.Name == name {
			c := paper()
			p.change(&c)
			return c, nil
		}
		names = append(names, p.Name)
	}
	return Config{}, fmt.Errorf("no preset %.40q: want one of %s", name, strings.Join(names, ", "))
}

// paper has the quick network on MNIST, and for the rest what the paper's models have in common.
func paper() Config {
	var c Config
	s := cd.PaperSettings()
	c.Config = model.Paper()
	c.Buffer.Size, c.Buffer.Restart = s.BufferSize, s.Restart
	c.Loss = paperLoss()
	c.Optimiser.Batch, c.Optimiser.LearningRate = cd.PaperBatch, s.LearningRate
	c.Optimiser.Beta1, c.Optimiser.Beta2, c.Optimiser.Epsilon = s.Beta1, s.Beta2, s.Epsilon
	c.Optimiser.Clip, c.Optimiser.Average, c.Optimiser.Warmup = s.ClipNorm, s.Decay, s.Warmup
	c.Optimiser.Lanes = 128 // 64 cores share the paper's batch of 128 evenly
	c.Output.Checkpoint, c.Output.Samples, c.Output.Pictures, c.Output.HeldOut, c.Output.Diagnose = 50, 50, 64, 50, 50
	c.Output.Noise = 200
	c.Recovery.Failures, c.Recovery.RateFactor = 5, 0.5
	return c
}

// classes has what short trainings of an energy for each class share, with L_flow, which teaches the way from noise to each, weighted so.
func (c *Config) classes(flow float64) {
	c.digits()
	c.Network.Conditional = true
	c.Loss = c.Loss.WithWeight("flow", flow)
	c.Optimiser.Batch, c.Optimiser.LearningRate = 32, 1e-3
}

// before is what a configuration says that does not say everything, because it is from before there was a choice.
func before() Config {
	c := paper()
	c.Sampler.Precision, c.Optimiser.Lanes = string(engine.Float32), cpu.DefaultLanes
	c.Output.Noise = 0
	return c
}

// digits has what goes with short trainings on MNIST.
func (c *Config) digits() {
	c.Sampler.Steps = 20
	c.Buffer.Restart = 0.1 // short training sees little noise otherwise, and samples from noise then fall into few modes
	// Chains that short training has taught for a few rounds lose variety where they run for many. Each goes half of the way back to noise.
	c.Generation = model.Generation{Augmented: 3, Renoise: 0.5}
	c.Loss = c.Loss.WithWeight("flow", 0.03) // teaches the way from noise to every class, and energies beside that way
	c.Optimiser.Batch, c.Optimiser.LearningRate, c.Optimiser.Cooldown = 64, 5e-4, 0.5
	c.Optimiser.Lanes = cpu.DefaultLanes
	c.Limits.Iterations = 1200
}

// narrow has the network for faces with few filters, for images with sides of so many pixels, and what goes with short trainings.
func (c *Config) narrow(side, filters int) {
	c.short("celeba128", filters)
	c.Network.Image = []int{side, side, 3}
	c.Augmentation = "large"
	c.Generation.Augmented = 40
	c.Sampler.Steps, c.Buffer.Restart = 20, 0.02
	c.Output.Checkpoint, c.Output.Samples = 20, 20
}

// natural has the paper's network for CIFAR-10 with few filters, and what goes with trainings of hours that learn the contrast of photographs.
func (c *Config) natural(filters int) {
	c.short("cifar10", filters)
	c.Augmentation, c.Noise = "cifar10", model.SpectrumNoise
	c.Sampler.Steps, c.Buffer.Restart = 10, 0.1
	c.Generation.Augmented = 5
	c.Loss = c.Loss.WithWeight("ent", 0) // energies of photographs are small: beside them L_ent asks for contrast that no photograph has
	c.Optimiser.Batch, c.Optimiser.Cooldown = 32, 0.5
	c.Output.Checkpoint, c.Output.Samples, c.Output.Noise = 50, 50, 1000
}

// coarse has steps that go further in what is coarse, as photographs have little in what is fine. Of tiles of pictures, which are full of it, they
// lose hold: the energies of chains run away from the data's. And L_opt, whose gradient takes a quarter of an iteration, of a quarter of the chains.
func (c *Config) coarse() {
	c.Sampler.StepSize, c.Sampler.Coarse = 25, 2
	c.Loss.KLChains = 8
}

// short has a network of the paper's for photographs with few filters, and what goes with trainings on few cores.
func (c *Config) short(network string, filters int) {
	c.photographs(network)
	c.Network.Filters, c.Network.Attention = filters, false
	// Chains of a short training go on to stronger and stronger colours where no augmentation takes them back.
	c.Generation.Plain = 0
	c.Optimiser.LearningRate, c.Optimiser.Lanes = 1e-3, cpu.DefaultLanes
}

// photographs has what the paper's models of colour images share.
func (c *Config) photographs(network string) {
	c.Data = ""
	c.Network.Name, c.Network.MultiScale, c.Network.Attention = network, true, true
}
