// Package doctor says what a machine offers to Joule, and whether Joule computes rightly on it.
package doctor

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"time"

	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/engine/cpu"
	"github.com/joule-ebm/joule/internal/conform"
	"github.com/joule-ebm/joule/internal/kernels"
	"github.com/joule-ebm/joule/internal/kernels/matrix"
	"github.com/joule-ebm/joule/internal/machine"
	"github.com/joule-ebm/joule/internal/safetensors"
	"github.com/joule-ebm/joule/testdata/golden"
)

// Report is what was found; sizes are in bytes, rates in GFLOP/s. What the system does not tell is absent.
type Report struct {
	Version         string           `json:"version"`
	Processor       string           `json:"processor,omitempty"`
	Features        []string         `json:"features"`
	Kernels         string           `json:"kernels"`
	KernelsAll      []string         `json:"kernels_all"` // that run here
	Cores           int              `json:"cores"`       // of the machine
	Threads         int              `json:"threads"`     // that may run at a time
	Memory          uint64           `json:"memory,omitempty"`
	MemoryAvailable uint64           `json:"memory_available,omitempty"`
	Nodes           int              `json:"memory_nodes,omitempty"` // of the cores that may be used (NUMA)
	PeakOneCore     float64          `json:"peak_gflops_one_thread"`
	Peak            float64          `json:"peak_gflops"`
	Unit            string           `json:"unit,omitempty"` // the matrix unit
	UnitPeakOneCore float64          `json:"unit_peak_gflops_one_thread,omitempty"`
	UnitPeak        float64          `json:"unit_peak_gflops,omitempty"`
	Precision       engine.Precision `json:"precision"` // of chains, unless asked for another
	Case            string           `json:"case"`
	Results         []conform.Result `json:"results"`
	UnitResults     []conform.Result `json:"unit_results,omitempty"` // with factors split for the unit
	Device          string           `json:"device,omitempty"`       // that was asked for, if it is not the CPU
	Inventory       []string         `json:"inventory,omitempty"`    // its plugin, and all devices of it
	DeviceResults   []conform.Result `json:"device_results,omitempty"`
	CheckSeconds    float64          `json:"check_seconds"`
	OK              bool             `json:"ok"`
}

// Examine takes a few seconds: it measures peak rates and compares a recorded case of the authors' networks with what is computed here,
// and on an accelerator, if e is its engine: that takes as long as it compiles.
func Examine(ctx context.Context, version string, e engine.Engine) (Report, error) {
	r := Report{Version: version, Processor: machine.Processor(), Features: machine.Features(), Kernels: kernels.Best().Name,
		Cores: runtime.NumCPU(), Threads: runtime.GOMAXPROCS(0), Case: golden.Name}
	for _, set := range kernels.All() {
		r.KernelsAll = append(r.KernelsAll, set.Name)
	}
	r.Memory, r.MemoryAvailable = machine.Memory()
	r.Nodes = machine.Nodes()
	for range 4 { // other work on the machine is no part of what it can do
		r.PeakOneCore = max(r.PeakOneCore, kernels.PeakFMA(1, time.Second/4))
		r.Peak = max(r.Peak, kernels.PeakFMA(r.Threads, time.Second/4))
	}

	unit := matrix.Native()
	if unit != nil {
		r.Unit = unit.Name
		for range 4 {
			r.UnitPeakOneCore = max(r.UnitPeakOneCore, unit.Peak(1, time.Second/4))
			r.UnitPeak = max(r.UnitPeak, unit.Peak(r.Threads, time.Second/4))
		}
	}
	r.Precision = cpu.Resolve(engine.Auto)

	begun := time.Now()
	recorded := golden.Reader()
	file, err := safetensors.Read(recorded, recorded.Size())
	if err != nil {
		return r, fmt.Errorf("the case built into this program: %w", err)
	}
	c, err := conform.New(file)
	if err != nil {
		return r, fmt.Errorf("the case built into this program: %w", err)
	}
	if r.Results, err = c.Check(ctx, &cpu.Engine{}, engine.Float32); err != nil {
		return r, err
	}
	if unit != nil {
		if r.UnitResults, err = c.Check(ctx, &cpu.Engine{Precision: engine.Split}, engine.Split); err != nil {
			return r, err
		}
	}
	if _, isCPU := e.(*cpu.Engine); !isCPU {
		r.Device = engine.Describe(e)
		if i, ok := e.(interface{ Inventory() []string }); ok {
			r.Inventory = i.Inventory()
		}
		if r.DeviceResults, err = c.Check(ctx, e, engine.Float32); err != nil {
			return r, err
		}
	}
	r.CheckSeconds, r.OK = time.Since(begun).Seconds(), conform.Failures(r.All()) == 0
	return r, nil
}

// All are the results of float32, of the matrix unit and of the accelerator.
func (r Report) All() []conform.Result {
	return slices.Concat(r.Results, r.UnitResults, r.DeviceResults)
}
