package main

import (
	"encoding/binary"
	"encoding/json"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/joule-ebm/joule/model"
	"github.com/joule-ebm/joule/run"
)

// stripes writes an IDX file of 40 pictures of 12×12 pixels.
func stripes(t *testing.T) string {
	t.Helper()
	images := binary.BigEndian.AppendUint32(nil, 0x803)
	for _, d := range []uint32{40, 12, 12} {
		images = binary.BigEndian.AppendUint32(images, d)
	}
	for i := range 40 * 12 * 12 {
		images = append(images, byte(i*i%7*(i/144)))
	}
	path := filepath.Join(t.TempDir(), "stripes.idx")
	writeFile(t, path, images)
	return path
}

// quick are settings of a run that takes a fraction of a second.
func quick(t *testing.T, more ...string) []string {
	t.Helper()
	args := []string{"train", "--threads", "1", "--data", stripes(t)}
	for _, s := range []string{"network.filters=2", "network.image=12,12,1", "sampler.steps=2", "optimiser.batch=4", "buffer.size=40",
		"loss.references=5", "loss.entropy_after=10", "output.checkpoint=5", "output.samples=5", "output.pictures=4"} {
		args = append(args, "--set", s)
	}
	return append(args, more...)
}

func TestTrain(t *testing.T) {
	t.Chdir(t.TempDir())
	code, stdout, stderr := joule(quick(t, "--iterations", "6")...)
	dir := filepath.Join("runs", "mnist")
	if code != 0 {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	// The last lines say what was learnt, where the pictures are and what to do next.
	for _, words := range []string{"After 6 iterations", filepath.Join(dir, "model.safetensors"), filepath.Join(dir, "samples.png"), "AUROC",
		"joule sample " + dir, "joule eval ood " + dir, "joule train --resume --out " + dir + " --iterations 12"} {
		if !strings.Contains(stdout, words) {
			t.Errorf("the last lines have no %q:\n%s", words, stdout)
		}
	}
	if !strings.Contains(stderr, "out="+dir) || strings.Contains(stderr, "level=WARN") {
		t.Errorf("the log:\n%s", stderr)
	}

	// The commands it names work, those of a POSIX shell.
	for line := range strings.Lines(stdout) {
		words := strings.Fields(line)
		if len(words) > 1 && words[0] == "joule" {
			if words[1] == "sample" {
				words = append(words, "-n", "2", "--steps", "3")
			}
			if code, _, stderr := joule(words[1:]...); code != 0 {
				t.Errorf("%s: exit code %d: %s", strings.TrimSpace(line), code, stderr)
			}
		}
	}
	if m, err := model.Open(dir); err != nil || m.Iterations != 12 {
		t.Errorf("resumed with more iterations: %v", err)
	}

	// Without --out no run writes over another.
	if code, _, stderr := joule(quick(t, "--iterations", "1")...); code != 0 {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	if got := names(t, "runs"); !slices.Equal(got, []string{"mnist", "mnist-2"}) {
		t.Errorf("two runs are in %q", got)
	}
}

func TestTrainJSON(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	code, stdout, stderr := joule(quick(t, "--out", dir, "--for", "200ms", "--json")...)
	var r run.Result
	if err := json.Unmarshal([]byte(stdout), &r); err != nil || code != 0 {
		t.Fatalf("exit code %d, %v: %s", code, err, stderr)
	}
	if r.Dir != dir || r.Interrupted || r.Iteration < 1 || r.Outliers != "fashion-mnist" || r.Detection.NumIn != 4 {
		t.Errorf("printed %s", stdout)
	}
}

// What --print-config prints is what the run has in its directory, and read again it is the same.
func TestPrintConfig(t *testing.T) {
	for _, p := range run.Presets() {
		data := stripes(t)
		printed := mustJoule(t, "train", "--preset", p.Name, "--data", data, "--seed", "7", "--print-config", "--set", "optimiser.batch=5")
		for _, words := range []string{"seed: 7\n", "batch: 5\n", "data: " + data + "\n", "# "} {
			if !strings.Contains(printed, words) {
				t.Errorf("%s: the configuration has no %q", p.Name, words)
			}
		}
		// Every line of it can be given with --set.
		args := []string{"train", "--print-config"}
		group := ""
		for line := range strings.Lines(printed) {
			key, value, ok := strings.Cut(strings.TrimSpace(line), ":")
			switch value = strings.TrimSpace(value); {
			case !ok || strings.HasPrefix(key, "#"):
			case value == "":
				group = key + "."
			default:
				if !strings.HasPrefix(line, " ") {
					group = ""
				}
				args = append(args, "--set", group+key+"="+value)
			}
		}
		if again := mustJoule(t, args...); again != printed {
			t.Errorf("%s: the configuration set again:\n%s\nwas:\n%s", p.Name, again, printed)
		}
	}
	args := quick(t, "--iterations", "1")
	printed := mustJoule(t, append(args, "--print-config")...)
	dir := filepath.Join(t.TempDir(), "run")
	if code, _, stderr := joule(append(args, "--out", dir)...); code != 0 {
		t.Fatal(stderr)
	}
	if kept := readFile(t, filepath.Join(dir, "config.yaml")); string(kept) != printed {
		t.Errorf("config.yaml:\n%s\nwas printed as:\n%s", kept, printed)
	}
}

// A batch that is smaller than the preset's has no more lanes than images, unless they are asked for.
func TestLanesOfASmallBatch(t *testing.T) {
	for _, test := range []struct {
		sets []string
		want string
	}{
		{nil, "lanes: 128\n"},
		{[]string{"optimiser.batch=16"}, "lanes: 16\n"},
		{[]string{"optimiser.batch=16", " optimiser.lanes = 32"}, "lanes: 32\n"},
		{[]string{"optimiser.batch=256"}, "lanes: 128\n"},
	} {
		args := []string{"train", "--preset", "cifar10", "--data", stripes(t), "--print-config"}
		for _, s := range test.sets {
			args = append(args, "--set", s)
		}
		if printed := mustJoule(t, args...); !strings.Contains(printed, test.want) {
			t.Errorf("%q: the configuration has no %q:\n%s", test.sets, test.want, printed)
		}
	}
}

// A model to begin with brings its settings, which --set changes, and gives the run its name.
func TestTrainFrom(t *testing.T) {
	t.Chdir(t.TempDir())
	if code, _, stderr := joule(quick(t, "--iterations", "6", "--out", "taught", "--set", "loss.reg=2")...); code != 0 {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	code, _, stderr := joule("train", "--threads", "1", "--from", "taught", "--data", stripes(t), "--iterations", "3", "--set", "optimiser.batch=5")
	dir := filepath.Join("runs", "taught")
	if code != 0 || !strings.Contains(stderr, "begins with the weights of a model") || !strings.Contains(stderr, "settings=taught out="+dir) {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	c, err := run.ReadConfig(dir)
	if err != nil || filepath.Base(c.From) != "taught" || !filepath.IsAbs(c.From) || c.Optimiser.Batch != 5 || c.Loss.Weight("reg") != 2 || c.Limits.Iterations != 3 {
		t.Errorf("the run's configuration: %+v, %v", c, err)
	}
}

// A run is named by the model it begins with, wherever that lies.
func TestNameOfRunFromModel(t *testing.T) {
	t.Chdir(t.TempDir())
	here, _ := filepath.Abs(".")
	for from, want := range map[string]string{".": filepath.Base(here), "..": filepath.Base(filepath.Dir(here)), "/": "model", "runs/a/": "a",
		"runs/lr0.5": "lr0.5", "zoo:mnist": "mnist", "runs/m.safetensors": "m"} {
		o := trainOptions{}
		if o.from = from; o.name() != want {
			t.Errorf("%s: %q, want %q", from, o.name(), want)
		}
	}
}

func TestTrainRefuses(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	nowhere, file := filepath.Join(dir, "nowhere"), filepath.Join(dir, "file")
	writeFile(t, file, []byte("no picture"))
	pictureless := filepath.Join(dir, "pictureless")
	writeFile(t, filepath.Join(pictureless, "notes.txt"), []byte("nothing to see"))
	out := filepath.Join(dir, "out")
	for _, r := range []refused{
		{[]string{"train", "--preset", "nist"}, 2, `no preset "nist": want one of mnist`},
		{[]string{"train", "--set", "sampler.step=3"}, 2, `unknown setting "sampler.step", did you mean "sampler.steps"?`},
		{[]string{"train", "--set", "batch=3"}, 2, `did you mean "optimiser.batch"?`},
		{[]string{"train", "--set", "sampler=3"}, 2, "is a group: set one of sampler.kind"},
		{[]string{"train", "--set", "optimiser.batch"}, 2, "want key=value"},
		{[]string{"train", "--set", "optimiser.batch=many"}, 2, "want an integer"},
		{[]string{"train", "--set", "optimiser.batch=0"}, 2, "setting optimiser.batch is 0: want 1 to"},
		{[]string{"train", "--set", "optimiser.learning_rate=NaN"}, 2, "setting optimiser.learning_rate is NaN"},
		{[]string{"train", "--set", "network.image=2,2,1"}, 2, "larger images than 2×2"},
		{[]string{"train", "--set", "network.image=28,28,4"}, 2, "1 or 3 channels"},
		{[]string{"train", "--set", "network.filters=0,5"}, 2, "want an integer"},
		{[]string{"train", "--set", "network.norm=batch"}, 2, `no norm "batch": want`},
		{[]string{"train", "--set", "loss.entropy_after=10000"}, 2, "loss.entropy_after"},
		{[]string{"train", "--set", "loss.opt=-1"}, 2, "setting loss.opt is -1: want 0 to"},
		{[]string{"train", "--set", "loss.ent=NaN"}, 2, "setting loss.ent is NaN"},
		{[]string{"train", "--set", "loss.entropy=1"}, 2, `did you mean "loss.ent"?`},
		{[]string{"train", "--set", "loss.cd=0", "--set", "loss.reg=0", "--set", "loss.opt=0", "--set", "loss.flow=0"}, 2, "counts from the beginning"},
		{[]string{"train", "--set", "sampler.kind=hmc"}, 2, "sampler.step_size is 100: with hmc"},
		{[]string{"train", "--iterations", "-1"}, 2, "limits.iterations"},
		{[]string{"train", "--iterations", "0", "--set", "limits.processor=1m", "--preset", "mnist"}, 2, "--set limits.processor=1m: another flag makes limits.processor 0s: give one"},
		{[]string{"train", "--preset", "mnist", "--seed", "3", "--set", "seed=7"}, 2, "--set seed=7: another flag makes seed 3: give one"},
		{[]string{"train", "--preset", "mnist", "--set", "data=mnist"}, 2, "--set data=mnist: another flag makes data " + nowhere},
		{[]string{"train", "--preset", "mnist", "--attribute", "slant", "--set", "attribute=digit"}, 2, "makes attribute slant"},
		{[]string{"train", "--preset", "mnist", "--attribute", "slant", "--set", "network.conditional=false"}, 2, "makes network.conditional true"},
		{[]string{"train", "--preset", "tiles32", "--tile", "64", "--set", "tiles.side=32"}, 2, "makes tiles.side 64"},
		{[]string{"train", "--preset", "mnist", "--precision", "bf16", "--set", "sampler.precision=split"}, 2, "makes sampler.precision bf16"},
		{[]string{"train", "--set", "noise=white"}, 2, "setting noise is \"white\": want uniform or spectrum"},
		{[]string{"train", "--set", "noise=spectrum"}, 2, "loss.flow teaches the way from uniform noise"},
		{[]string{"train", "--for", "soon"}, 2, "--for"},
		{[]string{"train", "--resume"}, 2, "--resume needs --out"},
		{[]string{"train", "--resume", "--out", out, "--seed", "2"}, 2, "--seed cannot be given with --resume"},
		{[]string{"train", "--resume", "--out", out, "--set", "seed=2"}, 2, "--set cannot be given with --resume"},
		{[]string{"train", "--resume", "--out", out, "--preset", "mnist"}, 2, "--preset cannot be given with --resume"},
		{[]string{"train", "--resume", "--out", out, "--from", "zoo:mnist"}, 2, "--from cannot be given with --resume"},
		{[]string{"train", "--from", "zoo:mnist", "--preset", "mnist"}, 2, "a model brings its settings with it"},
		{[]string{"train", "--from", "zoo:mnist", "--set", "from=zoo:mnist"}, 2, "--from zoo:mnist and --set from"},
		{[]string{"train", "--from", "zoo:nist"}, 1, "zoo:nist: no such model"},
		{[]string{"train", "--from", ""}, 2, "--from is empty"},
		{[]string{"train", "extra"}, 2, "extra"},
		{[]string{"train", "--resume", "--out", nowhere}, 1, nowhere + ": no run to resume"},
		{[]string{"train", "--resume", "--out", pictureless}, 1, pictureless + ": no run to resume"},
	} {
		if !slices.Contains(r.args, "--resume") {
			r.args = append(r.args, "--data", nowhere) // what is not refused ends here
		}
		r.check(t)
	}
	// These are noticed once the command is at work, which its log tells.
	for _, test := range []struct {
		args  []string
		words string
	}{
		{[]string{"--preset", "cifar10-small"}, "--data"},
		{[]string{"--data", nowhere}, nowhere + ": no such file"},
		{[]string{"--data", file}, file},
		{[]string{"--data", pictureless}, pictureless},
	} {
		code, stdout, stderr := joule(append([]string{"train", "--out", out}, test.args...)...)
		lines := strings.Split(strings.TrimSpace(stderr), "\n")
		last := lines[len(lines)-1]
		if code != 1 || stdout != "" || !strings.HasPrefix(last, "joule: ") || !strings.Contains(last, test.words) {
			t.Errorf("%q: exit code %d, want 1 and a last line with %q; stderr:\n%s", test.args, code, test.words, stderr)
		}
		if _, err := os.Stat(out); err == nil {
			t.Errorf("%q: the run directory is left", test.args)
		}
	}
}

// Ctrl-C saves and says how to go on, and so it does.
func TestTrainInterrupted(t *testing.T) {
	guard := make(chan os.Signal, 1) // a signal that comes late must not end the tests
	signal.Notify(guard, os.Interrupt)
	defer signal.Stop(guard)
	self, err := os.FindProcess(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "a run") // to be quoted
	done := make(chan struct{})
	go func() {
		for {
			select {
			case <-done:
				return
			case <-time.After(20 * time.Millisecond):
			}
			if metrics, _ := os.ReadFile(filepath.Join(dir, "metrics.jsonl")); len(metrics) > 0 {
				if err := self.Signal(os.Interrupt); err != nil {
					t.Error(err)
				}
				return
			}
		}
	}()
	code, stdout, stderr := joule(quick(t, "--out", dir, "--iterations", "1000000")...)
	close(done)
	last := stderr[strings.LastIndex(strings.TrimSpace(stderr), "\n")+1:]
	if want := "all saved; go on with: joule train --resume --out '" + dir + "'\n"; code != 1 || stdout != "" || !strings.HasSuffix(last, want) {
		t.Fatalf("exit code %d, last line %q, want %q; stdout %q", code, last, want, stdout)
	}
	m, err := model.Open(dir)
	if err != nil || !strings.Contains(last, "interrupted after") || m.Iterations < 1 {
		t.Fatalf("the model of %d iterations, said %q: %v", m.Iterations, last, err)
	}
	if code, _, stderr := joule("train", "--resume", "--out", dir, "--iterations", "1"); code != 0 {
		t.Errorf("resumed: exit code %d: %s", code, stderr)
	}
}
