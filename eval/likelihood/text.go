package likelihood

// This file writes a report for people.

import (
	"fmt"
	"strings"
)

// String is the report as joule eval likelihood prints it.
func (r *Report) String() string {
	w := new(strings.Builder)
	estimate := func(name string, e Estimate) {
		fmt.Fprintf(w, "  %-10s %12.3f  (95%% %.3f to %.3f; worth %.1f of %d chains; acceptance %.2f)\n",
			name, e.LogZ, e.Low, e.High, e.Effective, e.Chains, e.Acceptance)
	}
	of := ""
	if r.Label != "" {
		of = " of class " + r.Label
	}
	fmt.Fprintf(w, "log Z of exp(-E/T)%s at T = %g, %d dimensions, against the uniform distribution:\n", of, r.Temperature, r.Dimensions)
	estimate("from below", r.Up)
	estimate("from above", r.Down)
	fmt.Fprintf(w, "\n%d images of %s, mean energy %.4g:\n", r.Images, r.In, r.MeanEnergy)
	fmt.Fprintf(w, "  log-likelihood %.3f nats (%.3f to %.3f)\n", r.LogLikelihood, r.Low, r.High)
	fmt.Fprintf(w, "  at most %.4f bits per dimension (%.4f to %.4f) of 8-bit images; the uniform distribution has 8\n", r.Bits, r.BitsLow, r.BitsHigh)
	if best := r.Best; best.Temperature == 0 {
		fmt.Fprintf(w, "No temperature from %g up makes the images likelier than the uniform distribution does.\n", r.Temperature)
	} else {
		fmt.Fprintf(w, "Of the temperatures that chains pass, %.3g describes the images best: about %.4f bits per dimension.\n", best.Temperature, best.Bits)
		if best == r.Path[len(r.Path)-1] {
			fmt.Fprintln(w, "A lower temperature may do better still.")
		}
	}
	fmt.Fprintln(w)
	for _, warning := range r.Warnings() {
		fmt.Fprintln(w, "note:", warning)
	}
	return w.String()
}
