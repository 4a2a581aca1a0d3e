package machine_test

import (
	"runtime"
	"slices"
	"testing"

	"github.com/joule-ebm/joule/internal/kernels"
	"github.com/joule-ebm/joule/internal/machine"
)

// On Linux everything is known; what is known must make sense anywhere.
func TestFacts(t *testing.T) {
	total, available := machine.Memory()
	if available > total {
		t.Errorf("%d of %d bytes are available", available, total)
	}
	if runtime.GOOS == "linux" && (total < 1<<20 || available == 0) {
		t.Errorf("%d of %d bytes are available", available, total)
	}
	if n := machine.Nodes(); n < 0 || n > runtime.NumCPU() {
		t.Errorf("%d cores in %d nodes", runtime.NumCPU(), n)
	}
	if kernels.Best().Name == "avx512" && !slices.Contains(machine.Features(), "avx512f") {
		t.Errorf("AVX-512 kernels run on a processor that has %v", machine.Features())
	}
}

func TestPeakResidentGrows(t *testing.T) {
	before := machine.PeakResident()
	if before == 0 {
		t.Skip("this system does not tell")
	}
	const size = 64 << 20
	block := make([]byte, size)
	for i := 0; i < size; i += 4096 {
		block[i] = 1
	}
	if after := machine.PeakResident(); after < before || after < size {
		t.Errorf("a peak of %d bytes, then %d with %d in use", before, after, size)
	}
	runtime.KeepAlive(block)
}
