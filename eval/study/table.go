package study

// This file makes tables of a study, in Markdown: one of its configurations, seeds taken together, one of what differs from the first of
// them, and one of each choice, all else taken together.

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/stat"
)

// column is a figure of a row.
type column struct {
	title, format string
	of            func(Row) float64 // NaN where the row has none
}

// columns are the figures that tables show, but for divergence and iterations.
func columns(rows []Row) []column {
	var all []column
	for i, a := range rows[0].AUROC {
		all = append(all, column{"AUROC " + a.Out, "%.3f", func(r Row) float64 { return r.AUROC[i].Value }})
	}
	if rows[0].Quality.Figures != nil {
		all = append(all,
			column{"FID", "%.3g", func(r Row) float64 { return r.Quality.Figures.FID.Value }},
			column{"KID", "%.3g", func(r Row) float64 { return r.Quality.Figures.KID.Value }},
			column{"precision", "%.2f", func(r Row) float64 { return r.Quality.Figures.Manifold.Precision.Value }},
			column{"coverage", "%.2f", func(r Row) float64 { return r.Quality.Figures.Manifold.Coverage.Value }},
			column{"classes", "%.0f", func(r Row) float64 { return float64(r.Quality.Figures.Classes.Covered) }},
			column{"least", "%.3f", func(r Row) float64 {
				c := r.Quality.Figures.Classes.Counts
				return float64(slices.Min(c)) / float64(r.Quality.Figures.Samples)
			}},
			column{"entropy", "%.2f", func(r Row) float64 { return r.Quality.Figures.Classes.Entropy }},
			column{"sure", "%.2f", func(r Row) float64 { return r.Quality.Figures.Classes.Sure }})
	}
	if slices.ContainsFunc(rows, func(r Row) bool { return r.Quality.Asked != nil }) {
		all = append(all, column{"asked", "%.3f", func(r Row) float64 {
			if r.Quality.Asked == nil {
				return math.NaN()
			}
			return r.Quality.Asked.Value
		}})
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
FID, KID: Fréchet and kernel distance of samples from images, in the features of the network that comes with Joule for such images; 0 is
alike. They do not compare with figures made with Inception, and FID only with that of as many images.
precision: the share of samples among the images; coverage: the share of images that have samples near them; 1 is best.
classes: how many classes samples show, by that network; least: the share of the class of which there are fewest; entropy: of the shares,
in nats; sure: the share of samples with 0.9 or more of its probability on one class.
asked: the share of samples of a conditional model that show the class they were drawn for.
spectrum: root mean square over frequencies of log10 of the samples' power over the images'; 0 is alike.
diversity: how far samples are from their nearest neighbours among samples, over the same of images; 1 is alike.
gap: mean energy of the chains' ends less that of the data, over the last tenth of the training.
gradient: the longest before clipping.
Where there are several trainings a figure is their mean, with the least and the greatest in brackets.
Differences from the first configuration are means over pairs of equal seeds, with 95% intervals by Student's t: * marks those that leave 0
out (p < 0.05), each by itself: of twenty such figures of equal configurations one is marked. Where all pairs differ by the same there is no
interval: how much they vary is not known.
`

// writeTables writes the tables of rows that were judged by the same images.
func writeTables(w io.Writer, rows []Row) error {
	if len(rows) == 0 {
		return nil
	}
	var out strings.Builder
	var choices []string
	for _, c := range rows[0].Choices {
		choices = append(choices, c.Of)
	}
	if len(choices) > 0 {
		table(&out, strings.Join(choices, " | "), rows, func(r Row) string {
			var made []string
			for _, of := range choices {
				made = append(made, r.Is(of))
			}
			return strings.Join(made, " | ")
		})
	} else {
		table(&out, "configuration", rows, title)
	}
	differencesTable(&out, rows)
	for _, of := range choices {
		if choice := func(r Row) string { return r.Is(of) }; len(choices) > 1 && len(groups(rows, choice)) > 1 {
			out.WriteString("\n")
			table(&out, of, rows, choice)
		}
	}
	_, err := io.WriteString(w, out.String())
	return err
}

// title is a configuration in words.
func title(r Row) string {
	if len(r.Changes) == 0 {
		return r.Name
	}
	return r.Name + " (" + strings.Join(r.Changes, ", ") + ")"
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

// differences are those of each configuration from the first, in the order of the tables.
func differences(rows []Row) (all []Difference) {
	if len(rows) == 0 {
		return nil
	}
	named := groups(rows, func(r Row) string { return r.Name })
	first := map[uint64]Row{}
	for _, r := range named[0].rows {
		first[r.Seed] = r
	}
	for _, g := range named[1:] {
		for _, c := range columns(rows) {
			var figures, theirs []float64
			for _, r := range g.rows {
				f, ok := first[r.Seed]
				if !ok || math.IsNaN(c.of(r)) || math.IsNaN(c.of(f)) {
					continue
				}
				figures, theirs = append(figures, c.of(r)), append(theirs, c.of(f))
			}
			if d, ok := paired(figures, theirs); ok {
				d.Row, d.Column = g.title, c.title
				all = append(all, d)
			}
		}
	}
	return all
}

func differencesTable(out *strings.Builder, rows []Row) {
	all := differences(rows)
	if len(all) == 0 {
		return
	}
	figures := columns(rows)
	fmt.Fprintf(out, "\n| above %s | pairs |", rows[0].Name)
	for _, c := range figures {
		fmt.Fprintf(out, " %s |", c.title)
	}
	out.WriteString("\n|---|" + strings.Repeat("--:|", len(figures)+1) + "\n")
	for i, d := range all {
		if i == 0 || d.Row != all[i-1].Row {
			fmt.Fprintf(out, "| %s | %d |", d.Row, d.Pairs)
			for _, c := range figures {
				out.WriteString(differenceText(all[i:], d.Row, c))
			}
			out.WriteString("\n")
		}
	}
}

// differenceText is a cell of the table of differences; empty where none of them is of that row and column.
func differenceText(all []Difference, row string, c column) string {
	i := slices.IndexFunc(all, func(d Difference) bool { return d.Row == row && d.Column == c.title })
	if i < 0 {
		return " - |"
	}
	d, format, mark := all[i], strings.Replace(c.format, "%", "%+", 1), ""
	if d.Significance == nil {
		return fmt.Sprintf(" "+format+" |", d.Mean)
	}
	if d.P < 0.05 {
		mark = "*"
	}
	return fmt.Sprintf(" "+format+"%s ("+format+" to "+format+") |", d.Mean, mark, d.Low, d.High)
}

// span is the mean over rows and, where they differ, the least and the greatest.
func span(rows []Row, c column) string {
	values := make([]float64, len(rows))
	for i, r := range rows {
		values[i] = c.of(r)
	}
	text := func(v float64) string {
		if math.IsNaN(v) {
			return "-"
		}
		return fmt.Sprintf(c.format, v)
	}
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
