package conform

// This file says what came of a case in a file.

import (
	"context"
	"fmt"
	"strings"

	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/engine/cpu"
)

// Report is what came of a file.
type Report struct {
	File      string           `json:"file"`
	Network   string           `json:"network"`
	Kernels   string           `json:"kernels"`
	Precision engine.Precision `json:"precision"`
	Results   []Result         `json:"results"`
	OK        bool             `json:"ok"`
}

// CheckFile computes the case in a file with the kernels and at the precision of an engine, which must name both, and compares.
func CheckFile(ctx context.Context, path string, e *cpu.Engine) (Report, error) {
	c, err := ReadFile(path)
	if err != nil {
		return Report{}, err
	}
	results, err := c.Check(ctx, e, e.Precision)
	if err != nil {
		return Report{}, fmt.Errorf("%s: %w", path, err)
	}
	return Report{path, c.Network, e.Kernels.Name, e.Precision, results, Failures(results) == 0}, nil
}

// String has a line for each quantity.
func (r Report) String() string {
	var text strings.Builder
	fmt.Fprintf(&text, "%s: network %s, kernels %s, %s\n", r.File, r.Network, r.Kernels, r.Precision)
	for _, q := range r.Results {
		verdict := "ok"
		if !q.OK {
			verdict = "FAIL"
			if q.Worst != "" {
				verdict += ", mostly by " + q.Worst
			}
		}
		fmt.Fprintf(&text, "  %-24s %.1e  of at most %.0e  %s\n", q.Quantity, q.Error, q.Tolerance, verdict)
	}
	return text.String()
}
