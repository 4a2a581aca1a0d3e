package report

// This file writes the page.

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"strings"
)

//go:embed page.html
var pageText string

//go:embed style.css
var styleText string

var pageTemplate = template.Must(template.New("page").Parse(pageText))

// view is what the template sees.
type view struct {
	*Report
	Style  template.CSS
	Policy string // content security policy

	Curves     []*chart
	Timings    []Fact
	Buffer     []image
	Samples    *image
	Chains     *image
	ChainSteps string
	ChainChart *chart

	DetectionTable *table
	ROC            *chart
	Histograms     []*chart

	CalibrationTable  *table
	CalibrationCharts []*chart
}

// image is a picture with its bytes in its address.
type image struct {
	Caption, Alt  string
	Width, Height int
	Source        template.URL
}

func (p Picture) image(alt string) *image {
	return &image{p.Caption, alt, p.Width, p.Height, template.URL("data:image/png;base64," + base64.StdEncoding.EncodeToString(p.PNG))}
}

// Write writes the page. Equal reports give equal bytes.
func (r *Report) Write(w io.Writer) error {
	v := view{Report: r, Style: template.CSS(styleText)}
	sum := sha256.Sum256([]byte(styleText))
	v.Policy = fmt.Sprintf("default-src 'none'; img-src data:; style-src 'sha256-%s'; base-uri 'none'; form-action 'none'",
		base64.StdEncoding.EncodeToString(sum[:]))

	numbers := columns(r.Records)
	v.Curves, v.Timings = charts(numbers), timings(numbers)
	for _, p := range r.Buffer {
		v.Buffer = append(v.Buffer, *p.image("Grid of samples at " + p.Caption))
	}
	if r.Samples != nil {
		v.Samples = r.Samples.image("Grid of samples drawn from noise")
	}
	if c := r.Chains; c != nil {
		v.Chains = c.Picture.image("Each row is a chain from noise, on the left, to its end, on the right")
		v.ChainSteps = strings.Trim(strings.Join(strings.Fields(fmt.Sprint(c.PictureSteps)), ", "), "[]")
		v.ChainChart = c.chart()
	}
	if d := r.Detection; d != nil {
		var err error
		if v.ROC, err = rocChart(d); err != nil {
			return err
		}
		if v.Histograms, err = histograms(d); err != nil {
			return err
		}
		v.DetectionTable = detectionTable(d)
	}
	if c := r.Calibration; c != nil && len(c.PValues) > 0 {
		v.CalibrationTable, v.CalibrationCharts = c.table(), c.charts()
	}
	return pageTemplate.Execute(w, v)
}
