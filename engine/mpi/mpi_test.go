//go:build linux

package mpi_test

// This file trains with real processes: it builds joule with MPI and has mpirun start it. What several processes come to, killed or not,
// is what one comes to. It takes a minute or two, and Open MPI: without JOULE_LONG=1, mpirun and mpicc it is skipped.

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/joule-ebm/joule/engine/rng"
)

// build makes joule with MPI, once, in the directory built.
var build = sync.OnceValues(func() (path string, err error) {
	if built, err = os.MkdirTemp("", "joule-mpi"); err != nil {
		return "", err
	}
	path = filepath.Join(built, "joule")
	tags := "mpi"
	if plugin != "" {
		tags += ",xla"
	}
	cmd := exec.Command("go", "build", "-tags", tags, "-o", path, "github.com/joule-ebm/joule/cmd/joule")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=1", "CC=mpicc")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return path, nil
})

var built = ""

// plugin is one for accelerators, to train with.
var plugin = os.Getenv("JOULE_PJRT_PLUGIN")

func TestMain(m *testing.M) {
	code := m.Run()
	_ = os.RemoveAll(built)
	os.Exit(code)
}

// program is joule with MPI.
func program(t *testing.T) string {
	t.Helper()
	if os.Getenv("JOULE_LONG") == "" {
		t.Skip("takes a minute: set JOULE_LONG=1")
	}
	for _, name := range []string{"mpirun", "mpicc"} {
		if _, err := exec.LookPath(name); err != nil {
			t.Skip("needs Open MPI (apt-get install openmpi-bin libopenmpi-dev): ", err)
		}
	}
	path, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// job is what mpirun starts.
type job struct {
	*exec.Cmd
	output *bytes.Buffer
}

// start starts so many processes, each with an argument list of its own if there are several.
func start(t *testing.T, ranks int, args ...[]string) job {
	t.Helper()
	j := prepare(t, ranks, args...)
	if err := j.Start(); err != nil {
		t.Fatal(err)
	}
	return j
}

// prepare is mpirun's command line.
func prepare(t *testing.T, ranks int, args ...[]string) job {
	t.Helper()
	line := []string{"mpirun", "--oversubscribe", "--bind-to", "none"}
	for i, a := range args {
		if i > 0 {
			line = append(line, ":")
		}
		line = append(append(line, "-n", strconv.Itoa(ranks/len(args))), a...)
	}
	return command(t, line)
}

// command is a job with the program in the place of the word joule.
func command(t *testing.T, line []string) job {
	t.Helper()
	joule := program(t)
	for i, word := range line {
		if word == "joule" {
			line[i] = joule
		}
	}
	const hangs = 10 * time.Minute // far longer than any job here takes
	ctx, cancel := context.WithTimeout(t.Context(), hangs)
	t.Cleanup(cancel)
	j := job{exec.CommandContext(ctx, line[0], line[1:]...), &bytes.Buffer{}}
	j.Cancel = func() error { return j.Process.Signal(syscall.SIGTERM) }
	j.Env = append(os.Environ(), "OMPI_ALLOW_RUN_AS_ROOT=1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1")
	j.Stdout, j.Stderr = j.output, j.output
	return j
}

// succeed waits for the job to end well.
func (j job) succeed(t *testing.T) {
	t.Helper()
	if err := j.Wait(); err != nil {
		t.Fatalf("%v:\n%s", err, j.output)
	}
}

// fail waits for it to end otherwise, having said all these words.
func (j job) fail(t *testing.T, words ...string) {
	t.Helper()
	err := j.Wait()
	if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) || exit.ExitCode() <= 0 {
		t.Fatalf("%v, want an exit code:\n%s", err, j.output)
	}
	for _, w := range words {
		if !strings.Contains(j.output.String(), w) {
			t.Errorf("it does not say %q:\n%s", w, j.output)
		}
	}
}

// ranks are the job's processes, by what mpirun has told them, once all are there.
func (j job) ranks(t *testing.T, n int) map[int]*os.Process {
	t.Helper()
	for range 2000 {
		found := map[int]*os.Process{}
		stats, _ := filepath.Glob("/proc/[0-9]*/stat")
		for _, path := range stats {
			stat, _ := os.ReadFile(path)
			_, after, _ := bytes.Cut(stat, []byte(") "))
			fields := strings.Fields(string(after))
			if len(fields) < 2 || fields[1] != strconv.Itoa(j.Process.Pid) {
				continue
			}
			environment, _ := os.ReadFile(filepath.Join(filepath.Dir(path), "environ"))
			for variable := range bytes.SplitSeq(environment, []byte{0}) {
				if rank, ok := strings.CutPrefix(string(variable), "OMPI_COMM_WORLD_RANK="); ok {
					r, _ := strconv.Atoi(rank)
					pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
					found[r], _ = os.FindProcess(pid)
				}
			}
		}
		if len(found) == n {
			return found
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatalf("mpirun has not started %d processes:\n%s", n, j.output)
	return nil
}

// pictures writes an IDX file of 200 pictures of 12×12 pixels, with labels beside it.
func pictures(t *testing.T, seed uint64) (path string) { return picturesOf(t, seed, 12) }

func picturesOf(t *testing.T, seed uint64, side int) (path string) {
	t.Helper()
	const n = 200
	header := func(magic uint32, sizes ...uint32) []byte {
		b := binary.BigEndian.AppendUint32(nil, magic)
		for _, s := range sizes {
			b = binary.BigEndian.AppendUint32(b, s)
		}
		return b
	}
	images, labels := header(0x803, n, uint32(side), uint32(side)), header(0x801, n)
	s := rng.New(seed)
	for range n {
		kind := s.IntN(3)
		labels = append(labels, byte(kind))
		for p := range side * side {
			images = append(images, byte(s.IntN(40)+200*((p/side+p%side)/(2+kind)%2)))
		}
	}
	dir := t.TempDir()
	for name, content := range map[string][]byte{"few-images-idx3-ubyte": images, "few-labels-idx1-ubyte": labels} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "few-images-idx3-ubyte")
}

// training is a command line that trains for a second or so.
func training(data, out string, sets ...string) []string {
	args := []string{"joule", "train", "--data", data, "--out", out, "--iterations", "24", "--patience", "2m"}
	for _, s := range append([]string{"network.filters=4", "network.image=12,12,1", "sampler.steps=4", "optimiser.batch=13", "buffer.size=80",
		"held_out=25", "loss.references=5", "loss.entropy_after=30", "output.checkpoint=5", "output.samples=5", "output.pictures=4",
		"output.held_out=5", "output.diagnose=4", "generation.augmented=2", "generation.plain=1"}, sets...) {
		args = append(args, "--set", s)
	}
	return args
}

func resuming(out string, more ...string) []string {
	return append([]string{"joule", "train", "--resume", "--out", out}, more...)
}

// alone runs a command line in one process, without mpirun.
func alone(t *testing.T, args []string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), program(t), args[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

var seconds = regexp.MustCompile(`,"time_(seconds|processor)":[^,}]*`)

// kept is what a run has learnt and measured, by file.
func kept(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || strings.HasPrefix(entry.Name(), "events.") || entry.Name() == "checkpoint.previous" {
			return err
		}
		content, err := os.ReadFile(path)
		name, _ := filepath.Rel(dir, path)
		files[name] = string(seconds.ReplaceAll(content, nil))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func same(t *testing.T, what, dir string, want map[string]string) {
	t.Helper()
	got := kept(t, dir)
	for name, content := range want {
		if got[name] != content {
			t.Errorf("%s: another %s", what, name)
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			t.Errorf("%s: there is a %s", what, name)
		}
	}
}

// TestSameBits: the number of processes and of threads changes no bit of a run.
func TestSameBits(t *testing.T) {
	program(t)
	data := pictures(t, 1)
	for name, sets := range map[string][]string{
		"unconditional": {"optimiser.lanes=16"},
		"conditional":   {"network.conditional=true"},
		"hmc":           {"sampler.kind=hmc", "sampler.step_size=0.01"},
		"unrolled":      {"sampler.all_steps=true"},
		"diverging":     {"optimiser.learning_rate=0.4", "optimiser.clip=0", "recovery.rate_factor=0.8", "recovery.failures=50"},
	} {
		t.Run(name, func(t *testing.T) {
			on := func(at string, threads int) []string {
				args := append(training(data, at, sets...), "--threads", strconv.Itoa(threads))
				if name != "diverging" {
					args = append(args, "--iterations", "13") // enough to save, sample and measure twice
				}
				return args
			}
			whole := filepath.Join(t.TempDir(), "run")
			alone(t, on(whole, 2))
			want := kept(t, whole)
			if !regexp.MustCompile(`"loss_ent":-?[0-9.]*[1-9]`).MatchString(want["metrics.jsonl"]) {
				t.Error("training does without the entropy term")
			}
			for _, c := range [][2]int{{1, 3}, {2, 2}, {3, 3}, {4, 2}, {8, 1}} {
				what := fmt.Sprintf("%d processes, %d threads", c[0], c[1])
				at := filepath.Join(t.TempDir(), "run")
				j := start(t, c[0], on(at, c[1]))
				j.succeed(t)
				if diverged := strings.Contains(j.output.String(), "training went wrong, going back"); diverged != (name == "diverging") {
					t.Errorf("%s: diverged: %t:\n%s", what, diverged, j.output)
				}
				same(t, what, at, want)
			}
		})
	}
}

// TestKilled: ranks are killed at random times, and runs go on in other numbers of processes until they end.
func TestKilled(t *testing.T) {
	program(t)
	data, dir := pictures(t, 1), t.TempDir()
	sets := []string{"output.checkpoint=2", "optimiser.lanes=16"}
	began := time.Now()
	start(t, 2, training(data, filepath.Join(dir, "whole"), sets...)).succeed(t)
	most := time.Since(began)
	want, at := kept(t, filepath.Join(dir, "whole")), filepath.Join(dir, "run")
	random, kills, wanted, runs := rng.New(5), 0, 8, 0
	for kills < wanted || runs == 0 {
		args := resuming(at)
		if _, err := os.Stat(filepath.Join(at, "config.yaml")); err != nil {
			args = training(data, at, sets...)
		}
		n := 1 + random.IntN(4)
		j := start(t, n, append(args, "--threads", strconv.Itoa(1+random.IntN(2))))
		ranks := j.ranks(t, n)
		if kills < wanted {
			time.Sleep(time.Duration(random.Float32() * float32(most) / 2))
			_ = ranks[random.IntN(n)].Kill() // it may have ended by itself
			if j.Wait() != nil {
				kills++
				continue
			}
		} else {
			j.succeed(t)
		}
		same(t, fmt.Sprint("after so many kills: ", kills), at, want)
		if err := os.RemoveAll(at); err != nil {
			t.Fatal(err)
		}
		runs++
	}
	t.Logf("%d kills in %d runs", kills, runs)
}

// TestSignals: mpirun passes on a signal, all ranks stop after the same iteration, and rank 0 says how to go on.
func TestSignals(t *testing.T) {
	program(t)
	data, dir := pictures(t, 1), t.TempDir()
	whole, at := filepath.Join(dir, "whole"), filepath.Join(dir, "run")
	start(t, 2, training(data, whole)).succeed(t)
	for i := 0; ; i++ {
		args := resuming(at)
		if i == 0 {
			args = training(data, at)
		}
		j := start(t, 3, args)
		if i == 2 {
			j.succeed(t)
			break
		}
		log := filepath.Join(at, "metrics.jsonl")
		for lines := 0; lines < 3+6*i; time.Sleep(5 * time.Millisecond) { // so many iterations
			content, _ := os.ReadFile(log)
			lines = bytes.Count(content, []byte("\n"))
		}
		if err := j.Process.Signal(syscall.SIGUSR1); err != nil {
			t.Fatal(err)
		}
		j.fail(t, "joule: interrupted after ", "joule train --resume --out "+at)
	}
	same(t, "interrupted and resumed", at, kept(t, whole))
}

// TestStoppedRank: a rank that hangs is noticed, the job ends with an exit code, and the run goes on.
func TestStoppedRank(t *testing.T) {
	program(t)
	data, dir := pictures(t, 1), t.TempDir()
	whole, at := filepath.Join(dir, "whole"), filepath.Join(dir, "run")
	start(t, 2, training(data, whole)).succeed(t)
	j := start(t, 3, append(training(data, at), "--patience", "2s"))
	ranks := j.ranks(t, 3)
	for {
		if _, err := os.Stat(filepath.Join(at, "checkpoint.previous")); err == nil {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	if err := ranks[1].Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	j.fail(t, "has waited 2s for the others")
	start(t, 2, resuming(at)).succeed(t)
	same(t, "after a rank that hung", at, kept(t, whole))
}

// TestDifferentRanks: what differs between ranks is named in one line, and no run begins.
func TestDifferentRanks(t *testing.T) {
	program(t)
	one, other := pictures(t, 1), pictures(t, 2)
	at := filepath.Join(t.TempDir(), "run")
	in := func(data string, more ...string) []string {
		return append(append([]string{"-wdir", filepath.Dir(data)}, training(filepath.Base(data), at)...), more...)
	}
	start(t, 2, in(one), in(other)).fail(t, "joule: rank 1 on ", "checksum")
	start(t, 2, in(one), in(one, "--set", "optimiser.lanes=5")).fail(t, "joule: rank 1 on ", "has the setting optimiser.lanes 5, rank 0 on ")
	start(t, 2, in(one, "--set", "optimiser.lanes=nine")).fail(t, "optimiser.lanes")
	start(t, 2, []string{"joule", "doctor"}).fail(t, "joule doctor is for one process, and 2 were started together")
	if _, err := os.Stat(at); err == nil {
		t.Error("a run has begun")
	}
}

// TestOtherCommands: what several processes sample, score and measure is what one does.
func TestOtherCommands(t *testing.T) {
	program(t)
	data, dir := pictures(t, 1), t.TempDir()
	model := filepath.Join(dir, "model")
	alone(t, training(data, model))
	photograph := filepath.Join(dir, "photograph.pgm")
	if err := os.WriteFile(photograph, append([]byte("P5 12 12 255\n"), bytes.Repeat([]byte{10, 200, 90}, 48)...), 0o666); err != nil {
		t.Fatal(err)
	}
	took := regexp.MustCompile(`(?i)"[a-z_]*(seconds|output|gif)":[^,}]*`)
	for name, args := range map[string][]string{
		"sample":     {"sample", model, "-n", "70", "--steps", "5", "--gif", "OUT/chains.gif", "-o", "OUT/images/", "--json"},
		"score":      {"score", model, data, "--format", "csv", "--detector", "combined", "--false-alarm", "10%"},
		"explained":  {"score", model, photograph, "--format", "json", "--explain", "OUT/explained"},
		"quality":    {"eval", "quality", "--samples", picturesOf(t, 3, 28), "--data", picturesOf(t, 4, 28), "--json"},
		"likelihood": {"eval", "likelihood", model, "-n", "20", "--rungs", "5", "--chains", "5", "--in", data, "--curve", "OUT/curve.png", "--json"},
	} {
		t.Run(name, func(t *testing.T) {
			results := func(run func(args []string) []byte) map[string]string {
				out := t.TempDir()
				var line []string
				for _, a := range args {
					line = append(line, strings.ReplaceAll(a, "OUT", out))
				}
				printed := run(append([]string{"joule"}, line...))
				files := kept(t, out)
				files["printed"] = string(took.ReplaceAll(printed, nil))
				return files
			}
			want := results(func(args []string) []byte {
				var printed bytes.Buffer
				cmd := exec.CommandContext(t.Context(), program(t), args[1:]...)
				cmd.Stdout = &printed
				var said bytes.Buffer
				cmd.Stderr = &said
				if err := cmd.Run(); err != nil {
					t.Fatalf("%v: %s", err, &said)
				}
				return printed.Bytes()
			})
			got := results(func(args []string) []byte {
				j := prepare(t, 3, args)
				var printed bytes.Buffer
				j.Stdout = &printed
				if err := j.Run(); err != nil {
					t.Fatalf("%v:\n%s%s", err, j.output, &printed)
				}
				return printed.Bytes()
			})
			if len(want) == 1 && want["printed"] == "" {
				t.Error("it does nothing")
			}
			for name := range want {
				if got[name] != want[name] {
					t.Errorf("another %s: %.300s, want %.300s", name, got[name], want[name])
				}
			}
			if len(got) != len(want) {
				t.Errorf("%d files, want %d", len(got), len(want))
			}
		})
	}
}

// TestFullDisk: rank 0's disk fills up; with space again the run goes on.
func TestFullDisk(t *testing.T) {
	program(t)
	disk := t.TempDir()
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=2m"); err != nil {
		t.Skip("cannot mount a small disk: ", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(disk, 0); err != nil {
			t.Error(err)
		}
	})
	data, whole := pictures(t, 1), filepath.Join(t.TempDir(), "run")
	start(t, 2, training(data, whole)).succeed(t)
	ballast, at := filepath.Join(disk, "ballast"), filepath.Join(disk, "run")
	var s syscall.Statfs_t
	if err := syscall.Statfs(disk, &s); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(ballast, make([]byte, int(s.Bavail)*int(s.Bsize)-100<<10), 0o666); err != nil {
		t.Fatal(err)
	}
	start(t, 3, training(data, at)).fail(t, "no space left on device")
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	args := resuming(at)
	if _, err := os.Stat(filepath.Join(at, "config.yaml")); err != nil {
		args = training(data, at)
	}
	start(t, 2, args).succeed(t)
	same(t, "after a full disk", at, kept(t, whole))
}

// TestAccelerator: two processes with an accelerator each come to what one comes to, to rounding, and are resumed by two others. (The ranks
// compare their states at each checkpoint.)
func TestAccelerator(t *testing.T) {
	program(t)
	if plugin == "" {
		t.Skip("JOULE_PJRT_PLUGIN names no PJRT plugin to test with")
	}
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	data, dir := pictures(t, 1), t.TempDir()
	args := func(out string, iterations int) []string {
		return append(training(data, out, "output.diagnose=0", "output.checkpoint=2", "loss.entropy_after=79"),
			"--iterations", strconv.Itoa(iterations), "--device", "xla:"+plugin, "--patience", "15m")
	}
	one, two := filepath.Join(dir, "one"), filepath.Join(dir, "two")
	alone(t, args(one, 5))
	start(t, 2, args(two, 3)).succeed(t)
	start(t, 2, resuming(two, "--iterations", "5", "--device", "xla:"+plugin, "--patience", "15m")).succeed(t)
	losses := func(at string) (list []float64) {
		content, err := os.ReadFile(filepath.Join(at, "metrics.jsonl"))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`"gradient_norm":([^,}]*)`).FindAllSubmatch(content, -1) {
			x, err := strconv.ParseFloat(string(m[1]), 64)
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, x)
		}
		return list
	}
	want, got := losses(one), losses(two)
	if len(want) != 5 || len(got) != 5 {
		t.Fatalf("gradients' norms of one process %v, of two %v", want, got)
	}
	for i := range 2 { // what comes after them has multiplied rounding
		if d := got[i]/want[i] - 1; !(d < 1e-3 && d > -1e-3) {
			t.Errorf("iteration %d: the gradient's norm is %v, of one process %v", i+1, got[i], want[i])
		}
	}
}
