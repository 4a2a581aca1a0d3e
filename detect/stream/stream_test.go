package stream_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/joule-ebm/joule/dataset"
	"github.com/joule-ebm/joule/detect"
	"github.com/joule-ebm/joule/detect/stream"
	"github.com/joule-ebm/joule/energy"
	"github.com/joule-ebm/joule/engine/cpu"
	"github.com/joule-ebm/joule/engine/rng"
	"github.com/joule-ebm/joule/expr"
	"github.com/joule-ebm/joule/internal/durable"
	"github.com/joule-ebm/joule/model"
)

const side = 12

// pictures makes a folder of n pictures, all different.
func pictures(t *testing.T, n int) string {
	t.Helper()
	dir := t.TempDir()
	for i := range n {
		img := image.NewGray(image.Rect(0, 0, side, side))
		for p := range img.Pix {
			img.SetGray(p%side, p/side, color.Gray{uint8(p%side*17 + p/side*29*(i%3) + i*31)})
		}
		var file bytes.Buffer
		if err := png.Encode(&file, img); err != nil {
			t.Fatal(err)
		}
		writeFile(t, fmt.Sprintf("%s/%03d.png", dir, i), file.Bytes())
	}
	return dir
}

func writeFile(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o666); err != nil {
		t.Fatal(err)
	}
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// calibrated is the file of a model, calibrated with the pictures in a folder.
func calibrated(t *testing.T, folder string) string {
	t.Helper()
	c := model.Paper()
	c.Network.Filters, c.Network.Image = 4, []int{side, side, 1}
	e, err := energy.New(c.Network.Name, energy.Options{Filters: 4, Image: expr.Shape{side, side, 1}})
	if err != nil {
		t.Fatal(err)
	}
	params, err := e.Params()
	if err != nil {
		t.Fatal(err)
	}
	m, err := model.New(c, nil, energy.InitialValues(params.Specs(), 1))
	if err != nil {
		t.Fatal(err)
	}
	calibrate(t, m, folder)
	path := filepath.Join(t.TempDir(), "model.safetensors")
	if err := m.Save(path); err != nil {
		t.Fatal(err)
	}
	return path
}

func calibrate(t *testing.T, m *model.Model, folder string) {
	t.Helper()
	set, err := dataset.Open(t.Context(), folder, m.Config.PictureSize())
	if err != nil {
		t.Fatal(err)
	}
	calibration, err := detect.CalibrateSet(t.Context(), &cpu.Engine{}, m, set, nil)
	if err == nil {
		err = detect.Attach(m, calibration)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func newJudge(t *testing.T, path, detector string, rule detect.Rule) *detect.Judge {
	t.Helper()
	m, err := model.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	judge, err := detect.NewJudge(&cpu.Engine{}, m, detector, rule)
	if err != nil {
		t.Fatal(err)
	}
	return judge
}

// watched is a calibrated model, and a list of pictures like those it is calibrated with: the folder's, n times over.
func watched(t *testing.T, n int) (path, folder string, list []string) {
	t.Helper()
	folder = pictures(t, 99)
	s := rng.New(4)
	for range n {
		list = append(list, fmt.Sprintf("%s/%03d.png", folder, s.IntN(99)))
	}
	return calibrated(t, folder), folder, list
}

func listOf(names []string) stream.List {
	return stream.List{Reader: strings.NewReader(strings.Join(names, "\n") + "\n")}
}

// judged goes through a stream to its end.
func judged(t *testing.T, judge *detect.Judge, source stream.Source, o stream.Options) (lines []stream.Line, r stream.Report) {
	t.Helper()
	s, err := stream.Open(judge, source, o)
	if err != nil {
		t.Fatal(err)
	}
	for line, err := range s.Lines(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, line)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return lines, s.Report()
}

func written(t *testing.T, text []byte) (lines []stream.Line) {
	t.Helper()
	for text := range bytes.Lines(text) {
		var line stream.Line
		if err := json.Unmarshal(text, &line); err != nil {
			t.Fatalf("line %q: %v", text, err)
		}
		lines = append(lines, line)
	}
	return lines
}

// Lines are in order, say what the judge says of each image alone, and leave no image out.
func TestLines(t *testing.T) {
	path, folder, list := watched(t, 400)
	bad, missing := filepath.Join(folder, "bad.png"), filepath.Join(folder, "missing.png")
	writeFile(t, bad, []byte("no picture"))
	list[3], list[300] = bad, missing
	judge := newJudge(t, path, "energy", detect.Rule{FalseAlarms: 0.05})
	want := map[string]detect.Judgement{}
	for img, err := range dataset.Images(t.Context(), folder, judge.Model.Config.ImageSize()) {
		if err == nil {
			j, err := judge.Images(t.Context(), img.Pixels, model.AnyLabel)
			if err != nil {
				t.Fatal(err)
			}
			want[img.Name] = j[0]
		}
	}

	var out bytes.Buffer
	lines, r := judged(t, judge, listOf(list), stream.Options{Writer: &out})
	if !reflect.DeepEqual(written(t, out.Bytes()), lines) {
		t.Error("other lines are written than given")
	}
	if len(lines) != len(list) || r.Images != 398 || r.Failed != 2 || r.Drift || r.Latest != 398 {
		t.Fatalf("%d lines, %+v", len(lines), r)
	}
	outs := int64(0)
	for i, l := range lines {
		s := want[list[i]]
		switch {
		case l.N != int64(i+1) || l.Image != list[i]:
			t.Fatalf("line %d is of image %d, %s", i+1, l.N, l.Image)
		case list[i] == bad || list[i] == missing:
			if l.Error == "" || l.Result != nil {
				t.Errorf("line %+v", l)
			}
			continue
		case l.Error != "" || !reflect.DeepEqual(l.Judgement, s) || l.Rank <= 0 || l.Rank >= 1 || l.Alarm:
			t.Errorf("line %+v %+v, alone it has %+v", l, l.Result, s)
		}
		if *l.OutOfDistribution {
			outs++
		}
	}
	if r.OutOfDistribution != outs || outs == 0 {
		t.Errorf("%d images are out of distribution, the report says %d", outs, r.OutOfDistribution)
	}
	if !strings.Contains(lines[300].Error, "no such file") || strings.Count(lines[300].Error, missing) != 1 {
		t.Errorf("error %q", lines[300].Error)
	}
}

// What a person should know of how an image was read is part of its line.
func TestLinesWarn(t *testing.T) {
	path, folder, list := watched(t, 2)
	dark := image.NewGray16(image.Rect(0, 0, side, side))
	dark.SetGray16(3, 4, color.Gray16{4095}) // of 12 bits
	var file bytes.Buffer
	if err := png.Encode(&file, dark); err != nil {
		t.Fatal(err)
	}
	list[1] = filepath.Join(folder, "dark.png")
	writeFile(t, list[1], file.Bytes())
	lines, _ := judged(t, newJudge(t, path, "energy", detect.Rule{}), listOf(list), stream.Options{})
	if w := lines[0].Warnings; w != nil {
		t.Errorf("warnings %q of a picture that is as it should be", w)
	}
	if w := lines[1].Warnings; len(w) != 1 || !strings.Contains(w[0], "4095 of 65535") {
		t.Errorf("warnings %q of one that is nearly black", w)
	}
}

// Once images are no longer as they were, there is an alarm, which stays when the stream goes on.
func TestDrift(t *testing.T) {
	path, folder, list := watched(t, 150)
	judge := newJudge(t, path, "energy", detect.Rule{})
	// The three pictures of highest energy, again and again.
	scores, _ := judged(t, judge, stream.Folder{Path: folder}, stream.Options{})
	slices.SortFunc(scores, func(a, b stream.Line) int { return cmp.Compare(b.Energy, a.Energy) })
	for i := range 100 {
		list = append(list, scores[i%3].Image)
	}
	o := stream.Options{AlarmEvery: 10000, State: filepath.Join(t.TempDir(), "state")}
	s, err := stream.Open(judge, listOf(list), o)
	if err != nil {
		t.Fatal(err)
	}
	n := int64(0)
	for line, err := range s.Lines(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if n++; line.Alarm != (line.Drift >= 1) {
			t.Errorf("line %+v", line.Result)
		}
		if line.Alarm {
			break
		}
	}
	r := s.Report()
	if !r.Drift || r.AlarmAt != n || r.Images != n || n <= 150 || n > 200 || r.AlarmImage != list[n-1] || r.Since < n-160 || r.Since > n-140 {
		t.Errorf("after %d images %+v", n, r)
	}
	if err := errors.Join(s.Close(), s.Close()); err != nil {
		t.Fatal(err)
	}
	lines, then := judged(t, judge, listOf(list), o)
	if then.AlarmAt != n || then.Images != 250 || len(lines) != 250-int(n) || !lines[0].Alarm {
		t.Errorf("going on: %+v", then)
	}
}

// A stream whose list has grown goes on with what is new; another list, another question or another output is refused.
func TestGoesOn(t *testing.T) {
	path, folder, list := watched(t, 90)
	dir := t.TempDir()
	output, state, whole := filepath.Join(dir, "a.ndjson"), filepath.Join(dir, "state"), filepath.Join(dir, "whole.ndjson")
	o := stream.Options{Output: output, State: state}
	judge := newJudge(t, path, "energy", detect.Rule{})
	for _, n := range []int{40, 40, 90} {
		judged(t, judge, listOf(list[:n]), o)
		if got := len(written(t, readFile(t, output))); got != n {
			t.Fatalf("%d lines, want %d", got, n)
		}
	}
	judged(t, judge, listOf(list), stream.Options{Output: whole})
	if !bytes.Equal(readFile(t, whole), readFile(t, output)) {
		t.Error("in parts, the lines are others")
	}

	other := slices.Clone(list)
	other[20] = list[0] + "x"
	otherModel := newJudge(t, calibrated(t, pictures(t, 50)), "energy", detect.Rule{})
	for words, c := range map[string]struct {
		judge  *detect.Judge
		source stream.Source
		o      stream.Options
	}{
		"the first 90 names of the list are not those": {judge, listOf(other), o},
		"the list has 30 names, of which":              {judge, listOf(list[:30]), o},
		"of another false-alarm rate":                  {newJudge(t, path, "energy", detect.Rule{FalseAlarms: 0.01}), listOf(list), o},
		"of another confidence":                        {newJudge(t, path, "energy", detect.Rule{Confidence: 0.5}), listOf(list), o},
		"of another detector":                          {newJudge(t, path, "combined", detect.Rule{}), listOf(list), o},
		"of another source":                            {judge, stream.Folder{Path: folder}, o},
		"of another alarm interval":                    {judge, listOf(list), stream.Options{Output: output, State: state, AlarmEvery: 100}},
		"of another model":                             {otherModel, listOf(list), o},
		"it holds lines already":                       {judge, listOf(list), stream.Options{Output: output}},
		"it has 0 bytes, and had":                      {judge, listOf(list), stream.Options{Output: filepath.Join(dir, "b.ndjson"), State: state}},
		"want more than 1":                             {judge, listOf(list), stream.Options{AlarmEvery: 1}},
		"give one of false alarms":                     {newJudge(t, path, "energy", detect.Rule{FalseDiscoveries: 0.1}), listOf(list), o},
	} {
		before := readFile(t, output)
		s, err := stream.Open(c.judge, c.source, c.o)
		if err == nil {
			for _, lineErr := range s.Lines(t.Context()) {
				err = cmp.Or(err, lineErr)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
		if err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("error %v, want one with %q", err, words)
		}
		if otherState := (*stream.OtherState)(nil); strings.HasPrefix(words, "of another") != errors.As(err, &otherState) {
			t.Errorf("%q is %T", words, err)
		}
		if !bytes.Equal(readFile(t, output), before) {
			t.Errorf("%s: lines have changed", words)
		}
	}
	plain := newJudge(t, path, "energy", detect.Rule{})
	plain.Model.Calibration = nil
	plain, err := detect.NewJudge(&cpu.Engine{}, plain.Model, "energy", detect.Rule{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Open(plain, listOf(list), o); !errors.Is(err, detect.ErrNotCalibrated) {
		t.Errorf("not calibrated: %v", err)
	}
}

// States have been written with other names of fields and detectors.
func TestOldState(t *testing.T) {
	path, _, list := watched(t, 60)
	o := stream.Options{State: filepath.Join(t.TempDir(), "state")}
	judge := newJudge(t, path, "gradient-norm", detect.Rule{FalseAlarms: 0.2})
	_, r := judged(t, judge, listOf(list[:40]), o)
	text := strings.NewReplacer("gradient-norm", "score-norm", "out_of_distribution", "unusual").Replace(string(readFile(t, o.State)))
	writeFile(t, o.State, []byte(text))
	_, then := judged(t, judge, listOf(list[:40]), o)
	if r.OutOfDistribution == 0 || then != r {
		t.Errorf("went on with %+v, was %+v", then, r)
	}
}

// Two streams would write over each other's state.
func TestOneStreamAState(t *testing.T) {
	path, _, list := watched(t, 2)
	o := stream.Options{State: filepath.Join(t.TempDir(), "state")}
	judge := newJudge(t, path, "energy", detect.Rule{})
	lock, err := durable.TakeLock(o.State + ".lock")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Open(judge, listOf(list), o); runtime.GOOS == "linux" && !errors.Is(err, stream.ErrInUse) {
		t.Errorf("error %v", err)
	}
	lock.Release()
	judged(t, judge, listOf(list), o)
	judged(t, judge, listOf(list), o) // which the first has let go of
}

// Names may be separated by NUL bytes, begin with a byte-order mark, and be too long for a file.
func TestList(t *testing.T) {
	long := strings.Repeat("x", 1<<17)
	for text, want := range map[string][]string{
		"":                           nil,
		"a\nb":                       {"a", "b"},
		"\ufeffa b\r\n\r\n\nc\xff\n": {"a b", "c\xff"},
		"a\x00b\x00":                 {"a", "b"},
		"a\n" + long + "\nb\n":       {"a", long[:1<<16], "b"},
	} {
		var names []string
		for name, err := range (stream.List{Reader: strings.NewReader(text)}).Names(t.Context(), stream.Position{}) {
			if err != nil {
				t.Fatal(err)
			}
			names = append(names, name)
		}
		if !slices.Equal(names, want) {
			t.Errorf("%.20q has the names %.40q", text, names)
		}
	}
}

// What is not a file is not waited for, and an end of the context ends a stream that waits.
func TestWaitsForNothing(t *testing.T) {
	path, _, list := watched(t, 2)
	judge := newJudge(t, path, "energy", detect.Rule{})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	endless, end, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer end.Close()
	if _, err := end.WriteString(strings.Join(append(list, os.DevNull), "\n") + "\n"); err != nil {
		t.Fatal(err)
	}
	s, err := stream.Open(judge, stream.List{Reader: endless}, stream.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var errs []error
	for line, err := range s.Lines(ctx) {
		errs = append(errs, err)
		if line.N == 3 {
			if line.Error == "" {
				t.Errorf("a device is an image: %+v", line)
			}
			cancel()
		}
	}
	if !slices.Equal(errs, []error{nil, nil, nil, context.Canceled}) {
		t.Errorf("errors %v", errs)
	}
}

// What is no data is passed over, and a folder that must not be read costs itself.
func TestFolder(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a.png", ".b/b.png", "lost+found/c.png", "notes.txt", "secret/d.png", "z/e.JPG"} {
		writeFile(t, filepath.Join(dir, name), nil)
	}
	secret := filepath.Join(dir, "secret")
	if err := os.Chmod(secret, 0); err != nil {
		t.Fatal(err)
	}
	defer os.Chmod(secret, 0o700)
	want := []string{"a.png", "secret", "z/e.JPG"}
	if _, err := os.ReadDir(secret); err == nil { // who may do everything may read it
		want[1] = "secret/d.png"
	}
	var names []string
	for name, err := range (stream.Folder{Path: dir}).Names(t.Context(), stream.Position{}) {
		if (err != nil) != (name == secret) {
			t.Errorf("%q: %v", name, err)
		}
		relative, _ := filepath.Rel(dir, name)
		names = append(names, filepath.ToSlash(relative))
	}
	if !slices.Equal(names, want) {
		t.Errorf("names %q, want %q", names, want)
	}
}
