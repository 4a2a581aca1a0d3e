package stream_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/joule-ebm/joule/detect"
	"github.com/joule-ebm/joule/detect/stream"
	"github.com/joule-ebm/joule/energy"
	"github.com/joule-ebm/joule/engine/cpu"
	"github.com/joule-ebm/joule/expr"
	"github.com/joule-ebm/joule/model"
)

// A picture that is still being written is judged once it is whole, whatever time its file has; those after it do not wait for it. One
// that a stream was stopped with is known to the next.
func TestHalfWritten(t *testing.T) {
	path, folder, _ := watched(t, 0)
	dir, state := t.TempDir(), filepath.Join(t.TempDir(), "state")
	file := func(name string) string { return filepath.Join(dir, name) }
	half := func(name string) []byte { c := readFile(t, filepath.Join(folder, name)); return c[:len(c)/2] }
	old := time.Now().Add(-time.Hour)
	put := func(name string, content []byte, changed time.Time) {
		writeFile(t, file(name), content)
		if err := os.Chtimes(file(name), changed, changed); err != nil {
			t.Fatal(err)
		}
	}
	put("000.png", half("000.png"), old)
	put("001.png", readFile(t, filepath.Join(folder, "001.png")), old)
	follow := func(want int, first func()) (lines []stream.Line) {
		t.Helper()
		s, err := stream.Open(newJudge(t, path, "energy", detect.Rule{}), stream.Folder{Path: dir, Follow: true},
			stream.Options{Output: filepath.Join(filepath.Dir(state), "out"), State: state})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		for line, err := range s.Lines(ctx) {
			if errors.Is(err, context.Canceled) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if lines = append(lines, line); len(lines) == want {
				time.AfterFunc(300*time.Millisecond, cancel)
			} else if len(lines) == 1 && first != nil {
				first()
			}
		}
		if r := s.Report(); r.Failed > 0 {
			t.Errorf("%d could not be read", r.Failed)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		return lines
	}
	lines := follow(1, nil)
	if len(lines) != 1 || lines[0].Image != file("001.png") {
		t.Fatalf("with one picture half written: %+v", lines)
	}
	put("002.png", readFile(t, filepath.Join(folder, "002.png")), old)
	lines = follow(2, func() { put("000.png", readFile(t, filepath.Join(folder, "000.png")), old.Add(time.Second)) })
	if len(lines) != 2 || lines[0].Image != file("002.png") || lines[1].Image != file("000.png") || lines[1].Result == nil {
		t.Fatalf("once it is whole: %+v", lines)
	}
	if lines[1].N != 3 {
		t.Errorf("its number is %d", lines[1].N)
	}
	// Where nothing comes after the late one, the next stream does not take it for new.
	whole := func(name string) []byte { return readFile(t, filepath.Join(folder, name)) }
	put("003.png", whole("003.png"), old)
	put("004.png", half("004.png"), old)
	lines = follow(2, func() { put("004.png", whole("004.png"), old.Add(time.Second)) })
	if len(lines) != 2 || lines[0].Image != file("003.png") || lines[1].Image != file("004.png") || lines[1].Result == nil {
		t.Fatalf("with the last one half written: %+v", lines)
	}
	put("005.png", whole("005.png"), old)
	put("006.png", half("006.png"), old)
	if lines = follow(1, nil); len(lines) != 1 || lines[0].Image != file("005.png") || lines[0].N != 6 {
		t.Fatalf("after the last one was half written: %+v", lines)
	}
	// Nor does it take one for new that waits already, and has only just been completed.
	put("006.png", whole("006.png"), time.Now())
	lines = follow(2, func() { put("007.png", whole("007.png"), old) })
	if len(lines) != 2 || lines[0].Image != file("006.png") || lines[1].Image != file("007.png") || lines[1].N != 8 {
		t.Fatalf("once the last one is whole: %+v", lines)
	}
	// A stream that follows the folder no longer reads what waits too, whole or not.
	for _, name := range []string{"008.png", "009.png"} {
		put(name, half(name), old)
	}
	put("010.png", whole("010.png"), old)
	if lines = follow(1, nil); len(lines) != 1 || lines[0].Image != file("010.png") {
		t.Fatalf("with two half written: %+v", lines)
	}
	put("009.png", whole("009.png"), old)
	lines, r := judged(t, newJudge(t, path, "energy", detect.Rule{}), stream.Folder{Path: dir},
		stream.Options{Output: filepath.Join(filepath.Dir(state), "out"), State: state})
	if len(lines) != 2 || lines[0].Error == "" || lines[1].Image != file("009.png") || lines[1].Result == nil || r.Waiting != 0 {
		t.Fatalf("once it is not followed: %+v, %+v", lines, r)
	}
}

// A picture of a list that is half written has the line of the whole one, of whole images and of tiles, which are smaller than the picture.
func TestHalfWrittenOnAList(t *testing.T) {
	for name, tile := range map[string]int{"whole images": 0, "tiles": side - 4} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			image := expr.Shape{side, side, 1}
			m := &model.Model{Config: model.Paper(), Params: map[string][]float32{"head.weight": {1}, "head.bias": {0}}}
			if tile > 0 {
				image[0], image[1] = tile, tile
				m.Config.Tiles = model.Tiles{Side: tile, Stride: 4}
			}
			m.Config.Network.Image = image[:]
			m.Energy = &energy.Energy{Image: image, Build: func(p *energy.Params, x, _ *expr.Value) []*expr.Value {
				return []*expr.Value{energy.Head(p, "head", expr.Pool(x))}
			}}
			folder := pictures(t, 30)
			calibrate(t, m, folder)
			judge, err := detect.NewJudge(&cpu.Engine{Threads: 1}, m, "", detect.Rule{FalseAlarms: 0.1})
			if err != nil {
				t.Fatal(err)
			}
			path, content := filepath.Join(t.TempDir(), "late.png"), readFile(t, filepath.Join(folder, "007.png"))
			judged := func() (lines []stream.Line) {
				s, err := stream.Open(judge, stream.List{Reader: strings.NewReader(path + "\n")}, stream.Options{})
				if err != nil {
					t.Fatal(err)
				}
				defer s.Close()
				for line, err := range s.Lines(t.Context()) {
					if err != nil {
						t.Fatal(err)
					}
					lines = append(lines, line)
				}
				return lines
			}
			writeFile(t, path, content)
			want := judged()
			writeFile(t, path, content[:len(content)/2])
			whole := path + ".whole"
			writeFile(t, whole, content)
			time.AfterFunc(500*time.Millisecond, func() { _ = os.Rename(whole, path) })
			if got := judged(); len(want) != 1 || want[0].Result == nil || !reflect.DeepEqual(got, want) {
				t.Errorf("half written, then whole: %+v\nwant %+v", got, want)
			}
		})
	}
}
