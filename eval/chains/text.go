package chains

// This file writes a report for people.

import (
	"fmt"
	"strings"
	"text/tabwriter"
)

// String is the report as joule eval chains prints it.
func (r *Report) String() string {
	w := new(strings.Builder)
	fmt.Fprintf(w, "%d samples by chains of %d steps; %d chains of %d draws, one every %d steps:\n\n", r.Samples, r.Steps, r.Samples, r.Draws, r.Every)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "\teffective\tdraws\tR-hat\tmean\tdeviation\t")
	for _, trace := range r.Traces {
		fmt.Fprintf(t, "%s\t%.1f\t%d\t%.3f\t%.4g\t%.3g\t\n", trace.Name, trace.Effective, trace.Draws, trace.RHat, trace.Mean, trace.Std)
	}
	_ = t.Flush() // a Builder has no errors
	verdict := func(found bool, yes, no string) string {
		if found {
			return yes
		}
		return no
	}
	fmt.Fprintf(w, "\n%s. Displacement %.4f along a path of %.4f; two images are %.4f apart. Acceptance %.3f.\n",
		verdict(r.Agree(), "The chains agree", "The chains do not agree: where each is depends on where it started"),
		r.Displacement, r.PathLength, r.ImageDistance, r.Acceptance)

	c := r.Copying
	fmt.Fprintf(w, "\nNearest training image, median distance: of samples %.4f, of images held out %.4f.\n", c.Samples, c.HeldOut)
	fmt.Fprintf(w, "  A sample is farther than an image held out with probability %.3f (z = %.1f, p = %.2g): %s.\n",
		c.SamplesAbove.Above, c.SamplesAbove.Z, c.SamplesAbove.P,
		verdict(c.Found(), "samples are nearer to training images than unseen images are: a sign of copying", "no sign of copying"))

	m := r.Memory
	fmt.Fprintf(w, "\nMean energy: of training images %.5g, of images held out %.5g.\n", m.Training, m.HeldOut)
	fmt.Fprintf(w, "  One held out is above one of training with probability %.3f (z = %.1f, p = %.2g): %s.\n",
		m.HeldOutAbove.Above, m.HeldOutAbove.Z, m.HeldOutAbove.P,
		verdict(m.Found(), "the model has lower energies for what it was trained on", "no sign of memory"))

	if r.Classes != nil {
		fmt.Fprintf(w, "\nClasses shown, %d of %d:", r.Classes.Covered, len(r.Classes.Counts))
		for k, n := range r.Classes.Counts {
			name := fmt.Sprint(k)
			if k < len(r.Classes.Names) {
				name = r.Classes.Names[k]
			}
			fmt.Fprintf(w, " %s:%d", name, n)
		}
		fmt.Fprintf(w, "\n  Entropy %.3f nats (images %.3f); as even as the images' with p = %.2g.\n", r.Classes.Entropy, r.Classes.EntropyImages, r.Classes.P)
		fmt.Fprintf(w, "  The classifier is sure of %.0f%% of samples, of %.0f%% of images.\n", 100*r.Classes.Sure, 100*r.Classes.SureImages)
	}
	return w.String()
}
