package matrix_test

import (
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"testing"
	"unsafe"

	"golang.org/x/sys/cpu"
	"golang.org/x/sys/unix"

	"github.com/joule-ebm/joule/internal/kernels/matrix"
	"github.com/joule-ebm/joule/internal/kernels/matrix/emulate"
)

// Set in the environment of a test program that runs under emulation.
const emulated = "JOULE_EMULATED"

// TestVectorSplit holds the vector instructions to the definition, on all special numbers and odd lengths.
func TestVectorSplit(t *testing.T) {
	if !cpu.X86.HasAVX512F || !cpu.X86.HasAVX512DQ {
		t.Skip("this processor has no AVX-512")
	}
	r := rand.New(rand.NewPCG(5, 5))
	x := append(special(), random(r, 500)...)
	for range 20000 {
		x = append(x, math.Float32frombits(r.Uint32()))
	}
	for _, n := range []int{0, 1, 15, 16, 17, 40, len(x)} {
		want, got := [2][]uint16{make([]uint16, n), make([]uint16, n)}, [2][]uint16{make([]uint16, n+1), make([]uint16, n+1)}
		matrix.Portable().Split(want[0], want[1], x[:n])
		matrix.Assembly().Split(got[0], got[1], x[:n])
		alone := make([]uint16, n+1)
		matrix.Assembly().Split(alone, nil, x[:n])
		for i := range n {
			if !same(got[0][i], want[0][i]) || !same(got[1][i], want[1][i]) || !same(alone[i], want[0][i]) {
				t.Fatalf("%g (%#x): %#x and %#x, alone %#x; want %#x and %#x", x[i], math.Float32bits(x[i]),
					got[0][i], got[1][i], alone[i], want[0][i], want[1][i])
			}
		}
		if got[0][n] != 0 || got[1][n] != 0 || alone[n] != 0 {
			t.Fatalf("wrote behind %d numbers", n)
		}
	}
}

// TestVectors holds the vectors to the portable unit, bit for bit, at the edges of memory.
func TestVectors(t *testing.T) {
	u, portable := matrix.Vectors(), matrix.Portable()
	if u == nil {
		t.Skip("this processor has no AVX-512")
	}
	for _, s := range shapes {
		for _, parts := range []matrix.Parts{matrix.Plain, matrix.Split} {
			_, _, _, want := s.runConv(t, portable, parts, false, dirty)
			if _, _, _, got := s.runConv(t, u, parts, false, guarded(t)); !slices.Equal(got, want) {
				t.Errorf("%v, %d parts: other results", s, parts)
			}
			_, _, _, want = s.runGrad(t, portable, parts, dirty)
			if _, _, _, got := s.runGrad(t, u, parts, guarded(t)); !slices.Equal(got, want) {
				t.Errorf("kernel gradient, %v, %d parts: other results", s, parts)
			}
		}
	}
}

// TestNumbersOfAnySize: numbers of all exponents, so that products and sums fall below the normal numbers and rise above all.
func TestNumbersOfAnySize(t *testing.T) {
	if matrix.Vectors() == nil {
		t.Skip("this processor has no AVX-512")
	}
	numbersOfAnySize(t, matrix.Vectors())
	if u := matrix.Native(); u != nil {
		numbersOfAnySize(t, u)
	}
}

func numbersOfAnySize(t *testing.T, u *matrix.Unit) {
	t.Helper()
	s := shape{2, 16, 16, 16, 1, 1, 1}
	r := rand.New(rand.NewPCG(6, 6))
	small, infinite := 0, 0
	for range 200 {
		c := matrix.NewConv(s.weights(matrix.Split), s.height, s.width, 1)
		x, w := random(r, s.height*s.width*s.inputs), random(r, s.inputs*s.outputs)
		exponent := r.IntN(400) - 200 // of the products
		for i := range x {
			x[i] = float32(math.Ldexp(float64(x[i]), exponent/2+r.IntN(20)-10))
		}
		for i := range w {
			w[i] = float32(math.Ldexp(float64(w[i]), exponent-exponent/2))
		}
		packed, scratch := make([]float32, c.PackedFloats()), make([]float32, c.ScratchFloats())
		c.Pack(u, packed, w, false)
		want, got := make([]float32, s.height*s.width*s.outputs), make([]float32, s.height*s.width*s.outputs)
		c.Run(matrix.Portable(), want, split(c, matrix.Portable(), x, 1, dirty), 1, packed, nil, scratch)
		c.Run(u, got, split(c, u, x, 1, dirty), 1, packed, nil, scratch)
		for i, v := range want {
			if bothNone := v != v && got[i] != got[i]; !bothNone && math.Float32bits(v) != math.Float32bits(got[i]) {
				t.Fatalf("%s, exponent %d: %g, want %g", u.Name, exponent, got[i], v)
			}
			if v == 0 {
				small++
			} else if v-v != 0 {
				infinite++
			}
		}
	}
	if small == 0 || infinite == 0 {
		t.Errorf("%s: %d results were too small for normal numbers, %d too large: want some of both", u.Name, small, infinite)
	}
}

// TestAssembly holds the assembly to the portable unit, bit for bit, at the edges of memory. Where the processor has no matrix unit, the test runs
// itself once more under emulation.
func TestAssembly(t *testing.T) {
	if !cpu.X86.HasAVX512F || !cpu.X86.HasAVX512DQ {
		t.Skip("this processor has no AVX-512, which the assembly also uses")
	}
	slow := os.Getenv(emulated) != ""
	if matrix.Native() == nil && !slow {
		emulateTest(t)
		return
	}
	check := func(what string, got, want []float32) {
		for i := range want {
			if got[i] != want[i] {
				t.Fatalf("%s: element %d is %g, want %g", what, i, got[i], want[i])
			}
		}
	}
	u, portable := matrix.Assembly(), matrix.Portable()
	for i, s := range shapes {
		for _, parts := range []matrix.Parts{matrix.Plain, matrix.Split} {
			if slow && parts == matrix.Plain && i%3 > 0 {
				continue // some will do, as every instruction takes its time
			}
			_, _, _, want := s.runConv(t, portable, parts, false, dirty)
			_, _, _, got := s.runConv(t, u, parts, false, guarded(t))
			check(fmt.Sprintf("%v, %d parts", s, parts), got, want)

			_, _, _, want = s.runGrad(t, portable, parts, dirty)
			_, _, _, got = s.runGrad(t, u, parts, guarded(t))
			check(fmt.Sprintf("kernel gradient, %v, %d parts", s, parts), got, want)
		}
	}
	// Several threads, each with tiles of its own.
	var wait sync.WaitGroup
	s := shapes[0]
	_, _, _, want := s.runConv(t, portable, matrix.Split, false, dirty)
	for range 4 {
		wait.Go(func() {
			if _, _, _, got := s.runConv(t, u, matrix.Split, false, dirty); !slices.Equal(got, want) {
				t.Error("another result in another thread")
			}
		})
	}
	wait.Wait()
}

// guarded gives memory that ends where a page ends, with a forbidden page behind it.
func guarded(t *testing.T) memory {
	return func(n int) []float32 {
		t.Helper()
		page := unix.Getpagesize()
		size := (4*n + page - 1) / page * page
		memory, err := unix.Mmap(-1, 0, size+page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { unix.Munmap(memory) })
		if err := unix.Mprotect(memory[size:], unix.PROT_NONE); err != nil {
			t.Fatal(err)
		}
		return unsafe.Slice((*float32)(unsafe.Pointer(unsafe.SliceData(memory[size-4*n:]))), n)
	}
}

// emulateTest runs the test that calls it in a process of its own, under emulation.
func emulateTest(t *testing.T) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	text := make(chan string)
	go func() {
		b, _ := io.ReadAll(r)
		text <- string(b)
	}()
	report, err := emulate.Run([]string{os.Args[0], "-test.run=^" + t.Name() + "$", "-test.count=1"}, append(os.Environ(), emulated+"=1"), w)
	w.Close()
	output := <-text
	r.Close()
	switch {
	case errors.Is(err, emulate.ErrNotPermitted):
		t.Skipf("this processor has no matrix unit, and its emulation is not possible: %v", err)
	case err != nil || report.ExitCode != 0:
		t.Fatalf("%v, exit code %d:\n%s", err, report.ExitCode, output)
	case report.Products == 0 || report.Open > 0:
		t.Fatalf("%+v:\n%s", report, output)
	}
	t.Logf("under emulation: %d instructions, %d of them products", report.Instructions, report.Products)
}
