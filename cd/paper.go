package cd

import "github.com/joule-ebm/joule/mcmc"

// PaperSettings are those of Du et al. (2021) for CIFAR-10, augmentation aside: 40 steps of Langevin dynamics and all terms of the
// loss. The batch, which the caller of [Trainer.Step] decides, has 128 images there.
func PaperSettings() Settings {
	return Settings{
		Seed:  1,
		Steps: 40, Sampler: mcmc.Langevin{StepSize: 100, Sigma: 0.001},
		BufferSize: mcmc.ReplaySize, Restart: mcmc.Restart,
		Weights:   Weights{Magnitude: 1, Optimisation: 1, Entropy: 0.3},
		Neighbour: 1, References: 100, EntropyAfter: 1000,
		LearningRate: 2e-4, Beta1: 0, Beta2: 0.9, Epsilon: 1e-8, ClipNorm: 0.5, Decay: 0.99,
	}
}
