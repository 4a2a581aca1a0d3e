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
// and so has one beside them, in [Terms], the straight way from noise to data: [Flow].
//
// Another term is another element of [Settings].Terms:
//
//	// Decay is L_decay = ‖θ‖².
//	func Decay(b *cd.Batch) *expr.Value {
//		sum := expr.Const(0)
//		for _, p := range b.Parameters() {
//			sum = expr.Add(sum, expr.Total(expr.Mul(p, p)))
//		}
//		return sum
//	}
//
//	settings := cd.PaperSettings()
//	settings.Terms = append(settings.Terms, cd.Term{Name: "decay", About: "squared parameters", Weight: 1e-4, Loss: Decay})
//
// What a term needs follows from what it asks the batch for: chains are differentiated, and the buffer is asked for reference images, where
// a term looks at them, and not otherwise. Its value and its gradient's norm are in [Metrics] under its name. One that is a line of
// [Terms] is a setting of every run, loss.NAME.
//
// An [Objective] is the compiled sum of the terms and its derivative with respect to the parameters.
//
// # The training step
//
// A [Trainer] holds the state of training; [Trainer.Step] is one iteration:
//
//   - chains start from the replay buffer, augmented, and take K steps of the sampler to x⁻;
//   - the loss and its gradient are computed;
//   - the update is made;
//   - x⁻ goes into the buffer.
//
// All random numbers are named by the seed and the iteration: the same state goes on to the same numbers, on any number of threads.
//
// # The update
//
//	g ← g·min(1, 0.5/‖g‖)                       ClipNorm
//	θ ← Adam(θ, g)                              Adam
//	a ← 0.99·a + 0.01·θ                         Average
//
// The moving average a is the model.
//
// # Divergence
//
// An iteration whose numbers are no longer those of a training that learns ([Metrics.Healthy]) makes no update and says [ErrDiverged]. The
// caller goes back to a state that it has kept, with another Attempt, and so other noise, and a smaller RateScale.
package cd
