package run_test

// This file goes on with runs that the first version wrote (testdata/v1): nothing that somebody has trained is lost by a newer program.

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"io"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/joule-ebm/joule/detect"
	"github.com/joule-ebm/joule/engine/cpu"
	"github.com/joule-ebm/joule/internal/kernels"
	"github.com/joule-ebm/joule/model"
	"github.com/joule-ebm/joule/run"
)

// unzip unpacks an archive into a new directory.
func unzip(t *testing.T, path string) (dir string) {
	t.Helper()
	archive, err := zip.OpenReader(path)
	if err != nil {
		t.Fatal(err)
	}
	defer archive.Close()
	dir = t.TempDir()
	for _, f := range archive.File {
		in, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(in)
		if err != nil {
			t.Fatal(err)
		}
		to := filepath.Join(dir, filepath.FromSlash(f.Name))
		if err := os.MkdirAll(filepath.Dir(to), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, content, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// iterations are the lines of a run's metrics, times aside.
func iterations(t *testing.T, dir string) (lines []map[string]float64) {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(dir, "metrics.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(content) {
		fields := map[string]float64{}
		if err := json.Unmarshal(line, &fields); err != nil {
			t.Fatal(err)
		}
		delete(fields, run.SecondsField)
		delete(fields, run.ProcessorField)
		lines = append(lines, fields)
	}
	return lines
}

// scores is a calibration without what it was made with, which the first version did not note.
func scores(t *testing.T, c *detect.Calibration) (fields map[string]any) {
	t.Helper()
	text, err := json.Marshal(c)
	if err == nil {
		err = json.Unmarshal(text, &fields)
	}
	if err != nil {
		t.Fatal(err)
	}
	delete(fields, "pixels")
	delete(fields, "weights")
	for _, since := range []string{"typical-set", "typical-descent"} { // detectors that the first version had not
		if reference, ok := fields["reference"].(map[string]any); ok {
			delete(reference, strings.ReplaceAll(since, "-", "_"))
		}
		if list, ok := fields["scores"].([]any); ok {
			fields["scores"] = slices.DeleteFunc(list, func(one any) bool { return one.(map[string]any)["detector"] == since })
		}
	}
	return fields
}

func TestRunsOfTheFirstVersion(t *testing.T) {
	for _, kind := range []string{"stopped", "conditional", "hmc"} {
		t.Run(kind, func(t *testing.T) {
			dir := unzip(t, filepath.Join("testdata", "v1", kind+".zip"))
			before, err := model.Open(filepath.Join(dir, "run"))
			if err != nil {
				t.Fatal(err)
			}
			resume(t, filepath.Join(dir, "run"), &run.Limits{Iterations: 14})
			got, err := model.Open(filepath.Join(dir, "run"))
			if err != nil {
				t.Fatal(err)
			}
			want, err := model.Open(filepath.Join(dir, "resumed"))
			if err != nil {
				t.Fatal(err)
			}
			if before.Iterations >= got.Iterations || got.Iterations != want.Iterations {
				t.Fatalf("%d iterations, resumed to %d, by the first version to %d", before.Iterations, got.Iterations, want.Iterations)
			}
			_, heldOut, err := want.Config.OpenData(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			e := &cpu.Engine{Threads: 1}
			ours, err := got.Energies(t.Context(), e, heldOut.Pixels, model.AnyLabel)
			if err != nil {
				t.Fatal(err)
			}
			theirs, err := want.Energies(t.Context(), e, heldOut.Pixels, model.AnyLabel)
			if err != nil {
				t.Fatal(err)
			}
			for i := range ours {
				if math.Abs(ours[i]-theirs[i]) > 0.02 { // other kernels round differently, and 14 iterations make more of it
					t.Fatalf("image %d has energy %v, by the first version %v", i, ours[i], theirs[i])
				}
			}
			calibration, err := detect.CalibrationOf(got)
			if err != nil {
				t.Fatal(err)
			}
			first, err := detect.CalibrationOf(want) // which has an older name for a detector
			if err != nil {
				t.Fatalf("the first version's calibration: %v", err)
			}
			if kernels.Best().Name != "avx512" {
				t.Skip("recorded with AVX-512, whose bits other kernels do not give")
			}
			if !reflect.DeepEqual(got.Params, want.Params) || !reflect.DeepEqual(scores(t, calibration), scores(t, first)) {
				t.Error("other bits than the first version's")
			}
			ourLines, theirLines := iterations(t, filepath.Join(dir, "run")), iterations(t, filepath.Join(dir, "resumed"))
			if len(ourLines) != len(theirLines) {
				t.Fatalf("%d iterations written down, by the first version %d", len(ourLines), len(theirLines))
			}
			for i, line := range theirLines { // a newer version may measure more
				for name, value := range line {
					if ourLines[i][name] != value {
						t.Errorf("iteration %d: %s is %v, by the first version %v", i+1, name, ourLines[i][name], value)
					}
				}
			}
		})
	}
}
