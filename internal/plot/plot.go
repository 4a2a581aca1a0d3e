// Package plot draws curves and histograms as PNG, in one style: the colours are those of Okabe and Ito (2008), which people with the
// common kinds of colour blindness can tell apart.
package plot

import (
	"errors"
	"fmt"
	"image/color"
	"io"
	"math"
	"strconv"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
)

// Widen makes a range that can be drawn out of one that is a point, or nearly.
func Widen(lo, hi float64) (float64, float64) {
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
	p := New(title, xlabel, ylabel)
	legend := NewLegend()
	minX, maxX, minY, maxY := math.Inf(1), math.Inf(-1), math.Inf(1), math.Inf(-1)
	for i, s := range series {
		if len(s.X) != len(s.Y) {
			return fmt.Errorf("plot: series %s has %d x and %d y: want as many", Label(s.Name), len(s.X), len(s.Y))
		}
		var stretches []plotter.XYs // between gaps
		gap := true
		for j, x := range s.X {
			y := s.Y[j]
			if !(math.Abs(x) <= 1e100) {
				return fmt.Errorf("plot: series %s: x %d of %d is %v: it cannot be drawn", Label(s.Name), j, len(s.X), x)
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
				return fmt.Errorf("plot: drawing series %s: %w", Label(s.Name), err)
			}
			line.LineStyle = LineStyle(i)
			p.Add(line)
			// Dots show where the figures are while there are few; a point alone has no line.
			if len(points) == 1 || len(s.X) <= 40 {
				dots.Color, dots.Shape, dots.Radius = line.Color, draw.CircleGlyph{}, vg.Points(2)
				p.Add(dots)
			}
		}
		legend.Add(Label(s.Name), &plotter.Line{LineStyle: LineStyle(i)})
	}
	if math.IsInf(minX, 0) {
		return errors.New("plot: no points to draw")
	}
	minX, maxX = Widen(minX, maxX)
	minY, maxY = Widen(minY, maxY)
	margin := 0.03 * (maxY - minY)
	p.X.Min, p.X.Max, p.Y.Min, p.Y.Max = minX, maxX, minY-margin, maxY+margin
	return Write(w, p, legend)
}

// Colours are those of curves and areas, in order.
var Colours = [...]color.NRGBA{
	{0x00, 0x72, 0xb2, 0xff}, // blue
	{0xd5, 0x5e, 0x00, 0xff}, // vermilion
	{0x00, 0x9e, 0x73, 0xff}, // green
	{0xcc, 0x79, 0xa7, 0xff}, // purple
	{0xe6, 0x9f, 0x00, 0xff}, // orange
	{0x56, 0xb4, 0xe9, 0xff}, // sky
}

// LineStyle tells the i-th curve apart by its colour and, once these are used up, by its dashes too.
func LineStyle(i int) draw.LineStyle {
	style := draw.LineStyle{Color: Colours[i%len(Colours)], Width: vg.Points(1.5)}
	if round := i / len(Colours); round > 0 {
		style.Dashes = []vg.Length{vg.Points(6 / float64(round)), vg.Points(3)}
	}
	return style
}

// Fade makes a colour one of areas: what is behind shows through.
func Fade(c color.NRGBA) color.NRGBA {
	c.A = 0x50
	return c
}

// Label shortens a name to one line that a legend has room for.
func Label(name string) string {
	const most = 40
	runes := []rune(strings.Join(strings.Fields(name), " "))
	if len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return string(runes)
}

// New makes an empty plot in the style of all.
func New(title, xlabel, ylabel string) *plot.Plot {
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

// NewLegend makes an empty legend, for [Write].
func NewLegend() plot.Legend {
	legend := plot.NewLegend()
	legend.Top, legend.Left = true, true
	legend.TextStyle.Font = sans(10)
	legend.Padding = vg.Points(4)
	legend.ThumbnailWidth = vg.Points(22)
	return legend
}

// Write draws the plot and, to the right of it, where it hides nothing, the legend.
func Write(w io.Writer, p *plot.Plot, legend plot.Legend) error {
	const width, height, margin = 7 * vg.Inch, 4 * vg.Inch, vg.Length(10)
	measure := draw.New(vgimg.New(width, height))
	box := legend.Rectangle(measure).Size()
	canvas := vgimg.NewWith(vgimg.UseWH(width+box.X+3*margin, max(height, box.Y+2*margin)), vgimg.UseDPI(120))
	page := draw.New(canvas)
	p.Draw(draw.Crop(page, margin, -box.X-2*margin, margin, -margin))
	legend.Draw(draw.Crop(page, page.Max.X-box.X-margin, 0, 0, -4*margin))
	if _, err := (vgimg.PngCanvas{Canvas: canvas}).WriteTo(w); err != nil {
		return fmt.Errorf("plot: writing PNG: %w", err)
	}
	return nil
}
