package run

// This file has several processes train together (engine.Group). Each has the whole state, and the engine shares out the work on images.
// What decides their numbers must be the same in all, and is compared at the start and at each checkpoint; the process of rank 0 alone
// reads and writes the run's directory, so that the others need not even see it.

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/internal/checkpoint"
	"github.com/joule-ebm/joule/internal/kernels"
	"github.com/joule-ebm/joule/internal/settings"
)

// together says whether there is more than one process.
func (o *Options) together() bool { return o.Group != nil && o.Group.Size() > 1 }

// writes says whether this process is the one that reads and writes the directory.
func (o *Options) writes() bool { return !o.together() || o.Group.Rank() == 0 }

// uninterrupted is the context of work that the processes of a group share: none of them may leave it alone.
func (o *Options) uninterrupted(ctx context.Context) context.Context {
	if o.together() {
		return context.WithoutCancel(ctx)
	}
	return ctx
}

// fact is something that must be the same in all processes.
type fact struct{ Name, Value string }

// mustBeSame tells the other processes facts, in the order in which they are compared. It returns an error, the same in all processes, that
// names the first that differs and where.
func (r *runner) mustBeSame(facts ...fact) error {
	type statement struct {
		Host  string
		Facts []fact
	}
	message, err := json.Marshal(statement{hostName(), facts})
	if err != nil {
		return err
	}
	messages, err := engine.Collect(r.options.Group, message)
	if err != nil {
		return err
	}
	var first statement
	for rank, m := range messages {
		var s statement
		if err := json.Unmarshal(m, &s); err != nil {
			return fmt.Errorf("rank %d is another program than rank 0: %w", rank, err)
		}
		if rank == 0 {
			first = s
		}
		for i, f := range first.Facts {
			switch {
			case len(s.Facts) != len(first.Facts) || s.Facts[i].Name != f.Name:
				return fmt.Errorf("rank %d on %s is another program than rank 0 on %s: start the same everywhere", rank, s.Host, first.Host)
			case s.Facts[i] != f:
				return fmt.Errorf("rank %d on %s has the %s %.80s, rank 0 on %s %.80s: a run needs the same in all its processes",
					rank, s.Host, f.Name, s.Facts[i].Value, first.Host, f.Value)
			}
		}
	}
	return nil
}

func hostName() string {
	host, err := os.Hostname()
	if err != nil {
		return "a host without a name"
	}
	return host
}

// compareProcesses is an error unless all processes are the same program with the same configuration. It returns the kernels that all of
// them can run.
func (r *runner) compareProcesses() (*kernels.Set, error) {
	facts := []fact{{"program", program()}, {"device", cmp.Or(r.options.Device, "cpu")}}
	keys, err := settings.Keys(&r.config)
	if err != nil {
		return nil, err
	}
	for _, k := range keys {
		facts = append(facts, fact{"setting " + k.Name, k.Value})
	}
	if err := r.mustBeSame(facts...); err != nil {
		return nil, err
	}
	return r.commonKernels()
}

// program tells builds of it apart.
func program() string {
	parts := []string{runtime.Version(), runtime.GOARCH}
	if info, ok := debug.ReadBuildInfo(); ok {
		parts = append(parts, info.Main.Version)
		for _, s := range info.Settings {
			if strings.HasPrefix(s.Key, "vcs.") {
				parts = append(parts, s.Value)
			}
		}
	}
	return strings.Join(parts, " ")
}

// commonKernels are the fastest that all processes can run: their bits are those of the run.
func (r *runner) commonKernels() (*kernels.Set, error) {
	own := []string{hostName()}
	for _, set := range kernels.All() {
		own = append(own, set.Name)
	}
	messages, err := engine.Collect(r.options.Group, []byte(strings.Join(own, "\n")))
	if err != nil {
		return nil, err
	}
	var hosts []string
	var sets [][]string
	for _, m := range messages {
		list := strings.Split(string(m), "\n")
		hosts, sets = append(hosts, list[0]), append(sets, list[1:])
	}
	common := slices.DeleteFunc(slices.Clone(sets[0]), func(name string) bool {
		return slices.ContainsFunc(sets, func(set []string) bool { return !slices.Contains(set, name) })
	})
	for rank, set := range sets {
		if set[0] != common[0] {
			r.options.Log.Info("not all hosts have the same processors", "kernels", common[0], "instead_of", set[0], "rank", rank, "host", hosts[rank])
		}
	}
	slices.Sort(hosts)
	r.options.Log.Info("training together", "processes", len(sets), "hosts", len(slices.Compact(hosts)), "threads", r.options.Threads, "kernels", common[0])
	return kernels.ByName(common[0])
}

// compareData is an error where the processes have read different data.
func (r *runner) compareData() error {
	if !r.options.together() {
		return nil
	}
	return r.mustBeSame(fact{"data", fmt.Sprintf("%d images with checksum %08x", r.data.Images, r.data.Checksum)})
}

// compareStates is an error where the processes have come to different numbers: then one of them has miscalculated.
func (r *runner) compareStates() error {
	if !r.options.together() {
		return nil
	}
	if err := r.trainer.Pull(); err != nil {
		return err
	}
	var state [][]float32
	for _, v := range vectors(r.trainer) {
		state = append(state, v.values)
	}
	err := r.mustBeSame(fact{fmt.Sprintf("state of iteration %d with checksum", r.trainer.Iteration), fmt.Sprintf("%08x", checksum(state...))})
	if err != nil {
		return fmt.Errorf("%w; is the memory of both sound?", err)
	}
	return nil
}

// checksum is that of vectors, one after the other.
func checksum(vectors ...[]float32) uint32 {
	sum := crc32.New(crc32.MakeTable(crc32.Castagnoli))
	for _, v := range vectors {
		_, _ = numbers(v).WriteTo(sum) // a hash takes all
	}
	return sum.Sum32()
}

// waitForRank0 returns when rank 0 has written what there is to write: a process that ends may end the others.
func (r *runner) waitForRank0() error {
	if !r.options.together() {
		return nil
	}
	_, err := engine.Broadcast(r.options.Group, nil)
	return err
}

// moment is what all processes agree on between two iterations.
type moment struct {
	done, interrupted bool
	left              float64 // the share of the run that is to come
}

func (m moment) stop() bool { return m.done || m.interrupted }

// agree says whether all processes stop now, and whether because one of them was interrupted; and how much of the run is left. By rank 0's
// clock: all of them decide the same.
func (r *runner) agree(ctx context.Context, clock *clock) (moment, error) {
	const doneBit, interruptedBit = 1, 2
	m := moment{clock.done(r.trainer.Iteration), ctx.Err() != nil, clock.left(r.trainer.Iteration)}
	if !r.options.together() {
		m.interrupted = m.interrupted && !m.done
		return m, nil
	}
	own := make([]byte, 9)
	if m.done {
		own[0] |= doneBit
	}
	if m.interrupted {
		own[0] |= interruptedBit
	}
	binary.LittleEndian.PutUint64(own[1:], math.Float64bits(m.left))
	all, err := engine.Collect(r.options.Group, own)
	if err != nil {
		return m, err
	}
	m = moment{done: all[0][0]&doneBit != 0, left: math.Float64frombits(binary.LittleEndian.Uint64(all[0][1:]))}
	for _, b := range all {
		m.interrupted = m.interrupted || b[0]&interruptedBit != 0
	}
	m.interrupted = m.interrupted && !m.done
	return m, nil
}

// configOfAll is the configuration that rank 0 has read.
func configOfAll(o *Options, read func() (Config, error)) (Config, error) {
	if !o.together() {
		return read()
	}
	var text string
	if o.writes() {
		c, err := read()
		if err != nil {
			return c, err
		}
		if text, err = c.Text(); err != nil {
			return c, err
		}
	}
	shared, err := engine.Broadcast(o.Group, []byte(text))
	if err != nil {
		return Config{}, err
	}
	c := before()
	err = settings.Read(bytes.NewReader(shared), &c)
	return c, err
}

// checkpointOfAll is the checkpoint that rank 0 has found; nil where there is none.
func (r *runner) checkpointOfAll(find func() (*checkpoint.Checkpoint, error)) (*checkpoint.Checkpoint, error) {
	if !r.options.together() {
		return find()
	}
	var message bytes.Buffer
	if r.options.writes() {
		c, err := find()
		if err != nil {
			return nil, err
		}
		if c != nil {
			if err := checkpoint.Write(&message, c.Sections); err != nil {
				return nil, err
			}
		}
	}
	shared, err := engine.Broadcast(r.options.Group, message.Bytes())
	if err != nil || len(shared) == 0 {
		return nil, err
	}
	sections, err := checkpoint.Read(bytes.NewReader(shared), int64(len(shared)))
	if err != nil {
		return nil, err
	}
	return &checkpoint.Checkpoint{Sections: sections, Path: r.dir.file(checkpointFile)}, nil
}
