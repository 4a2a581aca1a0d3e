//go:build mpi && cgo

package mpi

/*
#include <mpi.h>
#include <stdlib.h>
#include <unistd.h>

// The handles are macros: pointers to objects in Open MPI, numbers in MPICH.

static int joule_start(int *level) {
	int err = MPI_Init_thread(NULL, NULL, MPI_THREAD_SERIALIZED, level);
	if (!err) err = MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
	return err;
}

static int joule_rank(int *rank) { return MPI_Comm_rank(MPI_COMM_WORLD, rank); }

static int joule_size(int *size) { return MPI_Comm_size(MPI_COMM_WORLD, size); }

static int joule_alloc(long n, void *memory) { return MPI_Alloc_mem((MPI_Aint)n, MPI_INFO_NULL, memory); }

static int joule_gather(void *all, int *counts, int *places) {
	return MPI_Allgatherv(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, all, counts, places, MPI_BYTE, MPI_COMM_WORLD);
}

static int joule_exchange(void *in, int *from, int *from_places, void *out, int *to, int *to_places) {
	return MPI_Alltoallv(out, to, to_places, MPI_BYTE, in, from, from_places, MPI_BYTE, MPI_COMM_WORLD);
}

// MPICH takes leave of mpirun in an atexit handler. Open MPI has done so, and where there is no need of them such handlers are left out: they
// take down what threads of other libraries, such as XLA's, may still work with.
static void joule_exit(void) {
#ifdef OPEN_MPI
	_exit(0);
#else
	exit(0);
#endif
}

static int joule_abort(int code) { return MPI_Abort(MPI_COMM_WORLD, code); }
*/
import "C"

import (
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"github.com/joule-ebm/joule/engine"
)

// world is all processes that were started together.
type world struct {
	rank, size int
	patience   time.Duration

	// What MPI reads and writes is memory that it gave out itself: libraries that let the network card do the copying keep note of which
	// pages they have shown it, and do not learn of what the Go runtime does with its own.
	memory [2]buffer
}

// buffer is memory of MPI's.
type buffer struct {
	start unsafe.Pointer
	bytes []byte
}

// Signals are those, beside the usual ones, that ask a process of a group to stop: mpirun passes it on to all, at once.
var Signals = []os.Signal{syscall.SIGUSR1}

var (
	mutex   sync.Mutex
	started *world // nil: this process is alone, or has not begun
)

// Open makes the group of the processes that were started together; nil if this one was started alone. It is called once.
func Open(o Options) (engine.Group, error) {
	launched, _ := Launched()
	if launched == 1 {
		return nil, nil
	}
	mutex.Lock()
	defer mutex.Unlock()
	var level, rank, size C.int
	if err := failed("MPI_Init_thread", C.joule_start(&level)); err != nil {
		return nil, err
	}
	C.joule_rank(&rank)
	C.joule_size(&size)
	w := &world{rank: int(rank), size: int(size), patience: o.Patience}
	if level < C.MPI_THREAD_SERIALIZED {
		return nil, fmt.Errorf("this MPI library is for programs of one thread (level %d): use one built with threads", level)
	}
	if w.size != launched {
		return nil, fmt.Errorf("of %d processes that were started together MPI sees %d: was this program built with the MPI that started it?",
			launched, w.size)
	}
	started = w
	return w, nil
}

// Exit ends the process. With code 0 it first takes leave of the others, and so waits until they end too; with another code it ends
// them.
func Exit(code int) {
	mutex.Lock()
	w := started
	mutex.Unlock()
	if w == nil {
		os.Exit(code)
	}
	if code != 0 {
		C.joule_abort(C.int(code))
		os.Exit(code)
	}
	if err := failed("MPI_Finalize", C.MPI_Finalize()); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	C.joule_exit()
}

func failed(what string, code C.int) error {
	if code == C.MPI_SUCCESS {
		return nil
	}
	var text [C.MPI_MAX_ERROR_STRING]C.char
	var n C.int
	C.MPI_Error_string(code, &text[0], &n)
	return fmt.Errorf("%s: %s", what, C.GoStringN(&text[0], n))
}

func (w *world) Rank() int { return w.rank }
func (w *world) Size() int { return w.size }

// mostBytes is the most that goes through one call of MPI: its counts are ints of C, and what it copies should stay in a cache.
const mostBytes = 4 << 20

// Gather implements engine.Group. What is long goes in pieces, a piece of every rank's part at a time.
func (w *world) Gather(all []byte, counts []int) error {
	starts := places(counts)
	if len(counts) != w.size || len(all) != starts[w.size] {
		return fmt.Errorf("mpi: gathering %d bytes in parts of %v among %d processes", len(all), counts, w.size)
	}
	most := 0
	for _, n := range counts {
		most = max(most, n)
	}
	piece := max(1, mostBytes/w.size)
	for at := 0; at < most; at += piece {
		part := func(r int) []byte { return all[starts[r]+min(at, counts[r]) : starts[r]+min(at+piece, counts[r])] }
		n, to := ints(w.size, func(r int) int { return len(part(r)) })
		memory, err := w.memory[0].of(sum(n))
		if err != nil {
			return err
		}
		copy(memory[to[w.rank]:], part(w.rank))
		err = w.wait("MPI_Allgatherv", func() C.int { return C.joule_gather(w.memory[0].start, &n[0], &to[0]) })
		if err != nil {
			return err
		}
		for r := range w.size {
			copy(part(r), memory[to[r]:])
		}
	}
	return nil
}

// Exchange implements engine.Group.
func (w *world) Exchange(in []byte, from []int, out []byte, to []int) error {
	inStarts, outStarts := places(from), places(to)
	if len(from) != w.size || len(to) != w.size || len(in) != inStarts[w.size] || len(out) != outStarts[w.size] {
		return fmt.Errorf("mpi: exchanging %d bytes, %v, for %d bytes, %v, among %d processes", len(out), to, len(in), from, w.size)
	}
	received, err := w.memory[0].of(len(in))
	if err != nil {
		return err
	}
	sent, err := w.memory[1].of(len(out))
	if err != nil {
		return err
	}
	copy(sent, out)
	fromCounts, fromPlaces := ints(w.size, func(r int) int { return from[r] })
	toCounts, toPlaces := ints(w.size, func(r int) int { return to[r] })
	err = w.wait("MPI_Alltoallv", func() C.int {
		return C.joule_exchange(w.memory[0].start, &fromCounts[0], &fromPlaces[0], w.memory[1].start, &toCounts[0], &toPlaces[0])
	})
	copy(in, received)
	return err
}

// wait makes a call that takes as long as the slowest process, but no longer than this one is patient: it then ends all of them.
func (w *world) wait(what string, call func() C.int) error {
	if w.patience > 0 {
		impatient := time.AfterFunc(w.patience, func() {
			fmt.Fprintf(os.Stderr, "joule: rank %d of %d has waited %v for the others (%s): one of them hangs, or its network is gone; all end now\n",
				w.rank, w.size, w.patience, what)
			C.joule_abort(1)
			os.Exit(1)
		})
		defer impatient.Stop()
	}
	return failed(what, call())
}

// of is n bytes of the buffer.
func (b *buffer) of(n int) ([]byte, error) {
	if n > len(b.bytes) {
		if b.start != nil {
			C.MPI_Free_mem(b.start)
		}
		b.bytes = nil
		if err := failed("MPI_Alloc_mem", C.joule_alloc(C.long(n), unsafe.Pointer(&b.start))); err != nil {
			return nil, err
		}
		b.bytes = unsafe.Slice((*byte)(b.start), n)
	}
	return b.bytes[:n], nil
}

// places are where the parts of so many bytes begin, and where the last ends.
func places(counts []int) []int {
	at := make([]int, len(counts)+1)
	for r, n := range counts {
		at[r+1] = at[r] + n
	}
	return at
}

// ints are the counts and places of n parts, for C.
func ints(n int, count func(r int) int) (counts, at []C.int) {
	counts, at = make([]C.int, n), make([]C.int, n)
	for r := range n {
		counts[r] = C.int(count(r))
		if r > 0 {
			at[r] = at[r-1] + counts[r-1]
		}
	}
	return counts, at
}

func sum(counts []C.int) (n int) {
	for _, c := range counts {
		n += int(c)
	}
	return n
}
