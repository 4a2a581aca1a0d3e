package cd

// This file holds the constants of training of Du et al. (2021), from the paper and its authors' code, in one place. Where they
// differ the code's are taken: see docs/method.md.

import "github.com/joule-ebm/joule/mcmc"

const (
	// PaperBatch is the number of images, and of chains, of an iteration.
	PaperBatch = 128
	// PaperStepSize128 is the sampler's λ for images of 128×128 pixels; that of [PaperSettings] is for 32×32.
	PaperStepSize128 = 500
	// PaperEnergyLimit is the |mean E(x⁺)| beyond which training has diverged.
	PaperEnergyLimit = 10
)

// PaperSettings are those for CIFAR-10, augmentation aside: 40 steps of Langevin dynamics and all terms of the loss.
func PaperSettings() Settings {
	return Settings{
		Seed:  1,
		Steps: 40, Sampler: mcmc.Langevin{StepSize: 100, Sigma: 0.001},
		BufferSize: mcmc.ReplaySize, Restart: mcmc.Restart,
		Terms:        PaperTerms(PaperEntropy()),
		LearningRate: 2e-4, Beta1: 0, Beta2: 0.9, Epsilon: 1e-8, ClipNorm: 0.5, Decay: 0.99,
	}
}

// PaperTerms are the terms of the loss, with their weights. The entropy may be estimated otherwise than by [PaperEntropy].
func PaperTerms(entropy Entropy) []Term {
	return []Term{
		{Name: "cd", About: "contrastive divergence", Weight: 1, Gradient: "cd", Loss: Contrastive},
		{Name: "reg", About: "the squared energies", Weight: 1, Gradient: "cd", Loss: Magnitude},
		{Name: "opt", About: "the first half of the KL term", Weight: 1, Loss: Optimisation},
		{Name: "ent", About: "the second half of the KL term", Weight: 0.3, Buffer: entropy.After + 1, Loss: entropy.Loss},
	}
}

// PaperEntropy is how the entropy of the chains' ends is estimated.
func PaperEntropy() Entropy { return Entropy{Neighbour: 1, References: 100, After: 1000} }

// Terms are those of the paper, and the choices beside them, which weigh nothing unless they are asked for.
func Terms(entropy Entropy, flow Flow) []Term {
	return append(PaperTerms(entropy), Term{Name: "flow", About: "the straight way from noise to data; not in the paper", Loss: flow.Loss})
}
