package benchmark

// This file draws scores of several sets of images as overlaid histograms, and how well they are told apart as ROC curves.

import (
	"fmt"
	"image/color"
	"io"
	"math"
	"slices"

	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/joule-ebm/joule/internal/plot"
)

// Histogram writes, as PNG, the distributions of the scores of in-distribution images and of any number of kinds of outliers, with the
// AUROC of each kind. What the scores are, such as "energy", is written along their axis. A bar's height is the fraction of its own
// kind's images, so that kinds of different sizes compare.
// The bars are those of [Bin], whose errors are those of Histogram.
func Histogram(w io.Writer, what string, in Scores, out ...Scores) error {
	kinds := append([]Scores{in}, out...)
	bins, err := Bin(kinds...)
	if err != nil {
		return err
	}
	lo, hi, bars := bins.Low, bins.High, len(bins.Counts[0])
	p := plot.New(plot.Label(in.Name), what, "fraction of images")
	legend := plot.NewLegend()
	peak, total := 0.0, 0
	for i, kind := range kinds {
		counts := bins.Counts[i]
		total += len(kind.Values)

		style, fill := plot.LineStyle(i), plot.Fade(plot.Colours[i%len(plot.Colours)])
		edge := func(bar int) float64 { return lo + (hi-lo)*float64(bar)/float64(bars) }
		for bar := 0; bar < bars; bar++ {
			if counts[bar] == 0 {
				continue // nothing drawn along the axis, where another kind may be
			}
			outline := plotter.XYs{{X: edge(bar)}}
			for ; bar < bars && counts[bar] > 0; bar++ {
				fraction := float64(counts[bar]) / float64(len(kind.Values))
				peak = max(peak, fraction)
				outline = append(outline, plotter.XY{X: edge(bar), Y: fraction}, plotter.XY{X: edge(bar + 1), Y: fraction})
			}
			outline = append(outline, plotter.XY{X: edge(bar)})
			p.Add(&plotter.Line{XYs: outline, LineStyle: style, FillColor: fill})
		}

		name := plot.Label(kind.Name)
		if i > 0 {
			d, err := Detect(in.Values, kind.Values)
			if err != nil {
				return err
			}
			if len(out) == 1 {
				p.Title.Text = fmt.Sprintf("%s against %s: AUROC %.4f", plot.Label(in.Name), name, d.AUROC)
			} else {
				p.Title.Text = plot.Label(in.Name) + " and outliers"
				name += fmt.Sprintf(" (AUROC %.4f)", d.AUROC)
			}
		}
		legend.Add(name, &plotter.Line{LineStyle: style, FillColor: fill})
	}
	p.X.Min, p.X.Max, p.Y.Min, p.Y.Max = lo, hi, 0, 1.05*peak
	if bins.Beyond > 0 {
		p.X.Label.Text += fmt.Sprintf(" (%d of %d images lie beyond and are counted in the end bars)", bins.Beyond, total)
	}
	return plot.Write(w, p, legend)
}

// ROCCurves writes, as PNG, how well each kind of outliers is told from in-distribution images: the fraction of outliers flagged by
// the fraction of in-distribution images flagged, with its AUROC. Errors are those of [Detect].
func ROCCurves(w io.Writer, in Scores, out ...Scores) error {
	p := plot.New("Outliers told from "+plot.Label(in.Name), "fraction of "+plot.Label(in.Name)+" flagged", "fraction of outliers flagged")
	legend := plot.NewLegend()
	chance := plotter.Line{XYs: plotter.XYs{{}, {X: 1, Y: 1}}, LineStyle: draw.LineStyle{
		Color: color.Gray{Y: 0x80}, Width: vg.Points(1), Dashes: []vg.Length{vg.Points(2), vg.Points(3)}}}
	p.Add(&chance)
	for i, kind := range out {
		d, err := Detect(in.Values, kind.Values)
		if err != nil {
			return err
		}
		curve, err := ROC(in.Values, kind.Values)
		if err != nil {
			return err
		}
		line := plotter.Line{LineStyle: plot.LineStyle(i + 1)} // as in the histogram, where the first is that of the in-distribution images
		for _, point := range curve {
			line.XYs = append(line.XYs, plotter.XY{X: point.FPR, Y: point.TPR})
		}
		p.Add(&line)
		legend.Add(fmt.Sprintf("%s (AUROC %.4f)", plot.Label(kind.Name), d.AUROC), &line)
	}
	legend.Add("chance (AUROC 0.5)", &chance)
	p.X.Min, p.X.Max, p.Y.Min, p.Y.Max = 0, 1, 0, 1.01
	return plot.Write(w, p, legend)
}

// Bins are the bars of histograms of several kinds over one range.
type Bins struct {
	Low, High float64 // of the range, which the bars divide evenly
	Counts    [][]int // of each kind, bar by bar: all images of the kind
	Beyond    int     // images of all kinds that lie outside the range and are counted in the first and last bar
}

// Bin counts the scores of one or more kinds of images. There are more bars, 12 to 60, the more images the smallest kind has.
//
// A few scores far from the rest do not set the range: of each kind, the lowest and the highest half percent (at least one image)
// count for it only up to half the width of the others' range beyond them. It is an error if a kind is empty or has a score that
// is NaN, infinite, or over 1e100.
func Bin(kinds ...Scores) (Bins, error) {
	b := Bins{Low: math.Inf(1), High: math.Inf(-1)}
	fewest := math.MaxInt
	for _, kind := range kinds {
		if err := finite(plot.Label(kind.Name), kind.Values); err != nil {
			return b, err
		}
		l, h := bulk(kind.Values)
		b.Low, b.High, fewest = min(b.Low, l), max(b.High, h), min(fewest, len(kind.Values))
	}
	b.Low, b.High = plot.Widen(b.Low, b.High)
	if most := max(-b.Low, b.High); most > 1e100 {
		return b, fmt.Errorf("benchmark: scores up to %.3g cannot be drawn (has the model diverged?)", most)
	}
	bars := int(min(max(2*math.Sqrt(float64(fewest)), 12), 60)) // wide enough to hold some images each
	for _, kind := range kinds {
		counts := make([]int, bars)
		for _, e := range kind.Values {
			if e < b.Low || e > b.High {
				b.Beyond++
			}
			counts[int(min(max((e-b.Low)/(b.High-b.Low)*float64(bars), 0), float64(bars-1)))]++
		}
		b.Counts = append(b.Counts, counts)
	}
	return b, nil
}

// bulk returns the range of values without the few that lie far out.
func bulk(values []float64) (lo, hi float64) {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	lo, hi = sorted[0], sorted[n-1]
	if few := (n + 199) / 200; n > 4*few {
		l, h := sorted[few], sorted[n-1-few]
		margin := (h - l) / 2
		lo, hi = max(lo, l-margin), min(hi, h+margin)
	}
	return lo, hi
}
