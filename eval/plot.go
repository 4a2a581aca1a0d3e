package eval

// This file draws: energies of several kinds of images as overlaid histograms, how well they are told apart as ROC curves, and
// figures by iteration as curves. Colours are
// those of Okabe and Ito (2008), which people with the common kinds of colour blindness can tell apart.

import (
	"errors"
	"fmt"
	"image/color"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
)

// Energies are those of one kind of images, under the name that the legend gives them.
type Energies struct {
	Name   string
	Values []float64
}

// Histogram writes, as PNG, the distributions of the energies of in-distribution images and of any number of kinds of outliers,
// with the AUROC of each kind. A bar's height is the fraction of its own kind's images, so that kinds of different sizes compare.
// The bars are those of [Bin], whose errors are those of Histogram.
func Histogram(w io.Writer, in Energies, out ...Energies) error {
	kinds := append([]Energies{in}, out...)
	bins, err := Bin(kinds...)
	if err != nil {
		return err
	}
	lo, hi, bars := bins.Low, bins.High, len(bins.Counts[0])
	p := newPlot("Energies of "+label(in.Name), "energy", "fraction of images")
	legend := newLegend()
	peak, total := 0.0, 0
	for i, kind := range kinds {
		counts := bins.Counts[i]
		total += len(kind.Values)

		style, fill := lineStyle(i), fade(colours[i%len(colours)])
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

		name := label(kind.Name)
		if i > 0 {
			d, err := Detect(in.Values, kind.Values)
			if err != nil {
				return err
			}
			if len(out) == 1 {
				p.Title.Text = fmt.Sprintf("%s against %s: AUROC %.4f", label(in.Name), name, d.AUROC)
			} else {
				p.Title.Text = "Energies of " + label(in.Name) + " and of outliers"
				name += fmt.Sprintf(" (AUROC %.4f)", d.AUROC)
			}
		}
		legend.Add(name, &plotter.Line{LineStyle: style, FillColor: fill})
	}
	p.X.Min, p.X.Max, p.Y.Min, p.Y.Max = lo, hi, 0, 1.05*peak
	if bins.Beyond > 0 {
		p.X.Label.Text += fmt.Sprintf(" (%d of %d images lie beyond and are counted in the end bars)", bins.Beyond, total)
	}
	return write(w, p, legend)
}

// ROCCurves writes, as PNG, how well each kind of outliers is told from in-distribution images: the fraction of outliers flagged by
// the fraction of in-distribution images flagged, with its AUROC. Errors are those of [Detect].
func ROCCurves(w io.Writer, in Energies, out ...Energies) error {
	p := newPlot("Outliers told from "+label(in.Name), "fraction of "+label(in.Name)+" flagged", "fraction of outliers flagged")
	legend := newLegend()
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
		line := plotter.Line{LineStyle: lineStyle(i + 1)} // as in the histogram, where the first is that of the in-distribution images
		for _, point := range curve {
			line.XYs = append(line.XYs, plotter.XY{X: point.FPR, Y: point.TPR})
		}
		p.Add(&line)
		legend.Add(fmt.Sprintf("%s (AUROC %.4f)", label(kind.Name), d.AUROC), &line)
	}
	legend.Add("chance (AUROC 0.5)", &chance)
	p.X.Min, p.X.Max, p.Y.Min, p.Y.Max = 0, 1, 0, 1.01
	return write(w, p, legend)
}

// Bins are the bars of histograms of several kinds over one range.
type Bins struct {
	Low, High float64 // of the range, which the bars divide evenly
	Counts    [][]int // of each kind, bar by bar: all images of the kind
	Beyond    int     // images of all kinds that lie outside the range and are counted in the first and last bar
}

// Bin counts the energies of one or more kinds of images. There are more bars, 12 to 60, the more images the smallest kind has.
//
// A few energies far from the rest do not set the range: of each kind, the lowest and the highest half percent (at least one image)
// count for it only up to half the width of the others' range beyond them. It is an error if a kind is empty or has an energy that
// is NaN, infinite, or over 1e100.
func Bin(kinds ...Energies) (Bins, error) {
	b := Bins{Low: math.Inf(1), High: math.Inf(-1)}
	fewest := math.MaxInt
	for _, kind := range kinds {
		if err := finite(label(kind.Name), kind.Values); err != nil {
			return b, err
		}
		l, h := bulk(kind.Values)
		b.Low, b.High, fewest = min(b.Low, l), max(b.High, h), min(fewest, len(kind.Values))
	}
	b.Low, b.High = widen(b.Low, b.High)
	if most := max(-b.Low, b.High); most > 1e100 {
		return b, fmt.Errorf("eval: energies up to %.3g cannot be drawn (has the model diverged?)", most)
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

// widen makes a range that can be drawn out of one that is a point, or nearly.
func widen(lo, hi float64) (float64, float64) {
	size := max(math.Abs(lo), math.Abs(hi))
	if hi-lo > 1e-6*size {
		return lo, hi
	}
	margin := size / 100
	if size == 0 {
		margin = 1
	}
	return lo - margin, hi + margin
}

// A Series is one curve: Y[i] at X[i], X ascending. Where Y is NaN or infinite the curve has a gap.
type Series struct {
	Name string
	X, Y []float64
}

// Curves writes, as PNG, one or more series over a common axis, such as losses by iteration. It is an error if a series has more X
// than Y or the reverse, if an X is NaN or infinite, or if no series has a point to draw.
func Curves(w io.Writer, title, xlabel, ylabel string, series ...Series) error {
	p := newPlot(title, xlabel, ylabel)
	legend := newLegend()
	minX, maxX, minY, maxY := math.Inf(1), math.Inf(-1), math.Inf(1), math.Inf(-1)
	for i, s := range series {
		if len(s.X) != len(s.Y) {
			return fmt.Errorf("eval: series %s has %d x and %d y: want as many", label(s.Name), len(s.X), len(s.Y))
		}
		var stretches []plotter.XYs // between gaps
		gap := true
		for j, x := range s.X {
			y := s.Y[j]
			if !(math.Abs(x) <= 1e100) {
				return fmt.Errorf("eval: series %s: x %d of %d is %v: it cannot be drawn", label(s.Name), j, len(s.X), x)
			}
			if gap = !(math.Abs(y) <= 1e100); gap {
				stretches = append(stretches, nil)
				continue
			}
			if len(stretches) == 0 {
				stretches = append(stretches, nil)
			}
			last := &stretches[len(stretches)-1]
			*last = append(*last, plotter.XY{X: x, Y: y})
			minX, maxX, minY, maxY = min(minX, x), max(maxX, x), min(minY, y), max(maxY, y)
		}
		for _, points := range stretches {
			if len(points) == 0 {
				continue
			}
			line, dots, err := plotter.NewLinePoints(points)
			if err != nil {
				return fmt.Errorf("eval: drawing series %s: %w", label(s.Name), err)
			}
			line.LineStyle = lineStyle(i)
			p.Add(line)
			// Dots show where the figures are while there are few; a point alone has no line.
			if len(points) == 1 || len(s.X) <= 40 {
				dots.Color, dots.Shape, dots.Radius = line.Color, draw.CircleGlyph{}, vg.Points(2)
				p.Add(dots)
			}
		}
		legend.Add(label(s.Name), &plotter.Line{LineStyle: lineStyle(i)})
	}
	if math.IsInf(minX, 0) {
		return errors.New("eval: no points to draw")
	}
	minX, maxX = widen(minX, maxX)
	minY, maxY = widen(minY, maxY)
	margin := 0.03 * (maxY - minY)
	p.X.Min, p.X.Max, p.Y.Min, p.Y.Max = minX, maxX, minY-margin, maxY+margin
	return write(w, p, legend)
}

var colours = [...]color.NRGBA{
	{0x00, 0x72, 0xb2, 0xff}, // blue
	{0xd5, 0x5e, 0x00, 0xff}, // vermilion
	{0x00, 0x9e, 0x73, 0xff}, // green
	{0xcc, 0x79, 0xa7, 0xff}, // purple
	{0xe6, 0x9f, 0x00, 0xff}, // orange
	{0x56, 0xb4, 0xe9, 0xff}, // sky
}

// lineStyle tells the i-th curve apart by its colour and, once these are used up, by its dashes too.
func lineStyle(i int) draw.LineStyle {
	style := draw.LineStyle{Color: colours[i%len(colours)], Width: vg.Points(1.5)}
	if round := i / len(colours); round > 0 {
		style.Dashes = []vg.Length{vg.Points(6 / float64(round)), vg.Points(3)}
	}
	return style
}

func fade(c color.NRGBA) color.NRGBA {
	c.A = 0x50
	return c
}

// label shortens a name to one line that a legend has room for.
func label(name string) string {
	const most = 40
	runes := []rune(strings.Join(strings.Fields(name), " "))
	if len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return string(runes)
}

func newPlot(title, xlabel, ylabel string) *plot.Plot {
	p := plot.New()
	p.Title.Text = title
	p.Title.TextStyle.Font = sans(14)
	p.Title.Padding = vg.Points(8)
	p.X.Label.Text, p.Y.Label.Text = xlabel, ylabel
	for _, axis := range []*plot.Axis{&p.X, &p.Y} {
		axis.Padding = 0
		axis.Label.Padding = vg.Points(4)
		axis.Label.TextStyle.Font = sans(11)
		axis.Tick.Label.Font = sans(10)
		axis.Tick.Marker = Ticks{}
	}
	grid := plotter.NewGrid()
	grid.Horizontal.Color, grid.Vertical.Color = color.Gray{Y: 0xe4}, color.Gray{Y: 0xe4}
	p.Add(grid)
	return p
}

// Ticks marks an axis at multiples of 1, 2 or 5 times a power of ten, in full up to a million: 20000 and not 2e+04.
type Ticks struct{}

// Ticks are the marks of an axis from lo to hi, lo < hi.
func (Ticks) Ticks(lo, hi float64) []plot.Tick {
	power := math.Floor(math.Log10((hi - lo) / 5))
	step := math.Pow(10, power)
	for _, factor := range []float64{5, 2} {
		if (hi-lo)/(factor*step) >= 4 {
			step *= factor
			break
		}
	}
	format, digits := byte('g'), 1+int(math.Ceil(math.Log10(max(-lo, hi)/step)))
	if step >= 1e-5 && max(-lo, hi) < 1e7 {
		format, digits = 'f', max(0, int(-power))
	}
	var marks []plot.Tick
	first := math.Ceil(lo / step)
	for i := 0.0; (first+i)*step <= hi; i++ {
		value := (first + i) * step
		marks = append(marks, plot.Tick{Value: value, Label: strconv.FormatFloat(value, format, digits, 64)})
	}
	return marks
}

func sans(points font.Length) font.Font {
	return font.Font{Typeface: "Liberation", Variant: "Sans", Size: points}
}

func newLegend() plot.Legend {
	legend := plot.NewLegend()
	legend.Top, legend.Left = true, true
	legend.TextStyle.Font = sans(10)
	legend.Padding = vg.Points(4)
	legend.ThumbnailWidth = vg.Points(22)
	return legend
}

// write draws the plot and, to the right of it, where it hides nothing, the legend.
func write(w io.Writer, p *plot.Plot, legend plot.Legend) error {
	const width, height, margin = 7 * vg.Inch, 4 * vg.Inch, vg.Length(10)
	measure := draw.New(vgimg.New(width, height))
	box := legend.Rectangle(measure).Size()
	canvas := vgimg.NewWith(vgimg.UseWH(width+box.X+3*margin, max(height, box.Y+2*margin)), vgimg.UseDPI(120))
	page := draw.New(canvas)
	p.Draw(draw.Crop(page, margin, -box.X-2*margin, margin, -margin))
	legend.Draw(draw.Crop(page, page.Max.X-box.X-margin, 0, 0, -4*margin))
	if _, err := (vgimg.PngCanvas{Canvas: canvas}).WriteTo(w); err != nil {
		return fmt.Errorf("eval: writing PNG: %w", err)
	}
	return nil
}
