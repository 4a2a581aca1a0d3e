package study

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/joule-ebm/joule/detect/benchmark"
	"github.com/joule-ebm/joule/engine/rng"
	"github.com/joule-ebm/joule/eval/attributes"
	"github.com/joule-ebm/joule/run"
)

// pictures writes a folder of small pictures: bright bars on black.
func pictures(t *testing.T, n int) string {
	t.Helper()
	dir, s := t.TempDir(), rng.New(1)
	for i := range n {
		img := image.NewGray(image.Rect(0, 0, 12, 12))
		bar := s.IntN(10)
		for y := range 12 {
			for x := range 12 {
				if x == bar || x == bar+1 {
					img.SetGray(x, y, color.Gray{Y: uint8(150 + s.IntN(100))})
				}
			}
		}
		file, err := os.Create(filepath.Join(dir, fmt.Sprintf("%03d.png", i)))
		if err != nil {
			t.Fatal(err)
		}
		if err := png.Encode(file, img); err != nil {
			t.Fatal(err)
		}
		if err := file.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func variants(t *testing.T, base run.Config, a Ablation) []Variant {
	t.Helper()
	all, err := a.Variants(base)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// newStudy compares two losses, with and without attention, in trainings of a moment.
func newStudy(t *testing.T, data string) *Study {
	t.Helper()
	c, err := run.PresetConfig(run.DefaultPreset)
	if err != nil {
		t.Fatal(err)
	}
	c.Data, c.Network.Image, c.Network.Filters = data, []int{12, 12, 1}, 4
	c.Sampler.Steps, c.Optimiser.Batch, c.Recovery.Failures = 3, 4, 1
	c.Loss.EntropyAfter, c.Loss.References = 8, 4
	c.Limits.Iterations, c.Output.Checkpoint, c.Output.Pictures, c.Output.HeldOut = 8, 4, 4, 0
	return &Study{Dir: t.TempDir(), Base: c, Variants: variants(t, c, Ablation{Losses: []Loss{CD, Full}, Kernels: []string{"standardised"}}),
		Images: benchmark.Plan{In: data, Out: []string{"noise"}, Seed: 1}, Samples: 6, Steps: 6, Build: "test", Threads: 1}
}

// timeless is rows without what differs between equal trainings.
func timeless(rows []Row) []Row {
	var all []Row
	for _, r := range rows {
		r.Seconds, r.Processor = 0, 0
		all = append(all, r)
	}
	return all
}

// A study cut short anywhere and taken up again comes to the same table as one that was not, and finished cells are not touched.
func TestStudyGoesOn(t *testing.T) {
	data := pictures(t, 40)
	whole := newStudy(t, data)
	report, err := whole.Run(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	want := report.Rows
	if len(want) != 4 || report.Cells != 4 || report.Images != 40 {
		t.Fatalf("%d rows", len(want))
	}
	seen := map[string]bool{}
	for _, r := range want {
		if r.Iterations != 8 || r.Diverged || r.Seconds <= 0 || r.Processor <= 0 || len(r.AUROC) != 1 || r.AUROC[0].Out != "noise" || r.Build != "test" || r.Gradient <= 0 {
			t.Errorf("%+v", r)
		}
		seen[fmt.Sprint(r.Gap, r.Quality.Likeness, r.AUROC)] = true
	}
	if len(seen) != 4 {
		t.Errorf("the cells came to %d different results, want 4", len(seen))
	}

	short := newStudy(t, data)
	short.Threads = 2
	var got []Row
	for stop := 3; ; stop += 4 {
		ctx, cancel := context.WithCancel(context.Background())
		made := 0
		short.Progress = func(p Progress) {
			if made++; made == stop {
				cancel()
			}
		}
		report, err := short.Run(ctx)
		cancel()
		if err == nil {
			got = report.Rows
			break
		}
		if !errors.Is(err, context.Canceled) || stop > 40 {
			t.Fatal(err)
		}
	}
	if !reflect.DeepEqual(timeless(got), timeless(want)) {
		t.Errorf("after interruptions %+v\nwant %+v", got, want)
	}
	short.Progress = func(Progress) { t.Error("a finished cell is trained again") }
	again, err := short.Run(context.Background())
	if err != nil || !reflect.DeepEqual(again.Rows, got) {
		t.Errorf("read again: %+v, %v", again, err)
	}
	var table strings.Builder
	if err := again.Markdown(&table); err != nil {
		t.Fatal(err)
	}
	if kept, err := os.ReadFile(filepath.Join(short.Dir, "study.md")); err != nil || string(kept) != table.String() {
		t.Errorf("the directory holds %s, %v\nwant %s", kept, err, table.String())
	}
}

// A training that fails is a result.
func TestDivergence(t *testing.T) {
	s := newStudy(t, pictures(t, 20))
	s.Base.Optimiser.LearningRate = 100
	s.Variants = s.Variants[:1]
	report, err := s.Run(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	r := report.Rows[0]
	if !r.Diverged || r.DivergedAt < 2 || r.DivergedAt > 8 || r.Iterations >= r.DivergedAt ||
		!strings.HasPrefix(r.Reason, "training diverged: ") || strings.Contains(r.Reason, "resume") {
		t.Errorf("%+v", r)
	}
	var table strings.Builder
	if err := report.Markdown(&table); err != nil || !strings.Contains(table.String(), fmt.Sprintf("| 1 of 1, at %d |", r.DivergedAt)) {
		t.Errorf("%v\n%s", err, table.String())
	}
}

func TestStudyRefuses(t *testing.T) {
	s := newStudy(t, pictures(t, 20))
	s.Variants = s.Variants[:1]
	if _, err := s.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(s.Dir, s.cells[0].Directory())

	s.Base.Limits.Iterations = 9
	if _, err := s.Run(context.Background()); err == nil || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), "other settings") {
		t.Errorf("other settings: %v", err)
	}
	s.Base.Limits.Iterations = 8
	if err := os.WriteFile(filepath.Join(dir, resultFile), []byte("{"), 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Run(context.Background()); err == nil || !strings.Contains(err.Error(), resultFile) {
		t.Errorf("a damaged result: %v", err)
	}
	s.Samples = 21
	if _, err := s.Run(context.Background()); err == nil {
		t.Error("more samples than images to compare them with")
	}
	s.Samples, s.Base.Limits = 6, run.Limits{}
	if _, err := s.Run(context.Background()); err == nil || !strings.Contains(err.Error(), "limit") {
		t.Errorf("trainings without end: %v", err)
	}
	s.Base.Limits.Iterations, s.Base.Sampler.Steps = 8, 0
	if _, err := s.Run(context.Background()); err == nil || !strings.Contains(err.Error(), "sampler.steps") {
		t.Errorf("settings that cannot work: %v", err)
	}
}

func TestAblation(t *testing.T) {
	base, err := run.PresetConfig(run.DefaultPreset)
	if err != nil {
		t.Fatal(err)
	}
	names, configs := map[string]bool{}, map[string]bool{}
	for _, v := range variants(t, base, Ablation{}) {
		for seed := range uint64(2) {
			config, err := v.Config(base, seed)
			if err != nil {
				t.Fatal(err)
			}
			loss, kernel, attention := v.Is("loss"), config.Network.Kernel, config.Network.Attention
			if config.Seed != seed || (kernel == "spectral") != (v.Is("kernels") == "spectral norm") ||
				attention != (v.Is("attention") == "yes") || (config.Loss.Weight("opt") == 1) != strings.Contains(loss, "L_opt") ||
				(config.Loss.Weight("ent") == 0.3) != strings.Contains(loss, "L_ent") || config.Loss.Weight("cd") != 1 || config.Loss.Weight("reg") != 1 {
				t.Errorf("%s: %+v", v.Name, config)
			}
			names[v.Name], configs[fmt.Sprintf("%+v", config)] = true, true
		}
	}
	if len(names) != 16 || len(configs) != 32 {
		t.Errorf("%d names and %d configurations of 32 cells", len(names), len(configs))
	}
	// A base without the terms is no reason to go without them; other coefficients stay.
	base.Loss = base.Loss.WithWeight("opt", 0).WithWeight("ent", 0.7).WithWeight("reg", 2)
	full := variants(t, base, Ablation{Losses: []Loss{Full}, Kernels: []string{"spectral"}, Attention: []bool{false}})[0]
	if c, err := full.Config(base, 1); err != nil || c.Loss.Weight("opt") != 1 || c.Loss.Weight("ent") != 0.7 || c.Loss.Weight("reg") != 2 {
		t.Errorf("%+v, %v", c.Loss, err)
	}
	if c, err := full.Config(base, 1); err != nil || c.Recovery != base.Recovery {
		t.Errorf("%+v, %v, of a base with %+v", c.Recovery, err, base.Recovery)
	}
	if base.Loss.Weight("opt") != 0 {
		t.Errorf("a variant changes what the others are made from: %+v", base.Loss)
	}
	if want := []Loss{"cd", "opt", "ent", "full"}; !slices.Equal(Losses(), want) {
		t.Errorf("the variants are %v, want %v", Losses(), want)
	}
	for _, l := range Losses() {
		if l.About() == "" {
			t.Errorf("%s: no explanation", l)
		}
	}
	if _, err := (Ablation{Losses: []Loss{"kl"}}).Variants(base); err == nil {
		t.Error("a loss that there is not is accepted")
	}
	if _, err := LossNamed("kl"); err == nil || !strings.Contains(err.Error(), "full") {
		t.Errorf("an unknown loss: %v", err)
	}
}

func TestVary(t *testing.T) {
	all := Vary([]string{"sampler.steps", "seed"}, [][]string{{"10", "20"}, {"a", "b", "c"}})
	if len(all) != 6 || all[4].Name != "steps=20,seed=b" || !slices.Equal(all[4].Changes, []string{"sampler.steps=20", "seed=b"}) ||
		all[4].Is("steps") != "20" || all[0].Name != "steps=10,seed=a" {
		t.Errorf("%+v", all)
	}
}

// Pairs make differences sure that the spread over seeds would hide. SciPy: stats.ttest_rel([3, 5, 9], [1, 2, 7]) and its
// confidence_interval(0.95).
func TestPaired(t *testing.T) {
	d, ok := paired([]float64{3, 5, 9}, []float64{1, 2, 7})
	want := Significance{Low: 0.899115, High: 3.767551, P: 0.0198039}
	if !ok || d.Pairs != 3 || math.Abs(d.Mean-7./3) > 1e-9 || math.Abs(d.Low-want.Low) > 1e-5 || math.Abs(d.High-want.High) > 1e-5 ||
		math.Abs(d.P-want.P) > 1e-5 {
		t.Errorf("%+v, want %+v", d, want)
	}
	if _, ok := paired([]float64{2}, []float64{1}); ok {
		t.Error("one pair is enough")
	}
	// Pairs that differ by the same, as counts often do and shares but for rounding, do not say how sure that is.
	for name, c := range map[string]struct {
		figures, first []float64
		mean           float64
	}{
		"counts":        {[]float64{10, 9}, []float64{9, 8}, 1},
		"shares":        {[]float64{0.9, 0.8, 0.3}, []float64{0.6, 0.5, 0}, 0.3},
		"no difference": {[]float64{2, 3}, []float64{2, 3}, 0},
		"nothing":       {[]float64{0, 0}, []float64{0, 0}, 0},
	} {
		d, ok := paired(c.figures, c.first)
		text, err := json.Marshal(d)
		if !ok || d.Significance != nil || math.Abs(d.Mean-c.mean) > 1e-12 || err != nil || strings.Contains(string(text), `"p"`) {
			t.Errorf("%s: %s, %v", name, text, err)
		}
	}
	// Of two pairs of counts that vary alike few are called different.
	s, marked := rng.New(1), 0
	for range 2000 {
		count := func() []float64 { return []float64{float64(9 + s.IntN(2)), float64(9 + s.IntN(2))} }
		if d, _ := paired(count(), count()); d.Significance != nil && d.P < 0.05 {
			marked++
		}
	}
	if marked > 100 {
		t.Errorf("%d of 2000 equal configurations are marked", marked)
	}
}

func TestMarkdown(t *testing.T) {
	row := func(loss Loss, seed uint64, auroc, gap float64) Row {
		v := Variant{Name: string(loss), Choices: []Choice{{"loss", loss.Title()}, {"attention", "yes"}}}
		r := Row{Cell: Cell{v, seed}, Iterations: 20, Gap: gap, Gradient: 0.5, AUROC: []AUROC{{"noise", auroc}}}
		r.Quality.Spectrum, r.Quality.Diversity = 0.25, 1
		return r
	}
	failed := row(CD, 2, 0.4, 0.2)
	failed.Diverged, failed.DivergedAt, failed.Iterations = true, 13, 10
	var table strings.Builder
	if err := writeTables(&table, []Row{row(CD, 1, 0.5, 0.1), row(Full, 1, 0.9, 0.1), failed, row(Full, 2, 1, 0.1)}); err != nil {
		t.Fatal(err)
	}
	const want = `| loss | attention | diverged | iterations | AUROC noise | spectrum | diversity | gap | gradient |
|---|---|--:|--:|--:|--:|--:|--:|--:|
| CD | yes | 1 of 2, at 13 | 15 (10 to 20) | 0.450 (0.400 to 0.500) | 0.25 | 1.00 | 0.15 (0.1 to 0.2) | 0.5 |
| CD + L_opt + L_ent | yes | 0 of 2 | 20 | 0.950 (0.900 to 1.000) | 0.25 | 1.00 | 0.1 | 0.5 |

| above cd | pairs | AUROC noise | spectrum | diversity | gap | gradient |
|---|--:|--:|--:|--:|--:|--:|
| full | 2 | +0.500 (-0.771 to +1.771) | +0.00 | +0.00 | -0.05 (-0.69 to +0.59) | +0 |

| loss | diverged | iterations | AUROC noise | spectrum | diversity | gap | gradient |
|---|--:|--:|--:|--:|--:|--:|--:|
| CD | 1 of 2, at 13 | 15 (10 to 20) | 0.450 (0.400 to 0.500) | 0.25 | 1.00 | 0.15 (0.1 to 0.2) | 0.5 |
| CD + L_opt + L_ent | 0 of 2 | 20 | 0.950 (0.900 to 1.000) | 0.25 | 1.00 | 0.1 | 0.5 |
`
	if table.String() != want {
		t.Errorf("got\n%swant\n%s", table.String(), want)
	}
	// What only some configurations have is no figure of the others.
	conditional := row(Full, 1, 0.9, 0.1)
	conditional.Quality.Asked = &attributes.Asked{Share: attributes.Share{Value: 0.95}}
	table.Reset()
	if err := writeTables(&table, []Row{row(CD, 1, 0.5, 0.1), conditional, row(CD, 2, 0.5, 0.1), row(Full, 2, 0.9, 0.1)}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"| AUROC noise | asked | spectrum |", "| 0.500 | - | 0.25 |", "| full | 2 | +0.400 | - | +0.00 |"} {
		if !strings.Contains(table.String(), want) {
			t.Errorf("no %s in\n%s", want, table.String())
		}
	}
}

// forgetMeans makes a cell's result one of an earlier build, which did not keep what it was judged by.
func forgetMeans(t *testing.T, dir string) {
	t.Helper()
	row, err := readRow(dir)
	if err != nil {
		t.Fatal(err)
	}
	row.Means = nil
	if err := row.keep(dir); err != nil {
		t.Fatal(err)
	}
}

// What is judged by other means than before comes to what a study has that is judged by these at once, and is not trained again.
func TestStudyJudgesAgain(t *testing.T) {
	data := pictures(t, 40)
	plan := func() *Study {
		s := newStudy(t, data)
		s.Base.Limits.Iterations = 2
		s.Variants, s.Images.In, s.Images.Images = s.Variants[1:2], pictures(t, 30), 20
		return s
	}
	for name, c := range map[string]struct {
		change func(*Study)
		old    bool // the result is of a build that did not keep what it was judged by
		again  bool
	}{
		"nothing":               {func(*Study) {}, false, false},
		"samples":               {func(s *Study) { s.Samples = 8 }, false, true},
		"steps":                 {func(s *Study) { s.Steps = 9 }, false, true},
		"number of images":      {func(s *Study) { s.Images.Images = 24 }, false, true},
		"choice of images":      {func(s *Study) { s.Images.Seed = 2 }, false, true},
		"in-distribution":       {func(s *Study) { s.Images.In = data }, false, true},
		"more outliers":         {func(s *Study) { s.Images.Out = append(s.Images.Out, "inverted") }, false, true},
		"nothing since before":  {func(*Study) {}, true, false},
		"outliers since before": {func(s *Study) { s.Images.Out = []string{"inverted"} }, true, true},
		"a new first one, by others": {func(s *Study) {
			s.Variants, s.Images.Out = append([]Variant{{Name: "new"}}, s.Variants...), []string{"inverted", "noise"}
		}, false, true},
		"other images of that name": {func(s *Study) {
			if err := os.Remove(filepath.Join(s.Images.In, "000.png")); err != nil {
				t.Error(err)
			}
		}, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			s := plan()
			before, err := s.Run(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			trained := before.Rows[0]
			dir := filepath.Join(s.Dir, trained.Directory())
			if c.old {
				forgetMeans(t, dir)
			}
			c.change(s)
			s.Progress = func(p Progress) {
				if p.Cell.Name == trained.Name {
					t.Error("a finished training is begun again")
				}
			}
			after, err := s.Run(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			fresh := plan()
			c.change(fresh)
			fresh.Images = s.Images // the same folder
			want, err := fresh.Run(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			got, last := after.Rows[len(after.Rows)-1], want.Rows[len(want.Rows)-1]
			if c.old && !c.again {
				last.Means = nil
			}
			if !reflect.DeepEqual(timeless([]Row{got}), timeless([]Row{last})) {
				t.Errorf("%+v\nwant %+v", got, last)
			}
			if got.Seconds != trained.Seconds || got.Processor != trained.Processor || got.Gap != trained.Gap {
				t.Errorf("of the training is left %+v\nwant %+v", got, trained)
			}
			if again := !reflect.DeepEqual(got.Quality, trained.Quality) || !reflect.DeepEqual(got.AUROC, trained.AUROC); again != c.again {
				t.Errorf("judged again: %v", again)
			}
			if kept, err := readRow(dir); err != nil || !reflect.DeepEqual(kept, got) {
				t.Errorf("kept %+v, %v\nwant %+v", kept, err, got)
			}
			var table strings.Builder
			if err := after.Markdown(&table); err != nil || strings.Contains(table.String(), "judged by an earlier build") != (c.old && !c.again) {
				t.Errorf("%v\n%s", err, table.String())
			}
		})
	}
}

// Results of an earlier build are compared by what their figures say: the network, and how many samples and images.
func TestStudyJudgesEarlierResultsAgain(t *testing.T) {
	s := newStudy(t, "mnist")
	s.Base.Network.Image, s.Base.Limits.Iterations = []int{28, 28, 1}, 2
	s.Variants, s.Images.In, s.Images.Images, s.Samples = []Variant{{Name: "one"}}, "mnist:test", 40, fewest
	report, err := s.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(s.Dir, report.Rows[0].Directory())
	for _, c := range []struct {
		name            string
		samples, images int
		again           bool
	}{
		{"the same", fewest, 40, false}, {"more samples", fewest + 1, 40, true}, {"more images", fewest + 1, 41, true}, {"no figures", fewest - 1, 41, true},
		{"none again", fewest - 2, 41, false}, {"figures", fewest, 41, true},
	} {
		forgetMeans(t, dir)
		s.Samples, s.Images.Images = c.samples, c.images
		report, err := s.Run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if again := report.Rows[0].Means != nil; again != c.again {
			t.Errorf("%s: judged again: %v", c.name, again)
		}
	}
}

// A model that is to be judged again and is gone is told with why it is wanted.
func TestStudyWithoutModels(t *testing.T) {
	s := newStudy(t, pictures(t, 20))
	s.Variants = s.Variants[:1]
	report, err := s.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	models, err := filepath.Glob(filepath.Join(s.Dir, report.Rows[0].Directory(), "*.safetensors"))
	if err != nil || len(models) == 0 {
		t.Fatalf("%v, %v", models, err)
	}
	for _, m := range models {
		if err := os.Remove(m); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Run(t.Context()); err != nil {
		t.Errorf("by the same means: %v", err)
	}
	s.Samples++
	if _, err := s.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "judging again") {
		t.Errorf("by other means: %v", err)
	}
}

// Configurations that no images judge alike are refused before any is trained; those that learn from images to judge by are told.
func TestStudyComparable(t *testing.T) {
	data, other := pictures(t, 40), pictures(t, 30)
	for name, c := range map[string]struct {
		changes []string
		in      string
		refused string
	}{
		"another size":             {[]string{"network.image=16,16,1"}, data, "images of 16x16x1, where those of the first configuration are of 12x12x1"},
		"in colour":                {[]string{"network.image=12,12,3"}, data, "one size"},
		"tiles":                    {[]string{"network.image=", "tiles.side=16"}, data, "one size"},
		"tiles of that size":       {[]string{"tiles.side=12"}, data, "one size"},
		"other data":               {[]string{"data=" + other}, "", "say with --in"},
		"less of the data":         {[]string{"exclude=class=a"}, "", "say with --in"},
		"other data, images named": {[]string{"data=" + other}, data, ""},
		"less of it, images named": {[]string{"exclude=class=a"}, data, ""},
		"another network":          {[]string{"network.filters=8"}, "", ""},
	} {
		s := newStudy(t, data)
		s.Variants, s.Images.In = []Variant{{Name: "base"}, {Name: "x", Changes: c.changes}}, c.in
		if err := s.Check(); (err == nil) != (c.refused == "") || err != nil && !(strings.HasPrefix(err.Error(), "x: ") && strings.Contains(err.Error(), c.refused)) {
			t.Errorf("%s: %v", name, err)
		}
	}
	s := newStudy(t, data)
	var log strings.Builder
	s.Log = slog.New(slog.NewTextHandler(&log, nil))
	s.Variants, s.Images.In = []Variant{{Name: "base"}, {Name: "cheat", Changes: []string{"data=" + other}}}, other
	if err := os.Remove(filepath.Join(other, "000.png")); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Run(t.Context()); err != nil || !strings.Contains(log.String(), "trained on some of the images to judge by") || !strings.Contains(log.String(), "name=cheat") {
		t.Errorf("%v\n%s", err, log.String())
	}
}

// Where no images to judge by are named and there are none, it is said whether that is for want of the data or of their test split.
func TestStudyWithoutTestImages(t *testing.T) {
	damaged := filepath.Join(t.TempDir(), "damaged.zip")
	if err := os.WriteFile(damaged, []byte("PK\x03\x04 and no more"), 0o666); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		data, want string
		named      bool // the line says to name others
	}{
		"no such data":  {filepath.Join(t.TempDir(), "nosuch.tar.gz"), "no such file or folder", false},
		"damaged":       {damaged, "damaged.zip", false},
		"no test split": {pictures(t, 20), "has no test images to judge by", true},
	} {
		s := newStudy(t, c.data)
		s.Images.In = ""
		_, err := s.Run(t.Context())
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "--in") != c.named || strings.Contains(err.Error(), "model") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
