package inspection

// This file writes a report: text for people, CSV for programs, Markdown for documents.

import (
	"encoding/csv"
	"fmt"
	"io"
	"slices"
	"strconv"
	"text/tabwriter"

	"github.com/joule-ebm/joule/internal/terminal"
)

// rows are all figures, in order.
func (r *Report) rows() []Figures {
	rows := r.Categories
	if r.Mean != nil {
		rows = slices.Concat(rows, []Figures{*r.Mean})
	}
	return slices.Concat(rows, r.Defects, []Figures{r.All})
}

func (f *Figure) text() string {
	switch {
	case f == nil:
		return "-"
	case f.Interval == nil:
		return fmt.Sprintf("%.3f", f.Value)
	}
	return fmt.Sprintf("%.3f (%.3f to %.3f)", f.Value, f.Interval[0], f.Interval[1])
}

// Text writes the report for people.
func (r *Report) Text(w io.Writer) error {
	fmt.Fprintf(w, "%s, score map %s; AUPRO up to a false-positive rate of %g\n\n", terminal.Printable(r.Data), r.Map, r.FPRLimit)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "\tgood\tfaulty\timage AUROC\tpixel AUROC\tAUPRO\t")
	for _, f := range r.rows() {
		fmt.Fprintf(t, "%s\t%d\t%d\t%s\t%s\t%s\t\n", terminal.Printable(f.Name), f.Good, f.Faulty, f.Image.text(), f.Pixel.text(), f.Region.text())
	}
	_ = t.Flush() // an error comes again with the next line
	for _, a := range r.Alarms {
		fmt.Fprintf(w, "\nAt a false-alarm rate of %.3g%%: %s of good pictures, and found are %s of those with defects:\n", 100*a.Rate, a.False, a.Found)
		for _, d := range a.Defects {
			fmt.Fprintf(w, "  %s %s\n", terminal.Printable(d.Name), d)
		}
	}
	if r.Resamples > 0 {
		_, err := fmt.Fprintf(w, "\nIntervals of 95%%: over pictures, by a bootstrap of %d resamples, and of counts by Clopper and Pearson. Another run of training may differ by more.\n", r.Resamples)
		return err
	}
	_, err := fmt.Fprintln(w)
	return err
}

// String is a count with its percentage and interval.
func (c Count) String() string {
	return fmt.Sprintf("%d of %d, %.1f%% (%.1f%% to %.1f%%)", c.Count, c.Of, 100*float64(c.Count)/float64(max(c.Of, 1)), 100*c.Interval[0], 100*c.Interval[1])
}

// CSV writes the figures, a row each.
func (r *Report) CSV(w io.Writer) error {
	out := csv.NewWriter(w)
	_ = out.Write([]string{"name", "good", "faulty", "image_auroc", "image_auroc_low", "image_auroc_high", "pixel_auroc", "pixel_auroc_low",
		"pixel_auroc_high", "aupro", "aupro_low", "aupro_high"}) // an error comes again with Flush
	for _, f := range r.rows() {
		row := []string{f.Name, strconv.Itoa(f.Good), strconv.Itoa(f.Faulty)}
		for _, v := range []*Figure{f.Image, f.Pixel, f.Region} {
			cells := []string{"", "", ""}
			if v != nil {
				cells[0] = strconv.FormatFloat(v.Value, 'g', -1, 64)
				for i := 0; v.Interval != nil && i < 2; i++ {
					cells[1+i] = strconv.FormatFloat(v.Interval[i], 'g', -1, 64)
				}
			}
			row = append(row, cells...)
		}
		_ = out.Write(row)
	}
	out.Flush()
	return out.Error()
}

// Markdown writes the figures as a table.
func (r *Report) Markdown(w io.Writer) error {
	fmt.Fprintln(w, "| | good | faulty | image AUROC | pixel AUROC | AUPRO |\n|---|---|---|---|---|---|")
	for _, f := range r.rows() {
		if _, err := fmt.Fprintf(w, "| %s | %d | %d | %s | %s | %s |\n", terminal.Markdown(f.Name), f.Good, f.Faulty, f.Image.text(), f.Pixel.text(), f.Region.text()); err != nil {
			return err
		}
	}
	return nil
}
