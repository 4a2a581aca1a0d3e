// Package joule is the way into a library for energy-based models of images: p(x) ∝ exp(-E(x)), learnt by improved contrastive
// divergence (Du et al., ICML 2021). It holds no code of its own. A model is made of these packages, each knowing only those
// above it:
//
//   - [github.com/joule-ebm/joule/expr]: computations over images, symbolically, and their derivatives of any order;
//   - [github.com/joule-ebm/joule/engine]: what it means to run them, and engine/cpu, which does it fast;
//   - [github.com/joule-ebm/joule/energy]: what E is: the networks, and the blocks to build others;
//   - [github.com/joule-ebm/joule/mcmc]: how samples are drawn: Langevin dynamics, HMC, replay buffer, augmentation;
//   - [github.com/joule-ebm/joule/cd]: how E is learnt: the terms of the loss and the training step;
//   - [github.com/joule-ebm/joule/dataset]: where images come from;
//   - [github.com/joule-ebm/joule/model]: a learnt energy as a thing one can hold: opened, saved, sampled, measured;
//   - [github.com/joule-ebm/joule/detect]: what is out of distribution, with what certainty, since when and where;
//   - [github.com/joule-ebm/joule/eval]: how good a model is: quality, likelihood, chains, studies;
//   - [github.com/joule-ebm/joule/run]: a training run as a directory that survives being killed;
//   - [github.com/joule-ebm/joule/report]: a run as a page.
//
// The folder examples has programs of a page each, CONTRIBUTING.md says how to add a term, a sampler, a network, a format.
//
// The example defines an energy, trains it and compares the energies of digits and clothes.
package joule
