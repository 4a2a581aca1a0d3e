// Package device makes the engine that a device's name means. In a program built without the tag xla there is one device, the CPU.
package device

import (
	"fmt"
	"strings"

	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/engine/cpu"
)

// CPU is the device that is always there.
const CPU = "cpu"

// Options are those of all engines.
type Options struct {
	Threads   int // of the CPU engine; 0 means one per available core
	Precision engine.Precision
}

// Open makes the engine of a device: "cpu" or "" for engine/cpu; "xla" for engine/xla with the first PJRT plugin that is found,
// "xla:NAME" with the plugin of that name (xla:cuda), "xla:PATH" with the plugin in that file. A program built without XLA says how to
// build one with it.
func Open(device string, o Options) (engine.Engine, error) {
	if err := Check(device); err != nil {
		return nil, err
	}
	kind, plugin, _ := strings.Cut(device, ":")
	if kind == "xla" {
		return openXLA(plugin, o)
	}
	return &cpu.Engine{Threads: o.Threads, Precision: o.Precision}, nil
}

// Check is an error if the name is no device's.
func Check(device string) error {
	if kind, _, _ := strings.Cut(device, ":"); device != "" && device != CPU && kind != "xla" {
		return fmt.Errorf("device %.60q is not known: want cpu, xla, xla:NAME (xla:cuda) or xla:PATH, the file of a PJRT plugin", device)
	}
	return nil
}
