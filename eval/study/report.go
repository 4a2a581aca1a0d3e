package study

// This file is what a study comes to, as JSON and in Markdown.

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/joule-ebm/joule/internal/durable"
)

// Report is what a study has come to so far.
type Report struct {
	Preset     string   `json:"preset"`
	Data       string   `json:"data"`
	Iterations int64    `json:"iterations,omitempty"` // the budget of each
	For        string   `json:"for,omitempty"`        // likewise
	Processor  string   `json:"processor,omitempty"`  // likewise
	Changes    []string `json:"changes,omitempty"`    // of settings, of all
	In         string   `json:"in"`                   // the in-distribution images
	Images     int      `json:"images"`               // how many of them
	Samples    int      `json:"samples"`
	Cells      int      `json:"cells"` // in all, finished or not
	Rows       []Row    `json:"rows"`
	// Differences are those from the first configuration.
	Differences []Difference `json:"differences,omitempty"`
}

func (s *Study) newReport() *Report {
	l := s.Base.Limits
	r := &Report{Preset: s.Preset, Data: s.Base.Data, Iterations: l.Iterations, Changes: s.Changes, In: s.in.Name, Images: s.in.Len(),
		Samples: s.Samples, Cells: len(s.cells)}
	if l.For > 0 {
		r.For = l.For.String()
	}
	if l.Processor > 0 {
		r.Processor = l.Processor.String()
	}
	return r
}

// save writes the report in both forms, whole or not at all.
func (r *Report) save(dir string) error {
	if err := durable.WriteFile(filepath.Join(dir, "study.json"), r.JSON); err != nil {
		return err
	}
	return durable.WriteFile(filepath.Join(dir, "study.md"), r.Markdown)
}

// JSON writes the report as study.json has it.
func (r *Report) JSON(w io.Writer) error {
	r.Differences = differences(r.Rows)
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(r)
}

// Markdown writes tables: one of the configurations, seeds taken together, one of what differs from the first of them, and one of each
// choice, all else taken together.
func (r *Report) Markdown(w io.Writer) error {
	var text bytes.Buffer
	var budget []string
	if r.Iterations > 0 {
		budget = append(budget, strconv.FormatInt(r.Iterations, 10)+" iterations")
	}
	if r.For != "" {
		budget = append(budget, r.For)
	}
	if r.Processor != "" {
		budget = append(budget, r.Processor+" of processor time")
	}
	fmt.Fprintf(&text, "Preset %s on %s, %s each", r.Preset, r.Data, strings.Join(budget, " or "))
	if len(r.Changes) > 0 {
		fmt.Fprintf(&text, ", with %s", strings.Join(r.Changes, ", "))
	}
	fmt.Fprintf(&text, "; judged by %d images of %s and %d samples.\n", r.Images, r.In, r.Samples)
	if n := len(r.Rows); n < r.Cells {
		fmt.Fprintf(&text, "Unfinished: %d of %d trainings.\n", n, r.Cells)
	}
	builds, unsaid := map[string]bool{}, 0
	for _, row := range r.Rows {
		builds[row.Build] = true
		if row.Means == nil {
			unsaid++
		} else {
			builds[row.Means.Build] = true
		}
	}
	if len(builds) > 1 {
		fmt.Fprintf(&text, "Made by %d builds of joule: differences may be between these.\n", len(builds))
	}
	if unsaid > 0 {
		fmt.Fprintf(&text, "%d of the trainings were judged by an earlier build, which did not keep by which images and steps: to judge them again remove their %s.\n",
			unsaid, resultFile)
	}
	text.WriteString("\n")
	if err := writeTables(&text, r.Rows); err != nil {
		return err
	}
	text.WriteString("\n" + legend)
	_, err := text.WriteTo(w)
	return err
}
