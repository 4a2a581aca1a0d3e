package report

// This file draws charts as SVG (W3C, Scalable Vector Graphics 2) that stands inside the page: its colours are classes of the
// page's style sheet, so that one drawing serves light and dark, screen and paper. Each chart has a description for those who
// cannot see it, and its numbers as a table.

import (
	"fmt"
	"html/template"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/joule-ebm/joule/internal/plot"
)

// A chart is one drawing. Its coordinates are those of the data.
type chart struct {
	Title, About   string
	XLabel, YLabel string
	Series         []series
	Zero           bool        // include y = 0 in the range
	Log            bool        // logarithmic y; values that are not positive are left out
	X, Y           *[2]float64 // ranges; nil: of the data
	Diagonal       bool        // draw y = x, to compare with
	Square         bool        // as high as wide, nearly
}

// series is a curve, perhaps with a band about it. X ascends; where Y is not finite the curve has a gap.
type series struct {
	Name      string
	X, Y      []float64
	Low, High []float64 // of the band; nil: none
	Area      bool      // fill below the curve
	Quiet     bool      // drawn thin and grey, for comparison
}

// The drawing, in units of about a pixel on a phone. Text is 12 units high.
const (
	chartWidth, chartHeight  = 360.0, 230.0
	squareHeight             = 330.0
	left, right, top, bottom = 50.0, 10.0, 22.0, 38.0
	mostPoints               = 240 // of a curve; more would not be seen
	mostRows                 = 12  // of a table
	colours                  = 6   // classes c0 to c5; from the seventh series on they return, dashed
	dotsBelow                = 30  // points: they are few enough to be marked
)

func (c *chart) height() float64 {
	if c.Square {
		return squareHeight
	}
	return chartHeight
}

// class is that of the i-th series.
func (c *chart) class(i int) string {
	if c.Series[i].Quiet {
		return "quiet"
	}
	name := "c" + strconv.Itoa(i%colours)
	if i >= colours {
		name += " dashed"
	}
	return name
}

// empty says whether there is no point to draw.
func (c *chart) empty() bool {
	for _, s := range c.Series {
		for i := range s.X {
			if c.drawable(s.Y[i]) {
				return false
			}
		}
	}
	return true
}

// drawable says whether a value has a place on the axis.
func (c *chart) drawable(y float64) bool { return math.Abs(y) <= 1e100 && (!c.Log || y >= 1e-100) }

// scale is the place of a value on the y axis before it is fitted to the drawing.
func (c *chart) scale(y float64) float64 {
	if c.Log {
		return math.Log10(y)
	}
	return y
}

// ranges are those of the axes, y scaled.
func (c *chart) ranges() (x, y [2]float64) {
	x, y = [2]float64{math.Inf(1), math.Inf(-1)}, [2]float64{math.Inf(1), math.Inf(-1)}
	var values []float64
	for _, s := range c.Series {
		for i := range s.X {
			if !c.drawable(s.Y[i]) {
				continue
			}
			x = [2]float64{min(x[0], s.X[i]), max(x[1], s.X[i])}
			values = append(values, c.scale(s.Y[i]))
			for _, band := range [][]float64{s.Low, s.High} {
				if band != nil && c.drawable(band[i]) {
					values = append(values, c.scale(band[i]))
				}
			}
		}
	}
	if len(values) == 0 { // nothing to draw but the axes
		x, values = [2]float64{0, 1}, []float64{0}
	}
	y[0], y[1] = bulk(values)
	if c.Zero {
		y = [2]float64{min(y[0], 0), max(y[1], 0)}
	}
	x, y = widen(x), widen(y)
	margin := 0.04 * (y[1] - y[0])
	if y[1] += margin; !c.Zero || y[0] < 0 {
		y[0] -= margin
	}
	if c.X != nil {
		x = *c.X
	}
	if c.Y != nil {
		y = *c.Y
	}
	return x, y
}

// bulk is the range of values without a few that lie far out, which would flatten all the others.
func bulk(values []float64) (lo, hi float64) {
	slices.Sort(values)
	n := len(values)
	few := n / 100
	lo, hi = values[few], values[n-1-few]
	margin := (hi - lo) / 2
	return max(values[0], lo-margin), min(values[n-1], hi+margin)
}

// widen makes a range that can be drawn out of one that is a point, or nearly.
func widen(r [2]float64) [2]float64 {
	size := max(math.Abs(r[0]), math.Abs(r[1]))
	if r[1]-r[0] > 1e-6*size {
		return r
	}
	margin := size / 100
	if size == 0 {
		margin = 1
	}
	return [2]float64{r[0] - margin, r[1] + margin}
}

// mark is a place on an axis.
type mark struct {
	at   float64
	text string
}

// marks are those of an axis; of a logarithmic one, at powers of ten or, where these are too few, at 1, 2 and 5 times them.
func marks(r [2]float64, logarithmic bool) (list []mark) {
	if !logarithmic {
		for _, t := range (plot.Ticks{}).Ticks(r[0], r[1]) {
			list = append(list, mark{t.Value, t.Label})
		}
		return list
	}
	every, factors := 1, []float64{1}
	switch decades := r[1] - r[0]; {
	case decades < 2:
		factors = []float64{1, 2, 5}
	case decades > 6:
		every = int(math.Ceil(decades / 6))
	}
	for p := int(math.Floor(r[0])); float64(p) <= r[1]; p++ {
		for _, f := range factors {
			if at := float64(p) + math.Log10(f); p%every == 0 && at >= r[0] && at <= r[1] {
				list = append(list, mark{at, strconv.FormatFloat(f*math.Pow10(p), 'g', 3, 64)})
			}
		}
	}
	if len(list) < 2 { // less than a step from 1 to 2 or 5
		list = nil
		for _, t := range (plot.Ticks{}).Ticks(math.Pow(10, r[0]), math.Pow(10, r[1])) {
			list = append(list, mark{math.Log10(t.Value), t.Label})
		}
	}
	return list
}

// number writes a value briefly: four digits at most.
func number(v float64) string {
	switch size := math.Abs(v); {
	case math.IsNaN(v):
		return "not a number"
	case math.IsInf(v, 0):
		return map[bool]string{true: "∞", false: "−∞"}[v > 0]
	case size >= 1e4 && size < 1e9 && v == math.Trunc(v):
		return strconv.FormatFloat(v, 'f', 0, 64)
	case size != 0 && (size < 1e-3 || size >= 1e5):
		return strconv.FormatFloat(v, 'e', 2, 64)
	}
	return strconv.FormatFloat(v, 'g', 4, 64)
}

// SVG is the drawing.
func (c *chart) SVG() template.HTML {
	x, y := c.ranges()
	height := c.height()
	px := func(v float64) float64 { return left + (v-x[0])/(x[1]-x[0])*(chartWidth-left-right) }
	py := func(v float64) float64 { return height - bottom - (v-y[0])/(y[1]-y[0])*(height-top-bottom) }
	var b strings.Builder
	fmt.Fprintf(&b, `<svg class="chart" viewBox="0 0 %g %g" role="img" aria-label="%s">`, chartWidth, height, escape(c.description()))
	for _, m := range marks(y, c.Log) {
		at := py(m.at)
		fmt.Fprintf(&b, `<path class="grid" d="M%g %.1fH%g"/><text class="end" x="%g" y="%.1f">%s</text>`, left, at, chartWidth-right, left-6, at+4, escape(m.text))
	}
	axis := marks(x, false)
	for len(axis) > 6 { // labels would touch
		var fewer []mark
		for i := 0; i < len(axis); i += 2 {
			fewer = append(fewer, axis[i])
		}
		axis = fewer
	}
	for _, m := range axis {
		at := px(m.at)
		anchor := "middle"
		if at > chartWidth-right-20 {
			anchor = "end"
		}
		fmt.Fprintf(&b, `<path class="grid" d="M%.1f %gV%g"/><text class="%s" x="%.1f" y="%g">%s</text>`, at, top, height-bottom, anchor, at, height-bottom+16, escape(m.text))
	}
	fmt.Fprintf(&b, `<path class="axis" d="M%g %gV%gH%g"/>`, left, top, height-bottom, chartWidth-right)
	fmt.Fprintf(&b, `<text class="start label" x="4" y="12">%s</text><text class="end label" x="%g" y="%g">%s</text>`,
		escape(c.YLabel), chartWidth-right, height-6, escape(c.XLabel))
	if c.Diagonal {
		to := min(x[1], y[1])
		fmt.Fprintf(&b, `<path class="chance" d="M%.1f %.1fL%.1f %.1f"/>`, px(x[0]), py(x[0]), px(to), py(to))
	}
	if c.Zero && !c.Log && y[0] < 0 && y[1] > 0 {
		fmt.Fprintf(&b, `<path class="axis" d="M%g %.1fH%g"/>`, left, py(0), chartWidth-right)
	}
	clip := func(v float64) float64 { return min(max(py(v), top), height-bottom) } // what lies beyond is drawn at the edge
	for i, s := range c.Series {
		c.curve(&b, c.class(i), s, px, func(v float64) float64 { return clip(c.scale(v)) }, height-bottom)
	}
	b.WriteString(`</svg>`)
	return template.HTML(b.String())
}

// curve draws a series stretch by stretch, between gaps.
func (c *chart) curve(b *strings.Builder, class string, s series, px, py func(float64) float64, floor float64) {
	for i := 0; i < len(s.X); i++ {
		from := i
		for i < len(s.X) && c.drawable(s.Y[i]) {
			i++
		}
		if i == from {
			continue
		}
		var line, band strings.Builder
		for j := from; j < i; j++ {
			fmt.Fprintf(&line, "L%.1f %.1f", px(s.X[j]), py(s.Y[j]))
		}
		if s.Low != nil { // along the upper edge and back along the lower
			for j := from; j < i; j++ {
				fmt.Fprintf(&band, "L%.1f %.1f", px(s.X[j]), py(c.or(s.High[j], s.Y[j])))
			}
			for j := i - 1; j >= from; j-- {
				fmt.Fprintf(&band, "L%.1f %.1f", px(s.X[j]), py(c.or(s.Low[j], s.Y[j])))
			}
			fmt.Fprintf(b, `<path class="band %s" d="M%sZ"/>`, class, band.String()[1:])
		}
		if s.Area {
			fmt.Fprintf(b, `<path class="band %s" d="M%.1f %.1f%sV%.1fZ"/>`, class, px(s.X[from]), floor, line.String(), floor)
		}
		fmt.Fprintf(b, `<path class="line %s" d="M%s"/>`, class, line.String()[1:])
		if len(s.X) < dotsBelow && !s.Quiet && !s.Area || i-from == 1 {
			for j := from; j < i; j++ {
				fmt.Fprintf(b, `<circle class="dot %s" cx="%.1f" cy="%.1f" r="2.5"/>`, class, px(s.X[j]), py(s.Y[j]))
			}
		}
	}
}

// or is the edge of a band, or where that has no place the curve.
func (c *chart) or(edge, y float64) float64 {
	if c.drawable(edge) {
		return edge
	}
	return y
}

// description says in words what the drawing shows.
func (c *chart) description() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s by %s.", c.Title, c.YLabel, c.XLabel)
	for _, s := range c.Series {
		lo, hi, first, last, n := math.Inf(1), math.Inf(-1), math.NaN(), math.NaN(), 0
		for _, y := range s.Y {
			if !c.drawable(y) {
				continue
			}
			if n == 0 {
				first = y
			}
			last, lo, hi, n = y, min(lo, y), max(hi, y), n+1
		}
		if n > 0 {
			fmt.Fprintf(&b, " %s: from %s to %s, between %s and %s.", s.Name, number(first), number(last), number(lo), number(hi))
		}
	}
	return b.String()
}

// Keys are the entries of the legend; none where there is one curve.
func (c *chart) Keys() (keys []key) {
	if len(c.Series) < 2 && !c.Diagonal {
		return nil
	}
	seen := map[string]bool{}
	for i, s := range c.Series {
		if seen[s.Name] { // curves that need no telling apart
			continue
		}
		seen[s.Name] = true
		keys = append(keys, key{template.HTML(fmt.Sprintf(
			`<svg class="key" viewBox="0 0 26 10" aria-hidden="true"><path class="line %s" d="M1 5H25"/></svg>`, c.class(i))), s.Name})
	}
	return keys
}

type key struct {
	Sample template.HTML
	Name   string
}

// Table is some of the numbers, evenly spaced, the last one included.
func (c *chart) Table() *table {
	longest := 0
	for i, s := range c.Series {
		if len(s.X) > len(c.Series[longest].X) {
			longest = i
		}
	}
	xs := c.Series[longest].X
	t := &table{Caption: c.Title, Head: []string{c.XLabel}}
	for _, s := range c.Series {
		t.Head = append(t.Head, s.Name)
	}
	rows := min(len(xs), mostRows)
	for r := range rows {
		x := xs[(len(xs)-1)*r/max(rows-1, 1)]
		row := []string{number(x)}
		for _, s := range c.Series {
			cell := "–"
			// The latest point up to x.
			if i, _ := slices.BinarySearch(s.X, math.Nextafter(x, math.Inf(1))); i > 0 {
				cell = number(s.Y[i-1])
			}
			row = append(row, cell)
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

// table is what it says. The first column names the rows.
type table struct {
	Caption string
	Head    []string
	Rows    [][]string
}

func escape(s string) string { return template.HTMLEscapeString(s) }
