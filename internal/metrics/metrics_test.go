package metrics_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/joule-ebm/joule/internal/metrics"
)

func Example() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "metrics.jsonl")

	for _, checkpoint := range []int{0, 2} { // the run, killed after iteration 3, and resumed from the checkpoint at 2
		file, err := metrics.Open(path, checkpoint)
		if err != nil {
			log.Fatal(err)
		}
		for i := checkpoint + 1; i <= checkpoint+3; i++ {
			r := metrics.Record{Iteration: i, Fields: []metrics.Field{{Name: "loss", Value: 1 / float64(i)}}}
			if err := file.Append(r); err != nil {
				log.Fatal(err)
			}
		}
		if err := file.Close(); err != nil {
			log.Fatal(err)
		}
	}
	for record, err := range metrics.Read(path) {
		if err != nil {
			log.Fatal(err)
		}
		loss, _ := record.Value("loss")
		fmt.Printf("%d %.2f\n", record.Iteration, loss)
	}
	// Output:
	// 1 1.00
	// 2 0.50
	// 3 0.33
	// 4 0.25
	// 5 0.20
}

func record(iteration int) metrics.Record {
	return metrics.Record{Iteration: iteration, Fields: []metrics.Field{
		{Name: "z", Value: 1 / float64(iteration)}, {Name: "größe \"q\"", Value: -1e300}, {Name: "a", Value: math.NaN()},
		{Name: "b", Value: math.Inf(1)}, {Name: "c", Value: math.Inf(-1)}, {Name: "d", Value: math.Copysign(0, -1)},
	}}
}

// appendTo appends the records of iterations from to through, to what Open keeps of the file.
func appendTo(t *testing.T, path string, keep, from, through int) {
	t.Helper()
	file, err := metrics.Open(path, keep)
	if err != nil {
		t.Fatal(err)
	}
	for i := from; i <= through; i++ {
		if err := file.Append(record(i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
}

func readAll(path string) (records []metrics.Record, err error) {
	for r, err := range metrics.Read(path) {
		if err != nil {
			return records, err
		}
		records = append(records, r)
	}
	return records, nil
}

func content(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestLines(t *testing.T) {
	path := filepath.Join(t.TempDir(), "m")
	appendTo(t, path, 0, 2, 4)
	b := content(t, path)
	const want = `{"iteration":2,"z":0.5,"größe \"q\"":-1e+300,"a":"NaN","b":"Infinity","c":"-Infinity","d":-0}`
	if line, _, _ := strings.Cut(string(b), "\n"); line != want {
		t.Errorf("wrote %s, want %s", line, want)
	}
	for line := range bytes.Lines(b) {
		if !json.Valid(line) || line[len(line)-1] != '\n' {
			t.Errorf("%q is not a line of JSON", line)
		}
	}
	records, err := readAll(path)
	if err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(records) != fmt.Sprint([]metrics.Record{record(2), record(3), record(4)}) { // printed, NaN equals NaN
		t.Errorf("read %v", records)
	}
	if _, ok := records[0].Value("e"); ok {
		t.Error("found a number that is not there")
	}
	for r := range metrics.Read(path) {
		if r.Iteration != 2 {
			t.Error("a reader that stops is called again")
		}
		break
	}
}

// A run of ten iterations is killed at every byte of its file after the checkpoint at iteration 4, and resumed from there.
func TestKilledAndResumedEqualsNeverKilled(t *testing.T) {
	dir := t.TempDir()
	whole := filepath.Join(dir, "whole")
	appendTo(t, whole, 0, 1, 10)
	want := content(t, whole)
	start := 0
	for range 4 {
		start += bytes.IndexByte(want[start:], '\n') + 1
	}
	path := filepath.Join(dir, "killed")
	for n := start - 1; n <= len(want); n++ { // the first cut takes the line's end only
		if err := os.WriteFile(path, want[:n], 0o666); err != nil {
			t.Fatal(err)
		}
		records, err := readAll(path)
		if err != nil || len(records) < bytes.Count(want[:n], []byte("\n")) {
			t.Fatalf("cut at %d: read %d records, %v", n, len(records), err)
		}
		appendTo(t, path, 4, 5, 10)
		if got := content(t, path); !bytes.Equal(got, want) {
			t.Fatalf("cut at %d, then resumed:\n%s\nwant\n%s", n, got, want)
		}
	}

	appendTo(t, path, 0, 1, 0)
	if got := content(t, path); len(got) != 0 {
		t.Errorf("a new run keeps %q", got)
	}
}

func TestAppendRefuses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "m")
	appendTo(t, path, 0, 1, 3)
	want := content(t, path)
	file, err := metrics.Open(path, 3)
	if err != nil {
		t.Fatal(err)
	}
	a := metrics.Field{Name: "a"}
	for name, bad := range map[string]metrics.Record{
		"the same iteration": {Iteration: 3},
		"a name twice":       {Iteration: 4, Fields: []metrics.Field{a, a}},
		"a reserved name":    {Iteration: 4, Fields: []metrics.Field{{Name: "iteration"}}},
		"a long line":        {Iteration: 4, Fields: []metrics.Field{{Name: strings.Repeat("n", 1<<20)}}},
	} {
		if err := file.Append(bad); err == nil {
			t.Errorf("accepted %s", name)
		}
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	if err := file.Append(record(4)); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("appended to a closed file: %v", err)
	}
	if got := content(t, path); !bytes.Equal(got, want) {
		t.Errorf("what was refused left %q", got)
	}
}

var damaged = map[string]string{
	"text":           "iteration 1\n",
	"blank":          "\n",
	"array":          "[1]\n",
	"no iteration":   "{\"loss\":1}\n",
	"empty object":   "{}\n",
	"late iteration": "{\"loss\":1,\"iteration\":1}\n",
	"fraction":       "{\"iteration\":1.5}\n",
	"text iteration": "{\"iteration\":\"1\"}\n",
	"twice":          "{\"iteration\":1,\"a\":1,\"a\":1}\n",
	"nested":         "{\"iteration\":1,\"a\":{}}\n",
	"word":           "{\"iteration\":1,\"a\":\"b\"}\n",
	"null":           "{\"iteration\":1,\"a\":null}\n",
	"too large":      "{\"iteration\":1,\"a\":1e999}\n",
	"two objects":    "{\"iteration\":1}{}\n",
	"backwards":      "{\"iteration\":1}\n{\"iteration\":1}\n",
	"torn inside":    "{\"iteration\":1,\"a\n{\"iteration\":2}\n",
	"not UTF-8":      "{\"iteration\":1,\"\xff\":1}\n",
	"endless":        strings.Repeat(" ", 1<<20+1),
}

func TestDamage(t *testing.T) {
	for name, text := range damaged {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "m")
			if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
				t.Fatal(err)
			}
			_, reading := readAll(path)
			_, opening := metrics.Open(path, math.MaxInt)
			for _, err := range []error{reading, opening} {
				if err == nil || !strings.Contains(err.Error(), path+": line ") || strings.Contains(err.Error(), "\n") {
					t.Errorf("error %v, want one line with the file and its line", err)
				}
			}
			if got := content(t, path); string(got) != text {
				t.Errorf("a file that is no metrics file was changed to %q", got)
			}
		})
	}
}

func TestMissing(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing", "m")
	if _, err := readAll(missing); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("reading: %v", err)
	}
	if _, err := metrics.Open(missing, 0); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("opening: %v", err)
	}
}

// Whatever can be opened can be read, holds nothing past the iteration it was opened at, and can be appended to.
func FuzzOpen(f *testing.F) {
	for _, text := range damaged {
		if len(text) < 1000 {
			f.Add([]byte(text), 1)
		}
	}
	f.Add([]byte("{\"iteration\":1,\"a\":\"NaN\"}\n{\"iteration\":5,\"a\":-0.5}\n{\"iter"), 3)
	f.Add([]byte("{\"iteration\":1}"), 3)
	path := filepath.Join(f.TempDir(), "m")
	f.Fuzz(func(t *testing.T, text []byte, keep int) {
		if keep == math.MaxInt {
			return
		}
		if err := os.WriteFile(path, text, 0o666); err != nil {
			t.Fatal(err)
		}
		before, errBefore := readAll(path)
		file, err := metrics.Open(path, keep)
		if err != nil {
			if errBefore == nil {
				t.Errorf("can be read, not opened: %v", err)
			}
			return
		}
		if err := file.Append(metrics.Record{Iteration: keep + 1}); err != nil {
			t.Fatal(err)
		}
		if err := file.Close(); err != nil {
			t.Fatal(err)
		}
		after, err := readAll(path)
		if err != nil || len(after) == 0 || after[len(after)-1].Iteration != keep+1 {
			t.Fatalf("opened and appended to, it reads %v, %v", after, err)
		}
		n := len(after) - 1
		if fmt.Sprint(before[:n]) != fmt.Sprint(after[:n]) || n < len(before) && before[n].Iteration <= keep {
			t.Errorf("of %v kept %v through %d", before, after[:n], keep)
		}
	})
}
