package report

// This file makes charts and tables of what was computed for the page: energies of in-distribution images and outliers, chains, p-values.

import (
	"fmt"
	"math"
	"slices"

	"github.com/joule-ebm/joule/detect/benchmark"
)

// detectionTable has the figures of each kind of outliers.
func detectionTable(d *benchmark.Result) *table {
	t := &table{Caption: "How well energies tell out-of-distribution images from " + d.In.Name,
		Head: []string{"out of distribution", "AUROC", "AUPR", "FPR95", "mean energy", "images"}}
	for i, o := range d.Comparisons {
		figure := func(value float64, interval func(*benchmark.Intervals) benchmark.Interval) string {
			if o.Intervals == nil {
				return fmt.Sprintf("%.4f", value)
			}
			i := interval(o.Intervals)
			return fmt.Sprintf("%.4f (%.4f–%.4f)", value, i[0], i[1])
		}
		t.Rows = append(t.Rows, []string{d.Out[i].Name,
			figure(o.AUROC, func(i *benchmark.Intervals) benchmark.Interval { return i.AUROC }),
			figure(o.AUPR, func(i *benchmark.Intervals) benchmark.Interval { return i.AUPR }),
			figure(o.FPR95, func(i *benchmark.Intervals) benchmark.Interval { return i.FPR95 }),
			fmt.Sprintf("%.3g", o.MeanOut), fmt.Sprint(o.NumOut)})
	}
	return t
}

// rocChart draws the curves of all kinds together.
func rocChart(d *benchmark.Result) (*chart, error) {
	unit := &[2]float64{0, 1}
	c := &chart{Title: "ROC curves", XLabel: "false-positive rate", YLabel: "true-positive rate",
		About: "For every threshold on the energy: the shares that it flags of in-distribution images and of others. The dotted line is chance.",
		X:     unit, Y: &[2]float64{0, 1.01}, Diagonal: true, Square: true}
	for k, o := range d.Out {
		points, err := benchmark.ROC(d.In.Values, o.Values)
		if err != nil {
			return nil, err
		}
		s := series{Name: fmt.Sprintf("%s, AUROC %.4f", o.Name, d.Comparisons[k].AUROC)}
		for i, p := range points {
			// Steps too small to be seen are passed over.
			if n := len(s.X); n == 0 || i == len(points)-1 || p.FPR-s.X[n-1]+p.TPR-s.Y[n-1] > 0.004 {
				s.X, s.Y = append(s.X, p.FPR), append(s.Y, p.TPR)
			}
		}
		c.Series = append(c.Series, s)
	}
	return c, nil
}

// histograms draw the energies of each kind of outliers over those of in-distribution images.
func histograms(d *benchmark.Result) ([]*chart, error) {
	var drawn []*chart
	for i, o := range d.Out {
		c := &chart{Title: "Energies: " + o.Name, XLabel: "energy", YLabel: "share of images", Zero: true,
			About: fmt.Sprintf("AUROC %.4f. Bars are shares of a kind's own images.", d.Comparisons[i].AUROC)}
		bins, err := benchmark.Bin(d.In, o)
		if err != nil {
			return nil, err
		}
		if bins.Beyond > 0 {
			c.About += fmt.Sprintf(" Images beyond the range, counted in the end bars: %d.", bins.Beyond)
		}
		peak := 0.0
		for k, kind := range []benchmark.Scores{d.In, o} {
			s := series{Name: kind.Name, Area: true}
			width := (bins.High - bins.Low) / float64(len(bins.Counts[k]))
			for bar, count := range bins.Counts[k] {
				share := float64(count) / float64(len(kind.Values))
				peak = max(peak, share)
				edge := bins.Low + width*float64(bar)
				s.X, s.Y = append(s.X, edge, edge+width), append(s.Y, share, share)
			}
			c.Series = append(c.Series, s)
		}
		c.Y = &[2]float64{0, 1.05 * peak}
		drawn = append(drawn, c)
	}
	return drawn, nil
}

// chart draws the energies of the chains by step.
func (c *Chains) chart() *chart {
	ch := &chart{Title: "Energies of chains", XLabel: "step", YLabel: "energy",
		About: "Each line is a chain from noise. They should come down, from beyond the upper edge, to where images are and stay there."}
	steps := make([]float64, len(c.Steps))
	for i, s := range c.Steps {
		steps[i] = float64(s)
	}
	if len(c.InDistribution) > 0 {
		sorted := slices.Sorted(slices.Values(c.InDistribution))
		level := func(q float64) []float64 {
			return slices.Repeat([]float64{sorted[int(q*float64(len(sorted)-1))]}, len(steps))
		}
		ch.Series = append(ch.Series, series{Name: "images not seen in training: median, and where nine in ten lie", X: steps,
			Y: level(0.5), Low: level(0.05), High: level(0.95)})
	}
	if len(c.Energy) == 0 {
		return ch
	}
	// Energies fall far from those of noise; the range is that of the rest.
	var rest []float64
	for _, e := range c.Energy[len(c.Energy)/8:] {
		for _, v := range e {
			if ch.drawable(v) {
				rest = append(rest, v)
			}
		}
	}
	for _, s := range ch.Series {
		rest = append(rest, s.Low[0], s.High[0])
	}
	if len(rest) > 0 {
		lo, hi := bulk(rest)
		margin := 0.3*(hi-lo) + 1e-6*max(math.Abs(lo), math.Abs(hi), 1e-6)
		ch.Y = &[2]float64{lo - margin, hi + margin}
	}
	for k := range c.Energy[0] {
		s := series{Name: "a chain", X: steps, Quiet: true}
		for _, e := range c.Energy {
			s.Y = append(s.Y, e[k])
		}
		ch.Series = append(ch.Series, s)
	}
	return ch
}

// charts draw the share of p-values at or below each level, for all levels and for the low ones: for uniform ones, the diagonal.
func (c *Calibration) charts() []*chart {
	all := c.chart("False alarms", 1)
	all.About = "The share of in-distribution images with a p-value at or below each level, with its 95% interval. The dotted line is what was asked for."
	rare := c.chart("Rare false alarms", 0.1)
	rare.About = "The same where it matters."
	return []*chart{all, rare}
}

// chart draws the levels up to a highest one.
func (c *Calibration) chart(title string, highest float64) *chart {
	sorted := slices.Sorted(slices.Values(c.PValues))
	s := series{Name: "measured"}
	for i := range 101 {
		at := highest * float64(i) / 100
		below, _ := slices.BinarySearch(sorted, math.Nextafter(at, 2))
		interval := benchmark.Proportion(below, len(sorted), 0.95)
		s.X, s.Y = append(s.X, at), append(s.Y, float64(below)/float64(len(sorted)))
		s.Low, s.High = append(s.Low, interval[0]), append(s.High, interval[1])
	}
	top := max(highest, s.Y[100])
	return &chart{Title: title, XLabel: "false alarms asked for", YLabel: "share of images flagged", Diagonal: true, Square: true,
		X: &[2]float64{0, highest}, Y: &[2]float64{0, 1.01 * top}, Series: []series{s}}
}

// table has the rates that people use.
func (c *Calibration) table() *table {
	t := &table{Caption: "False alarms", Head: []string{"asked for", "measured", "95% interval", "flagged"}}
	for _, rate := range []float64{0.001, 0.01, 0.05, 0.1} {
		flagged := 0
		for _, p := range c.PValues {
			if p <= rate {
				flagged++
			}
		}
		i := benchmark.Proportion(flagged, len(c.PValues), 0.95)
		t.Rows = append(t.Rows, []string{percent(rate), percent(float64(flagged) / float64(len(c.PValues))),
			fmt.Sprintf("%.2g%% to %.2g%%", 100*i[0], 100*i[1]), fmt.Sprintf("%d of %d", flagged, len(c.PValues))})
	}
	return t
}

func percent(share float64) string { return fmt.Sprintf("%.3g%%", 100*share) }
