package ablation

// This file makes tables of a study, in Markdown: one of its variants, seeds taken together, and one of each choice, all else taken
// together.

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/stat"
)

// column is a figure of a row.
type column struct {
	title, format string
	of            func(Row) float64
}

// columns are the figures that tables show, but for divergence and iterations.
func columns(rows []Row) []column {
	var all []column
	for i, a := range rows[0].AUROC {
		all = append(all, column{"AUROC " + a.Out, "%.3f", func(r Row) float64 { return r.AUROC[i].Value }})
	}
	if rows[0].Quality.KID != nil {
		all = append(all,
			column{"KID", "%.3g", func(r Row) float64 { return r.Quality.KID.Value }},
			column{"classes", "%.0f", func(r Row) float64 { return float64(r.Quality.Classes.Covered) }},
			column{"entropy", "%.2f", func(r Row) float64 { return r.Quality.Classes.Entropy }},
			column{"sure", "%.2f", func(r Row) float64 { return r.Quality.Classes.Sure }})
	}
	return append(all,
		column{"spectrum", "%.2f", func(r Row) float64 { return r.Quality.Spectrum }},
		column{"diversity", "%.2f", func(r Row) float64 { return r.Quality.Diversity }},
		column{"gap", "%.2g", func(r Row) float64 { return r.Gap }},
		column{"gradient", "%.2g", func(r Row) float64 { return r.Gradient }},
	)
}

// legend explains the columns.
const legend = `diverged: in how many trainings, and at which iteration; such a model is judged as of its last checkpoint.
AUROC: how well the energy tells out-of-distribution images from in-distribution ones it has not seen; 0.5 is chance, 1 perfect.
KID: kernel distance of samples from images, in the features of the classifier that comes with Joule; 0 is alike. It does not compare
with figures made with Inception.
classes: how many classes samples show, by that classifier; entropy: of their shares, in nats; sure: the share of samples with
0.9 or more of its probability on one class.
spectrum: root mean square over frequencies of log10 of the samples' power over the images'; 0 is alike.
diversity: how far samples are from their nearest neighbours among samples, over the same of images; 1 is alike.
gap: mean energy of the chains' ends less that of the data, over the last tenth of the training.
gradient: the longest before clipping.
Where there are several trainings a figure is their mean, with the least and the greatest in brackets.
`

// writeTables writes the tables of rows that were judged by the same images.
func writeTables(w io.Writer, rows []Row) error {
	if len(rows) == 0 {
		return nil
	}
	for _, r := range rows {
		if len(r.AUROC) != len(rows[0].AUROC) || (r.Quality.KID == nil) != (rows[0].Quality.KID == nil) {
			return fmt.Errorf("ablate: %s was judged by other means than %s: remove its %s to judge it again", r.Name(), rows[0].Name(), resultFile)
		}
	}
	seeds := func(r Row) string { return r.Loss.Title() + " | " + kernelTitle(r.Kernel) + " | " + yesNo(r.Attention) }
	var out strings.Builder
	table(&out, "loss | kernels | attention", rows, seeds)
	for _, choice := range []struct {
		title string
		of    func(Row) string
	}{
		{"loss", func(r Row) string { return r.Loss.Title() }},
		{"kernels", func(r Row) string { return kernelTitle(r.Kernel) }},
		{"attention", func(r Row) string { return yesNo(r.Attention) }},
	} {
		if len(groups(rows, choice.of)) > 1 {
			out.WriteString("\n")
			table(&out, choice.title, rows, choice.of)
		}
	}
	_, err := io.WriteString(w, out.String())
	return err
}

// group is a line of a table.
type group struct {
	title string
	rows  []Row
}

func groups(rows []Row, title func(Row) string) []group {
	var all []group
	for _, r := range rows {
		i := slices.IndexFunc(all, func(g group) bool { return g.title == title(r) })
		if i < 0 {
			i = len(all)
			all = append(all, group{title: title(r)})
		}
		all[i].rows = append(all[i].rows, r)
	}
	return all
}

func table(out *strings.Builder, heads string, rows []Row, title func(Row) string) {
	figures := columns(rows)
	fmt.Fprintf(out, "| %s | diverged | iterations |", heads)
	for _, c := range figures {
		fmt.Fprintf(out, " %s |", c.title)
	}
	out.WriteString("\n|" + strings.Repeat("---|", strings.Count(heads, "|")+1) + strings.Repeat("--:|", len(figures)+2) + "\n")
	for _, g := range groups(rows, title) {
		iterations := span(g.rows, column{"", "%.0f", func(r Row) float64 { return float64(r.Iterations) }})
		fmt.Fprintf(out, "| %s | %s | %s |", g.title, divergence(g.rows), iterations)
		for _, c := range figures {
			fmt.Fprintf(out, " %s |", span(g.rows, c))
		}
		out.WriteString("\n")
	}
}

// span is the mean over rows and, where they differ, the least and the greatest.
func span(rows []Row, c column) string {
	values := make([]float64, len(rows))
	for i, r := range rows {
		values[i] = c.of(r)
	}
	text := func(v float64) string { return fmt.Sprintf(c.format, v) }
	mean, least, greatest := text(stat.Mean(values, nil)), text(floats.Min(values)), text(floats.Max(values))
	if least == greatest {
		return mean
	}
	return mean + " (" + least + " to " + greatest + ")"
}

func divergence(rows []Row) string {
	var at []string
	for _, r := range rows {
		if r.Diverged {
			at = append(at, fmt.Sprint(r.DivergedAt))
		}
	}
	if at == nil {
		return fmt.Sprintf("0 of %d", len(rows))
	}
	return fmt.Sprintf("%d of %d, at %s", len(at), len(rows), strings.Join(at, ", "))
}

func kernelTitle(kernel string) string {
	if title, ok := map[string]string{"standardised": "weight standardisation", "spectral": "spectral norm", "plain": "as they are"}[kernel]; ok {
		return title
	}
	return kernel
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
