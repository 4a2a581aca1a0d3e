package benchmark

// This file prints results for people.

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"

	"github.com/joule-ebm/joule/internal/terminal"
)

// Text writes a result as a table to look at, with intervals where there are any.
func (r *Result) Text(w io.Writer) error {
	c, detector := r.Comparisons, terminal.Printable(r.Detector)
	fmt.Fprintf(w, "in-distribution: %s, %d images, mean %s %.4f\n\n", terminal.Printable(r.In.Name), c[0].NumIn, detector, c[0].MeanIn)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	interval := ""
	if c[0].Intervals != nil {
		interval = fmt.Sprintf("%.0f%% interval\t", 100*c[0].Intervals.Level)
	}
	scaled := slices.ContainsFunc(c, func(c Comparison) bool { return c.Resampled != nil })
	alone := ""
	if scaled {
		alone = "by scaling\t"
	}
	fmt.Fprintf(t, "AUROC\t%s%sAUPR\tFPR95\t%simages\tmean %s\t  out-of-distribution\n", interval, alone, interval, detector)
	for _, c := range c {
		auroc, fpr95 := "", ""
		if i := c.Intervals; i != nil {
			auroc, fpr95 = i.AUROC.String()+"\t", i.FPR95.String()+"\t"
		}
		if alone = ""; c.Resampled != nil {
			alone = fmt.Sprintf("%.4f\t", *c.Resampled)
		} else if scaled {
			alone = "\t"
		}
		fmt.Fprintf(t, "%.4f\t%s%s%.4f\t%.4f\t%s%d\t%.4f\t  %s\n", c.AUROC, auroc, alone, c.AUPR, c.FPR95, fpr95, c.NumOut, c.MeanOut, terminal.Printable(c.Out))
	}
	if err := t.Flush(); err != nil || !scaled {
		return err
	}
	_, err := fmt.Fprintln(w, "\nby scaling: the AUROC of in-distribution images scaled as those were, against themselves; what exceeds it is not the scaling's")
	return err
}

func (i Interval) String() string { return fmt.Sprintf("%.4f–%.4f", i[0], i[1]) }

// Markdown writes a result as a table in Markdown, after a sentence that says what it is of.
func (r *Result) Markdown(w io.Writer) error {
	fmt.Fprintf(w, "In-distribution: %s, %d images.", MarkdownName(r.In.Name), len(r.In.Values))
	if r.Detector != "energy" {
		fmt.Fprintf(w, " Detector: %s.", MarkdownName(r.Detector))
	}
	if i := r.Comparisons[0].Intervals; i != nil {
		fmt.Fprintf(w, " In brackets: %.0f%% intervals by %d resamples of the images (seed %d).", 100*i.Level, i.Resamples, r.Seed)
	}
	_, err := fmt.Fprint(w, "\n\n| out-of-distribution | images | AUROC | AUPR | AUPR, in-distribution | FPR95 |\n| --- | --: | --: | --: | --: | --: |\n")
	for _, c := range r.Comparisons {
		i, bracket := Intervals{}, func(value float64, _ Interval) string { return fmt.Sprintf("%.4f", value) }
		if c.Intervals != nil {
			i, bracket = *c.Intervals, func(value float64, i Interval) string { return fmt.Sprintf("%.4f (%v)", value, i) }
		}
		_, err = fmt.Fprintf(w, "| %s | %d | %s | %s | %s | %s |\n", MarkdownName(c.Out), c.NumOut, bracket(c.AUROC, i.AUROC),
			bracket(c.AUPR, i.AUPR), bracket(c.AUPRIn, i.AUPRIn), bracket(c.FPR95, i.FPR95))
	}
	return err
}

// MarkdownName makes a short name fit for a table in Markdown.
func MarkdownName(name string) string {
	return terminal.Markdown(ShortName(name))
}
