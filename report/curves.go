package report

// This file makes charts of what a run measured at each iteration. Long runs are drawn by the means of some iterations in a row,
// with a band from the least to the largest of them.

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/joule-ebm/joule/cd"
	"github.com/joule-ebm/joule/internal/metrics"
)

// column is one quantity by iteration; those where it was not measured are left out.
type column struct {
	iteration, value []float64
	place            int // among the columns, in the order in which they first have a value
}

// columns takes records apart by name.
func columns(records []metrics.Record) map[string]column {
	c := map[string]column{}
	for _, r := range records {
		for _, f := range r.Fields {
			q, ok := c[f.Name]
			if !ok {
				q.place = len(c)
			}
			c[f.Name] = column{append(q.iteration, float64(r.Iteration)), append(q.value, f.Value), q.place}
		}
	}
	return c
}

// plan is a chart of some quantities.
type plan struct {
	title, about, unit string
	log, zero          bool
	curves             []planned
}

// planned is a quantity, and another that is its standard deviation, if any. A quantity that ends in an asterisk stands for all that
// begin so and are in no other curve of the plan, such as those of the terms of the loss; each is named L_ and what the asterisk stands for.
type planned struct{ name, quantity, spread string }

// curvesOf are the curves of a plan, with what asterisks stand for in their place.
func (p plan) curvesOf(c map[string]column) []planned {
	var curves []planned
	for _, q := range p.curves {
		prefix, all := strings.CutSuffix(q.quantity, "*")
		if !all {
			curves = append(curves, q)
			continue
		}
		var found []planned
		for name := range c {
			term, ok := strings.CutPrefix(name, prefix)
			if ok && !slices.ContainsFunc(p.curves, func(q planned) bool { return q.quantity == name }) {
				found = append(found, planned{name: "L_" + term, quantity: name})
			}
		}
		slices.SortFunc(found, func(a, b planned) int { return c[a.quantity].place - c[b.quantity].place })
		curves = append(curves, found...)
	}
	return curves
}

// terms explains the names of the terms.
func terms() string {
	var list []string
	for _, t := range cd.Terms(cd.PaperEntropy(), cd.Flow{}) {
		list = append(list, "L_"+t.Name+" "+t.About)
	}
	return strings.Join(list, ", ")
}

// plans are the charts in order. What a run has not measured is left out, and so is what never changed where that says nothing.
var plans = []plan{
	{title: "Loss", about: "The sum that training lowers, and its terms before their coefficients: " + terms() + ". It need not fall: data and samples pull against each other.",
		unit: "loss", zero: true, curves: []planned{{"total", "loss_total", ""}, {"", "loss_*", ""}}},
	{title: "Energies", about: "Of images of the data and of samples, with a band of one standard deviation. They should stay together and near 0.",
		unit: "energy", zero: true, curves: []planned{{"data", "energy_data", "energy_spread_data"}, {"samples", "energy_samples", "energy_spread_samples"}}},
	{title: "Gap", about: "Energy of samples minus energy of data: about 0 when samples are as likely as data.",
		unit: "energy", zero: true, curves: []planned{{"gap", "energy_gap", ""}}},
	{title: "Images held out", about: "Their energy under the averaged weights, which are the model, with a band of one standard deviation.",
		unit: "energy", curves: []planned{{"held out", "held_out_energy", "held_out_spread"}}},
	{title: "Gradient norms", about: "Of the whole loss before clipping, and now and then of its terms, or groups of them, by themselves. Sudden jumps are the first sign of trouble.",
		unit: "norm", log: true, curves: []planned{{"whole", "gradient_norm", ""}, {"", "gradient_*", ""}}},
	{title: "Chain movement", about: "Root mean square change of a pixel from start to end of a chain, in units of intensity. Near 0, chains are stuck.",
		unit: "distance", zero: true, curves: []planned{{"moved", "chain_moved", ""}}},
	{title: "Acceptance", about: "Share of proposals of Hamiltonian Monte Carlo that were accepted.",
		unit: "share", zero: true, curves: []planned{{"accepted", "chain_acceptance", ""}}},
	{title: "Diversity", about: "Standard deviation of a pixel over the images of a batch. Samples far below data repeat themselves.",
		unit: "distance", zero: true, curves: []planned{{"samples", "diversity_samples", ""}, {"data", "diversity_data", ""}}},
	{title: "Kinds of images", about: "Entropy of the classes that samples from noise show, beside images of the replay buffer and of the data, in the eyes of the network that comes with Joule. Far below both, chains from noise have collapsed to a few kinds.",
		unit: "nats", zero: true, curves: []planned{{"from noise", "noise_entropy", ""}, {"buffer", "buffer_entropy", ""}, {"data", "data_entropy", ""}}},
	{title: "Distance from the data", about: "Fréchet distance of so few images from the data in the features of that network: that of as many images of the data is as near as can be.",
		unit: "FD", log: true, curves: []planned{{"from noise", "noise_fd", ""}, {"buffer", "buffer_fd", ""}, {"data", "data_fd", ""}}},
	{title: "Spacing", about: "Mean distance to the nearest other image: samples from noise far below the others repeat themselves.",
		unit: "distance", zero: true, curves: []planned{{"from noise", "noise_spacing", ""}, {"buffer", "buffer_spacing", ""}, {"data", "data_spacing", ""}}},
	{title: "Energies from noise", about: "Mean energy under the averaged weights. Samples from noise far above the replay buffer do not get to where its images lie.",
		unit: "energy", zero: true, curves: []planned{{"from noise", "noise_energy", ""}, {"buffer", "buffer_energy", ""}}},
	{title: "Replay buffer", about: "Mean age of its images, in iterations since they were put there.",
		unit: "iterations", zero: true, curves: []planned{{"age", "buffer_age", ""}}},
	{title: "Learning rate", about: "It falls each time training has diverged and gone back.",
		unit: "rate", zero: true, curves: []planned{{"learning rate", "update_learning_rate", ""}}},
	{title: "Time of an iteration", about: "On the machine it was trained on, with whatever else it did.",
		unit: "seconds", zero: true, curves: []planned{{"seconds", "time_seconds", ""}}},
}

// ifChanging are quantities that are only worth a chart if they change.
var ifChanging = map[string]bool{"chain_acceptance": true, "update_learning_rate": true}

// charts draws the plans of which something was measured.
func charts(c map[string]column) (drawn []*chart) {
	for _, p := range plans {
		ch := &chart{Title: p.title, About: p.about, XLabel: "iteration", YLabel: p.unit, Log: p.log, Zero: p.zero}
		for _, q := range p.curvesOf(c) {
			values, ok := c[q.quantity]
			if !ok || ifChanging[q.quantity] && slices.Min(values.value) == slices.Max(values.value) {
				continue
			}
			s := thin(values)
			if spread, ok := c[q.spread]; ok && slices.Equal(spread.iteration, values.iteration) {
				width := thin(spread).Y
				s.Low, s.High = slices.Clone(s.Y), slices.Clone(s.Y)
				for i, w := range width {
					s.Low[i] -= w
					s.High[i] += w
				}
			}
			s.Name = q.name
			ch.Series = append(ch.Series, s)
		}
		if len(ch.Series) > 0 && !ch.empty() {
			drawn = append(drawn, ch)
		}
	}
	return drawn
}

// thin makes a curve of a column: of each few iterations in a row, the mean, least and largest value; of a short one, all.
func thin(c column) series {
	n := len(c.value)
	if n <= mostPoints {
		return series{X: c.iteration, Y: c.value}
	}
	var s series
	for p := range mostPoints {
		from, to := p*n/mostPoints, (p+1)*n/mostPoints
		mean, lo, hi := 0.0, math.Inf(1), math.Inf(-1)
		for _, v := range c.value[from:to] {
			mean, lo, hi = mean+v/float64(to-from), min(lo, v), max(hi, v)
		}
		s.X, s.Y = append(s.X, c.iteration[to-1]), append(s.Y, mean)
		s.Low, s.High = append(s.Low, lo), append(s.High, hi)
	}
	return s
}

// timings sums up how long iterations took.
func timings(c map[string]column) (facts []Fact) {
	seconds := slices.DeleteFunc(slices.Clone(c["time_seconds"].value), func(s float64) bool { return !(s >= 0 && s < 1e12) })
	if len(seconds) == 0 {
		return nil
	}
	total := 0.0
	for _, s := range seconds {
		total += s
	}
	slices.Sort(seconds)
	at := func(q float64) float64 { return seconds[int(q*float64(len(seconds)-1))] }
	return []Fact{
		{"Training", duration(total), "sum over the iterations recorded, without reading data and saving"},
		{"An iteration", duration(at(0.5)), "median"},
		{"Nine in ten took", fmt.Sprintf("%s to %s", duration(at(0.05)), duration(at(0.95))), "other work on the machine counts too"},
	}
}

// duration writes seconds for people.
func duration(seconds float64) string {
	switch {
	case seconds < 0.9995: // which is printed as 1000
		return fmt.Sprintf("%.3g ms", 1000*seconds)
	case seconds < 120:
		return fmt.Sprintf("%.3g s", seconds)
	case seconds < 2*3600:
		return fmt.Sprintf("%.3g min", seconds/60)
	}
	return fmt.Sprintf("%.3g h", seconds/3600)
}
