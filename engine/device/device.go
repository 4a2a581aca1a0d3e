// Package device makes the engine that a device's name means. In a program built without the tag xla there is one device, the CPU.
package device

import (
	"fmt"
	"log/slog"
	"strings"

	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/engine/cpu"
	"github.com/joule-ebm/joule/engine/ranks"
	"github.com/joule-ebm/joule/internal/kernels"
)

// Usage says in a line what names there are.
const Usage = "cpu, xla, xla:NAME (xla:cuda, say) or xla:FILE, of a PJRT plugin"

// Options are what engines may be asked for. The zero value works.
type Options struct {
	Threads   int              // of the CPU engine; 0 means one per available core
	Lanes     int              // of the CPU engine, as cpu.Engine has them
	Group     engine.Group     // the processes that share each batch; nil: this one alone
	Kernels   *kernels.Set     // of the CPU engine; nil: the best
	Precision engine.Precision // of convolutions
	Devices   int              // of a plugin's, that share each batch; 0 means 1
	Log       *slog.Logger     // of what is found and compiled; nil: nowhere
}

// Open makes the engine of a device: "cpu" or "" for engine/cpu; "xla" for engine/xla with the first PJRT plugin that is found,
// "xla:NAME" with the plugin of that name (xla:cuda), "xla:FILE" with the plugin in that file. A program built without XLA says how to
// build one with it.
func Open(device string, o Options) (engine.Engine, error) {
	if err := Check(device); err != nil {
		return nil, err
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if plugin, ok := plugin(device); ok {
		e, err := openXLA(plugin, o)
		if err != nil || o.Group == nil || o.Group.Size() == 1 {
			return e, err
		}
		return &ranks.Engine{Images: e, Shared: &cpu.Engine{Threads: o.Threads, Kernels: o.Kernels}, Group: o.Group}, nil
	}
	if o.Devices > 1 {
		return nil, fmt.Errorf("%d devices asked for, of which the device cpu is one: it has threads", o.Devices)
	}
	return &cpu.Engine{Threads: o.Threads, Lanes: o.Lanes, Group: o.Group, Kernels: o.Kernels, Precision: o.Precision}, nil
}

// Check is an error if the name is no device's.
func Check(device string) error {
	if _, ok := plugin(device); !ok && device != "" && device != "cpu" {
		return fmt.Errorf("device %.60q is not known: want %s", device, Usage)
	}
	return nil
}

// Resolve replaces engine.Auto by the precision that suits a device.
func Resolve(device string, p engine.Precision) engine.Precision {
	if _, ok := plugin(device); ok && (p == engine.Auto || p == "") {
		return engine.Float32
	}
	return cpu.Resolve(p)
}

// plugin is what names the plugin in the name of an XLA device.
func plugin(device string) (name string, ok bool) {
	kind, name, _ := strings.Cut(device, ":")
	return name, kind == "xla"
}
