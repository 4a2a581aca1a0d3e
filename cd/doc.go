// Package cd learns an energy by improved contrastive divergence: Du, Li, Tenenbaum, Mordatch, "Improved Contrastive Divergence
// Training of Energy-Based Models" (ICML 2021), with the constants of the authors' code ([PaperSettings]).
//
// # The loss
//
// The loss is a list of terms, L = Σ wᵢ Lᵢ. A [Term] has a name, a weight and a function that builds its loss from what an iteration
// knows, a [Batch]: images of the data x⁺, ends of chains x⁻, the differentiable end x_kl, images of the replay buffer, and the energy at
// these and at any other points. The terms of the paper, in [PaperTerms], have a file each:
//
//	L_cd  = mean E(x⁺) - mean E(x⁻)             Contrastive
//	L_reg = mean E(x⁺)² + mean E(x⁻)²           Magnitude
//	L_opt = mean E_sg(θ)(x_kl)                  Optimisation
//	L_ent = -mean log ‖x_kl - r_k‖₂             Entropy
//
// Another term is another element of [Settings].Terms. What it needs follows from what it asks the batch for: chains are differentiated
// and the buffer is asked for references where a term looks at them, and not otherwise. Its value and the norm of its gradient are in
// [Metrics] under its name.
//
// [NewObjective] compiles the sum of the terms and its derivative with respect to the parameters.
//
// # The training step
//
// [Trainer.Step] is one iteration: chains start from the replay buffer and take K steps of the sampler to x⁻; the loss and its gradient
// are computed; the update is made; the ends of the chains go into the buffer.
//
// # The update
//
// [ClipNorm] limits the gradient's norm, [Adam] moves the parameters, and [Average] follows them: their moving average is the model.
//
// # Divergence
//
// An iteration whose numbers are no longer those of a training that learns ([Metrics.Healthy]) makes no update and says [ErrDiverged]. The
// caller goes back to a state that it has kept, with another Attempt, and so other noise, or a smaller RateScale.
package cd
