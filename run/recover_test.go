package run_test

// This file makes training diverge.

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/joule-ebm/joule/cd"
	"github.com/joule-ebm/joule/internal/metrics"
	"github.com/joule-ebm/joule/model"
	"github.com/joule-ebm/joule/run"
)

// diverging is far too high a learning rate, which falls slowly: the run goes back several times, once or twice from a checkpoint
// that is itself beyond help.
var diverging = []string{"optimiser.learning_rate=0.4", "optimiser.clip=0", "recovery.rate_factor=0.8", "recovery.failures=50"}

func records(t *testing.T, dir string) (list []metrics.Record) {
	t.Helper()
	for r, err := range metrics.Read(filepath.Join(dir, "metrics.jsonl")) {
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, r)
	}
	return list
}

func TestDivergenceIsSurvived(t *testing.T) {
	dir := t.TempDir()
	c := config(t, stripes(t, dir, 60, 1), diverging...)
	at := filepath.Join(dir, "run")
	o, log := logged()
	r, err := run.Start(t.Context(), at, c, o)
	if err != nil {
		t.Fatalf("%v; the log:\n%s", err, log)
	}
	if r.Interrupted || r.Iteration != 30 {
		t.Errorf("the run came to %+v", r)
	}
	line := regexp.MustCompile(`level=WARN msg="training went wrong, going back" reason="training diverged: [^"]*" iteration=\d+ back_to=\d+ failures=\d+ learning_rate=0\.\d+`)
	times := len(line.FindAllString(log.String(), -1))
	if times == 0 {
		t.Fatalf("it did not diverge, or the log does not say so:\n%s", log)
	}
	list := records(t, at)
	if len(list) != 30 {
		t.Fatalf("metrics of %d iterations, want 30", len(list))
	}
	// Of what was taken back the metrics say nothing; what is there tells of attempts that only grow in number.
	last := 0.0
	for i, m := range list {
		attempt, _ := m.Value("update_attempt")
		rate, _ := m.Value("update_learning_rate")
		want := 0.4 * math.Pow(0.8, attempt)
		if m.Iteration != i+1 || attempt < last || math.Abs(rate-want) > 1e-9 {
			t.Errorf("line %d: iteration %d, attempt %v after %v, learning rate %v, want %v", i+1, m.Iteration, attempt, last, rate, want)
		}
		last = attempt
	}
	if int(last) != times {
		t.Errorf("the last attempt is number %v, but the run went back %d times", last, times)
	}
	if _, err := model.Open(at); err != nil { // weights that are no numbers would be an error
		t.Error(err)
	}
}

// A run that cannot get further stops with an explanation, and leaves what it had when it was well.
func TestDivergenceGivesUp(t *testing.T) {
	dir := t.TempDir()
	data := stripes(t, dir, 60, 1)
	for name, changes := range map[string][]string{
		"learning rate": {"optimiser.learning_rate=1e6", "optimiser.clip=0", "recovery.failures=3"},
		"step size":     {"optimiser.learning_rate=100", "sampler.step_size=1e9", "recovery.failures=4", "recovery.rate_factor=1"},
	} {
		t.Run(name, func(t *testing.T) {
			c := config(t, data, changes...)
			at := filepath.Join(t.TempDir(), "run")
			o, log := logged()
			r, err := run.Start(t.Context(), at, c, o)
			if !errors.Is(err, cd.ErrDiverged) || !r.Interrupted {
				t.Fatalf("came to iteration %d, %v; the log:\n%s", r.Iteration, err, log)
			}
			checkLine(t, err, "lower optimiser.learning_rate or sampler.step_size", filepath.Join(at, "metrics.jsonl"))
			if n := regexp.MustCompile("going back").FindAllString(log.String(), -1); len(n) != c.Recovery.Failures-1 {
				t.Errorf("went back %d times before it gave up, want %d", len(n), c.Recovery.Failures-1)
			}
			if _, err := model.Open(at); err != nil {
				t.Error(err)
			}
			_, again := run.Resume(t.Context(), at, nil, run.Options{Threads: 1})
			if !errors.Is(again, cd.ErrDiverged) || again.Error() != err.Error() {
				t.Errorf("resumed it says %v; before it was %v", again, err)
			}
		})
	}
}

// A run that was resumed, got further, and went back to where it was resumed has the model of there, not the one that it gave up.
func TestGoingBackToWhereItWasResumed(t *testing.T) {
	dir := t.TempDir()
	c := config(t, stripes(t, dir, 60, 1), append([]string{"output.checkpoint=2"}, diverging...)...)
	models := map[string]string{}
	for _, name := range []string{"at once", "resumed"} {
		at := filepath.Join(dir, name)
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		o := run.Options{Threads: 1, Log: slog.New(whenBack{slog.DiscardHandler, 4, 2, stop})}
		begin := func() (run.Result, error) { return run.Start(ctx, at, c, o) }
		if name == "resumed" {
			interrupted(t, at, c, 2)
			begin = func() (run.Result, error) { return run.Resume(ctx, at, nil, o) }
		}
		r, err := begin()
		if err != nil || !r.Interrupted || r.Iteration != 2 {
			t.Fatalf("%s: stopped at %+v, %v, where it was to go back to iteration 2 from beyond the fourth", name, r, err)
		}
		models[name] = kept(t, at)["model.safetensors"]
	}
	if models["resumed"] != models["at once"] {
		t.Error("the model of the run that was resumed is not the one it went back to")
	}
}

// whenBack stops a run that says it goes back from beyond one iteration to another.
type whenBack struct {
	slog.Handler
	beyond, to int64
	stop       func()
}

func (h whenBack) Enabled(context.Context, slog.Level) bool { return true }

func (h whenBack) Handle(_ context.Context, r slog.Record) error {
	at := map[string]int64{}
	r.Attrs(func(a slog.Attr) bool {
		if a.Value.Kind() == slog.KindInt64 {
			at[a.Key] = a.Value.Int64()
		}
		return true
	})
	if at["back_to"] == h.to && at["iteration"] > h.beyond {
		h.stop()
	}
	return nil
}

// The metrics show the early signs.
func TestMetrics(t *testing.T) {
	dir := t.TempDir()
	c := config(t, stripes(t, dir, 60, 1))
	at := filepath.Join(dir, "run")
	start(t, at, c)
	always := []string{"loss_total", "loss_cd", "loss_reg", "loss_opt", "loss_ent", "loss_flow", "energy_data", "energy_samples", "energy_gap",
		"energy_spread_data", "energy_spread_samples", "gradient_norm", "chain_moved", "chain_acceptance", "diversity_samples",
		"diversity_data", "buffer_size", "buffer_age", "update_learning_rate", "update_attempt", "chain_bits", run.SecondsField, run.ProcessorField}
	list := records(t, at)
	for _, m := range list {
		names := append([]string{}, always...)
		if (m.Iteration-1)%3 == 0 { // output.diagnose
			names = append(names, "gradient_cd", "gradient_opt", "gradient_flow")
			if m.Iteration > 3 { // the buffer holds more than loss.entropy_after
				names = append(names, "gradient_ent")
			}
		}
		if m.Iteration%4 == 0 { // output.held_out
			names = append(names, "held_out_energy", "held_out_spread")
		}
		if m.Iteration%6 == 0 { // output.noise; no network comes with Joule for such images
			names = append(names, "noise_spacing", "noise_energy", "buffer_spacing", "buffer_energy", "data_spacing")
		}
		if len(m.Fields) != len(names) {
			t.Errorf("iteration %d: %d numbers, want %d", m.Iteration, len(m.Fields), len(names))
		}
		values := map[string]float64{}
		for _, name := range names {
			v, ok := m.Value(name)
			if !ok || math.IsNaN(v) || math.IsInf(v, 0) {
				t.Errorf("iteration %d: %s is %v", m.Iteration, name, v)
			}
			values[name] = v
		}
		if gap := values["energy_samples"] - values["energy_data"]; values["energy_gap"] != gap || math.Abs(values["loss_cd"]+gap) > 1e-6 {
			t.Errorf("iteration %d: the gap is %v and L_cd %v, the energies differ by %v", m.Iteration, values["energy_gap"], values["loss_cd"], gap)
		}
		if want := min(40, 4*m.Iteration); values["buffer_size"] != float64(want) || values["chain_moved"] <= 0 || values["diversity_data"] < 0.1 {
			t.Errorf("iteration %d: %v", m.Iteration, values)
		}
	}
	if age, _ := list[len(list)-1].Value("buffer_age"); age < 5 || age > 25 {
		t.Errorf("after 30 iterations images in the buffer are %v iterations old", age)
	}
}

// A run that goes wrong where its checkpoints are gone says so.
func TestDivergenceWithoutCheckpoint(t *testing.T) {
	at := filepath.Join(t.TempDir(), "run")
	c := config(t, stripes(t, t.TempDir(), 60, 1), "optimiser.learning_rate=1e6", "optimiser.clip=0")
	o := run.Options{Threads: 1, Progress: func(run.Progress) {
		os.Remove(filepath.Join(at, "checkpoint"))
		os.Remove(filepath.Join(at, "checkpoint.previous"))
	}}
	_, err := run.Start(t.Context(), at, c, o)
	checkLine(t, err, "the checkpoint to go back to is gone")
}
