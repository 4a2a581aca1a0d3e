package quality

// This file writes a report for people.

import (
	"fmt"
	"strings"
	"text/tabwriter"
)

// String is the report as joule eval quality prints it.
func (r *Report) String() string {
	w := new(strings.Builder)
	made := ""
	if r.Steps > 0 {
		made = fmt.Sprintf(", by chains of %d steps", r.Steps)
	}
	fmt.Fprintf(w, "samples: %s, %d images%s\ndata: %s, %d images; features: %s\n\n", r.SamplesFrom, r.Samples, made,
		r.DataFrom, r.Data, r.Network)
	columns := []Figures{r.Figures}
	heading := "\tsamples\t95% interval"
	if r.Real != nil {
		columns = append(columns, r.Real.Figures)
		heading += fmt.Sprintf("\treal\t95%% interval (%s)", r.Real.From)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, heading)
	for i, row := range figures(r.Figures) {
		fmt.Fprint(t, row.name)
		for _, c := range columns {
			f := figures(c)[i]
			fmt.Fprintf(t, "\t%s\t%s", f.value, f.interval)
		}
		fmt.Fprintln(t)
	}
	_ = t.Flush() // a Builder has no errors
	for _, warning := range r.Warnings {
		fmt.Fprintf(w, "\nnote: %s", warning)
	}
	fmt.Fprintln(w)
	return w.String()
}

// A figure is one as printed.
type figure struct{ name, value, interval string }

func figures(r Figures) []figure {
	interval := func(i *Interval) string { return fmt.Sprintf("%.4g to %.4g", i.Low, i.High) }
	number := func(v float64) string { return fmt.Sprintf("%.4g", v) }
	extrapolated := figure{"  extrapolated", "-", ""}
	if e := r.FID.Extrapolated; e != nil {
		extrapolated.value, extrapolated.interval = number(e.Value), interval(e.Interval)
	}
	list := []figure{
		{"FID", number(r.FID.Value), ""},
		extrapolated,
		{"KID", number(r.KID.Value), interval(r.KID.Interval)},
		{fmt.Sprintf("  %d x %d images", r.KID.Subsets, r.KID.SubsetSize), number(r.KID.SubsetMean), "+-" + number(r.KID.SubsetStd)},
		{"IS", number(r.InceptionScore.Mean), "+-" + number(r.InceptionScore.Std)},
	}
	list = append(list, figure{"class entropy", number(r.Classes.Entropy), fmt.Sprintf("%d of %d classes", r.Classes.Covered, len(r.Classes.Counts))})
	for _, s := range []struct {
		name string
		Estimate
	}{{"precision", r.Manifold.Precision}, {"recall", r.Manifold.Recall}, {"density", r.Manifold.Density}, {"coverage", r.Manifold.Coverage}} {
		list = append(list, figure{s.name, fmt.Sprintf("%.4f", s.Value), fmt.Sprintf("%.4f to %.4f", s.Interval.Low, s.Interval.High)})
	}
	return list
}
