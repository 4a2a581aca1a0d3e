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
	Device    string           `json:"device"`
	Kernels   string           `json:"kernels,omitempty"` // of the CPU engine
	Precision engine.Precision `json:"precision"`
	Results   []Result         `json:"results"`
	OK        bool             `json:"ok"`
}

// CheckFile computes the case in a file with an engine of that precision, which must not be Auto, and compares.
func CheckFile(ctx context.Context, path string, e engine.Engine, p engine.Precision) (Report, error) {
	c, err := ReadFile(path)
	if err != nil {
		return Report{}, err
	}
	results, err := c.Check(ctx, e, p)
	if err != nil {
		return Report{}, fmt.Errorf("%s: %w", path, err)
	}
	r := Report{File: path, Network: c.Network, Device: engine.Describe(e), Precision: p, Results: results, OK: Failures(results) == 0}
	if c, ok := e.(*cpu.Engine); ok && c.Kernels != nil {
		r.Kernels = c.Kernels.Name
	}
	return r, nil
}

// String has a line for each quantity.
func (r Report) String() string {
	var text strings.Builder
	on := r.Device
	if r.Kernels != "" {
		on = "kernels " + r.Kernels
	}
	fmt.Fprintf(&text, "%s: network %s, %s, %s\n", r.File, r.Network, on, r.Precision)
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
