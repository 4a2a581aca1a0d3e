// Package metrics keeps the numbers of a training run as JSON lines, one object an iteration:
//
//	{"iteration":1,"loss":0.25,"seconds":1.5}
//
// Each line is written whole and at once, so a kill costs at most the last. A run resumed from a checkpoint reopens the file at the
// checkpoint's iteration and leaves the file it would have left had it never stopped, but for the times it measures.
//
// JSON has no NaN or infinity; they are the strings "NaN", "Infinity" and "-Infinity", which Python's float() takes too.
package metrics

// This file appends.

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"

	"github.com/joule-ebm/joule/internal/durable"
)

// Record is what was measured in one iteration.
type Record struct {
	Iteration int
	Fields    []Field // in the order of the line
}

// Field is a named number.
type Field struct {
	Name  string // unique in a record, UTF-8, not "iteration"
	Value float64
}

// Value returns the number called name.
func (r Record) Value(name string) (value float64, ok bool) {
	for _, f := range r.Fields {
		if f.Name == name {
			return f.Value, true
		}
	}
	return 0, false
}

// Log is a file of records open for appending. It is not safe for concurrent use.
type Log struct {
	file *os.File
	size int64 // of the whole lines
	last int   // iteration of the last line
}

// Open opens the file at path, which need not exist, and drops what follows the records through iteration keepThrough: later
// ones, and a last line that a kill cut short. A new run whose iterations start at 1 keeps through 0.
func Open(path string, keepThrough int) (*Log, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return nil, err
	}
	log := &Log{file: file, last: math.MinInt}
	if err := log.cut(keepThrough); err != nil {
		file.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return log, durable.SyncDir(filepath.Dir(path))
}

func (l *Log) cut(keepThrough int) error {
	err := scan(l.file, func(r Record, end int64) bool {
		if r.Iteration <= keepThrough {
			l.size, l.last = end, r.Iteration
		}
		return r.Iteration <= keepThrough
	})
	if err != nil {
		return err
	}
	if err := l.file.Truncate(l.size); err != nil {
		return err
	}
	if l.size == 0 {
		return nil
	}
	var end [1]byte
	if _, err := l.file.ReadAt(end[:], l.size-1); err != nil {
		return err
	}
	if end[0] != '\n' { // a kill took only the line's end
		return l.write([]byte("\n"))
	}
	return nil
}

// Append adds a record, whose iteration must be later than the last one's. The line is in the file, if not yet on the disk, when
// Append returns; on error it is not there at all.
func (l *Log) Append(r Record) error {
	if r.Iteration <= l.last {
		return fmt.Errorf("%s: iteration %d cannot follow iteration %d", l.file.Name(), r.Iteration, l.last)
	}
	line := strconv.AppendInt([]byte(`{"`+iterationKey+`":`), int64(r.Iteration), 10)
	seen := map[string]bool{iterationKey: true}
	for _, f := range r.Fields {
		if seen[f.Name] {
			return fmt.Errorf("%s: the name %q is taken", l.file.Name(), f.Name)
		}
		seen[f.Name] = true
		name, err := json.Marshal(f.Name)
		if err != nil {
			return err
		}
		line = append(append(append(line, ','), name...), ':')
		line = append(line, encode(f.Value)...)
	}
	line = append(line, "}\n"...)
	if len(line) > maxLine {
		return fmt.Errorf("%s: iteration %d has a line of over %d bytes", l.file.Name(), r.Iteration, maxLine)
	}
	if err := l.write(line); err != nil {
		return fmt.Errorf("appending metrics of iteration %d: %w", r.Iteration, err)
	}
	l.last = r.Iteration
	return nil
}

func (l *Log) write(line []byte) error {
	if _, err := l.file.WriteAt(line, l.size); err != nil {
		_ = l.file.Truncate(l.size) // no half a line in front of the next; if this fails too there is nothing left to try
		return err
	}
	l.size += int64(len(line))
	return nil
}

// Sync flushes what was appended to the disk. Before a checkpoint is saved this makes sure that a power cut takes no line of an
// iteration that the checkpoint covers.
func (l *Log) Sync() error { return l.file.Sync() }

// Close flushes to the disk and closes the file.
func (l *Log) Close() error {
	err := l.file.Sync()
	if closing := l.file.Close(); err == nil {
		err = closing
	}
	return err
}

func encode(value float64) string {
	switch {
	case math.IsNaN(value):
		return `"NaN"`
	case math.IsInf(value, 1):
		return `"Infinity"`
	case math.IsInf(value, -1):
		return `"-Infinity"`
	}
	number, _ := json.Marshal(value) // a finite number has an encoding
	return string(number)
}
