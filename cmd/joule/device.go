package main

import (
	"github.com/spf13/pflag"

	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/engine/device"
)

// hardware is what a command computes on.
type hardware struct {
	device  string
	devices int
	group   engine.Group // of the processes that share the work; nil: this one alone
}

func (h *hardware) addFlags(f *pflag.FlagSet) {
	f.StringVar(&h.device, "device", "cpu", "`where` to compute: "+device.Usage)
	f.IntVar(&h.devices, "devices", 1, "devices of an accelerator that share the work")
}

// check says what is wrong with the flags.
func (h hardware) check() error {
	if err := device.Check(h.device); err != nil {
		return usageErrorf("--%w", err)
	}
	return checkBounds(bounds{"devices", h.devices, 1, mostThreads})
}

// openEngine makes the engine of the flags.
func (h hardware) openEngine(threads int, p engine.Precision) (engine.Engine, error) {
	if err := h.check(); err != nil {
		return nil, err
	}
	threads, err := h.shareOfCores(threads)
	if err != nil {
		return nil, err
	}
	return device.Open(h.device, device.Options{Threads: threads, Group: h.group, Devices: h.devices, Precision: p})
}
