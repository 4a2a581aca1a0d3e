package metrics

// This file reads.

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"os"
	"strconv"
	"unicode/utf8"
)

const (
	iterationKey = "iteration"
	maxLine      = 1 << 20 // bytes
)

// Read yields the records of the file at path in order. A last line that a kill cut short is passed over; a line damaged
// otherwise ends the sequence with an error.
func Read(path string) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		file, err := os.Open(path)
		if err != nil {
			yield(Record{}, err)
			return
		}
		defer file.Close()
		stopped := false
		err = scan(file, func(r Record, _ int64) bool {
			stopped = !yield(r, nil)
			return !stopped
		})
		if err != nil && !stopped {
			yield(Record{}, fmt.Errorf("%s: %w", path, err))
		}
	}
}

// Tail reads the file at Path while it is written. The zero value of the rest is a Tail that has read nothing.
type Tail struct {
	Path string
	end  int64 // of what has been read
}

// Next calls each for the records written since it was last called. If the file has been cut meanwhile, as it is when a run is resumed, it
// begins again: then it calls again first.
func (t *Tail) Next(again func(), each func(Record)) error {
	file, err := os.Open(t.Path)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if info.Size() < t.end {
		t.end = 0
		again()
	}
	begin := t.end
	err = scan(io.NewSectionReader(file, begin, info.Size()-begin), func(r Record, end int64) bool {
		var last [1]byte
		if _, err := file.ReadAt(last[:], begin+end-1); err != nil || last[0] != '\n' {
			return false // the line is being written
		}
		t.end = begin + end
		each(r)
		return true
	})
	if err != nil {
		return fmt.Errorf("%s: %w", t.Path, err)
	}
	return nil
}

// scan calls each for the records of r, with the position after each one's line, until each returns false.
func scan(r io.Reader, each func(record Record, end int64) bool) error {
	lines := bufio.NewReaderSize(r, maxLine)
	var end int64
	last := math.MinInt
	for number := 1; ; number++ {
		line, err := lines.ReadSlice('\n')
		whole := err == nil
		switch {
		case err == io.EOF && len(line) == 0:
			return nil
		case err == bufio.ErrBufferFull:
			return fmt.Errorf("line %d: over %d bytes: not a metrics file", number, maxLine)
		case !whole && err != io.EOF:
			return err
		}
		end += int64(len(line))
		record, err := parse(line)
		switch {
		case err != nil && !whole:
			return nil // cut short
		case err != nil:
			return fmt.Errorf("line %d: %w", number, err)
		case record.Iteration <= last && number > 1:
			return fmt.Errorf("line %d: iteration %d cannot follow iteration %d", number, record.Iteration, last)
		}
		last = record.Iteration
		if !each(record, end) {
			return nil
		}
	}
}

var errLine = errors.New(`want an object of numbers that starts with "iteration"`)

func parse(line []byte) (Record, error) {
	var r Record
	if !utf8.Valid(line) {
		return r, errors.New("not UTF-8")
	}
	decoder := json.NewDecoder(bytes.NewReader(line))
	decoder.UseNumber()
	if open, err := decoder.Token(); err != nil || open != json.Delim('{') {
		return r, errLine
	}
	seen := map[string]bool{}
	for decoder.More() {
		token, err := decoder.Token()
		name, ok := token.(string)
		if err != nil || !ok || seen[name] || (len(seen) == 0) != (name == iterationKey) {
			return r, errLine
		}
		value, err := decoder.Token()
		if err != nil {
			return r, errLine
		}
		if len(seen) == 0 {
			number, ok := value.(json.Number)
			if r.Iteration, err = strconv.Atoi(number.String()); err != nil || !ok {
				return r, errLine
			}
		} else {
			number, err := decode(value)
			if err != nil {
				return r, fmt.Errorf("%.60q: %w", name, err)
			}
			r.Fields = append(r.Fields, Field{name, number})
		}
		seen[name] = true
	}
	if _, err := decoder.Token(); err != nil || len(seen) == 0 {
		return r, errLine
	}
	if _, err := decoder.Token(); err != io.EOF {
		return r, errLine
	}
	return r, nil
}

func decode(value json.Token) (float64, error) {
	switch value {
	case "NaN":
		return math.NaN(), nil
	case "Infinity":
		return math.Inf(1), nil
	case "-Infinity":
		return math.Inf(-1), nil
	}
	number, ok := value.(json.Number)
	if !ok {
		return 0, fmt.Errorf("%.20q is not a number", fmt.Sprint(value))
	}
	return number.Float64()
}
