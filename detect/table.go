package detect

// This file writes judged images as tables: text for people, CSV and JSON for programs.

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/joule-ebm/joule/internal/terminal"
)

// Scored is an image with what the model says of it, as tables and JSON have it.
type Scored struct {
	Image   string `json:"image"`
	Resized bool   `json:"resized"`
	Judgement
}

// Table is a way to write images, one after the other.
type Table struct {
	Row func(Scored) error
	End func() error // after the last row
}

// NewTable writes images in a format: table (for people), csv or json. It is false if there is no such format.
func NewTable(format string, w io.Writer) (Table, bool) {
	switch format {
	case "table":
		return textTable(w), true
	case "csv":
		return csvTable(w), true
	case "json":
		return jsonTable(w), true
	}
	return Table{}, false
}

// textTable has no heading, so that it can be sorted: score, p-value and decision as far as there are any, and name.
func textTable(w io.Writer) Table {
	return Table{End: func() error { return nil }, Row: func(s Scored) error {
		row := fmt.Sprintf("%12.6f  ", s.Score)
		if s.P != nil {
			row += fmt.Sprintf("%9.4g  ", *s.P)
		}
		if s.OutOfDistribution != nil {
			row += fmt.Sprintf("%-19s  ", map[bool]string{true: "out-of-distribution", false: "in-distribution"}[*s.OutOfDistribution])
		}
		_, err := fmt.Fprintf(w, "%s%s\n", row, terminal.Printable(s.Image))
		return err
	}}
}

// csvTable always has all columns, empty where a model that is not calibrated, or nobody who decides, leaves them so.
func csvTable(w io.Writer) Table {
	out := csv.NewWriter(w)
	_ = out.Write([]string{"image", "energy", "resized", "score", "p", "q", "out_of_distribution"}) // an error comes again with Flush
	end := func() error {
		out.Flush()
		return out.Error()
	}
	single := func(v float32) string { return strconv.FormatFloat(float64(v), 'g', -1, 32) }
	return Table{End: end, Row: func(s Scored) error {
		row := []string{s.Image, single(s.Energy), strconv.FormatBool(s.Resized), single(s.Score), "", "", ""}
		for i, v := range []*float64{s.P, s.Q} {
			if v != nil {
				row[4+i] = strconv.FormatFloat(*v, 'g', -1, 64)
			}
		}
		if s.OutOfDistribution != nil {
			row[6] = strconv.FormatBool(*s.OutOfDistribution)
		}
		return errors.Join(out.Write(row), end())
	}}
}

// jsonTable is one array, an element a line.
func jsonTable(w io.Writer) Table {
	before, after := "[", "[]\n"
	return Table{
		Row: func(s Scored) error {
			line, err := json.Marshal(s)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(w, "%s\n%s", before, line)
			before, after = ",", "\n]\n"
			return err
		},
		End: func() error {
			_, err := io.WriteString(w, after)
			return err
		},
	}
}
