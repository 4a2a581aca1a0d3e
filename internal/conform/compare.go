package conform

import (
	"context"
	"math"
	"strings"

	"github.com/joule-ebm/joule/engine"
)

// This file measures errors:
//
//	error = ‖computed - recorded‖ / ‖recorded‖        Euclidean, over all numbers of a quantity together

// quantities are what is compared, and how far off arithmetic may be: float32, with factors split into two bf16 numbers, with factors
// rounded to tf32, and to bf16. Zero: not asked of it.
var quantities = []struct {
	name                       string
	float32, split, tf32, bf16 float64
}{
	{"energy", 1e-5, 1e-4, 1e-3, 3e-2},
	{"score_grad_x", 1e-5, 3e-4, 3e-2, 2e-1},
	{"chain_end", 1e-5, 1e-5, 1e-3, 1e-2},
	{"chain_before_last_step", 1e-5, 1e-5, 1e-3, 1e-2},
	{"x_kl", 1e-5, 1e-5, 2e-4, 1e-3},
	{"grad_cd", 1e-4, 2e-4, 1e-2, 1e-1},
	{"grad_opt", 3e-4, 1e-3, 0, 0},
	{"grad_ent", 3e-4, 5e-4, 0, 0},
	{"param_after_adam", 1e-4, 1e-4, 5e-4, 2e-3},
}

// Result is the error of one quantity.
type Result struct {
	Quantity  string  `json:"quantity"`
	Error     float64 `json:"error"` // relative; math.MaxFloat64 if numbers are not finite
	Tolerance float64 `json:"tolerance"`
	OK        bool    `json:"ok"`
	// Worst is the parameter that contributes most to the error, of the quantities that have a value per parameter.
	Worst string `json:"worst,omitempty"`
}

// Check computes the case with an engine of that precision, which must not be Auto, and compares. An error says that something could
// not be computed at all.
func (c *Case) Check(ctx context.Context, e engine.Engine, p engine.Precision) ([]Result, error) {
	computed, err := c.compute(ctx, e)
	if err != nil {
		return nil, err
	}
	var results []Result
	for _, q := range quantities {
		r := Result{Quantity: q.name, Tolerance: q.float32}
		switch p {
		case engine.Split:
			r.Tolerance = q.split
		case engine.TF32:
			r.Tolerance = q.tf32
		case engine.BF16:
			r.Tolerance = q.bf16
		}
		if r.Tolerance == 0 {
			continue
		}
		r.Error, r.Worst = c.distance(q.name, computed)
		r.OK = r.Error <= r.Tolerance
		results = append(results, r)
	}
	return results, nil
}

// Failures counts the quantities that are off by more than their tolerance.
func Failures(results []Result) int {
	n := 0
	for _, r := range results {
		if !r.OK {
			n++
		}
	}
	return n
}

// parts are the tensors of a quantity: itself, or one per parameter.
func (c *Case) parts(quantity string) []tensor {
	var parts []tensor
	for _, t := range c.recorded {
		if t.name == quantity || strings.HasPrefix(t.name, quantity+"/") {
			parts = append(parts, t)
		}
	}
	return parts
}

// distance is the relative error of a quantity, and the parameter that contributes most. A parameter that the network does not
// use has no gradient and does not move.
func (c *Case) distance(quantity string, computed map[string][]float32) (relative float64, worst string) {
	var difference, norm, most float64
	for _, t := range c.parts(quantity) {
		_, parameter, perParameter := strings.Cut(t.name, "/")
		values := computed[t.name]
		if values == nil {
			values = make([]float32, len(t.values))
			if stays := c.find("param/" + parameter); quantity == "param_after_adam" && stays != nil {
				copy(values, stays.values)
			}
		}
		own := 0.0
		for i, want := range t.values {
			d := float64(values[i]) - float64(want)
			own += d * d
			norm += float64(want) * float64(want)
		}
		if difference += own; perParameter && !(own <= most) {
			worst, most = parameter, own
		}
	}
	if difference == 0 {
		return 0, ""
	}
	if relative = math.Sqrt(difference / norm); !(relative <= math.MaxFloat64) {
		relative = math.MaxFloat64
	}
	return relative, worst
}
