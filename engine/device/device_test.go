package device_test

import (
	"strings"
	"testing"

	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/engine/cpu"
	"github.com/joule-ebm/joule/engine/device"
)

func TestOpen(t *testing.T) {
	for _, name := range []string{"", "cpu"} {
		e, err := device.Open(name, device.Options{Threads: 3, Precision: engine.Split})
		if err != nil {
			t.Fatal(err)
		}
		if c, ok := e.(*cpu.Engine); !ok || c.Threads != 3 || c.Precision != engine.Split {
			t.Errorf("%q is %+v", name, e)
		}
	}
	if _, err := device.Open("cpu", device.Options{Devices: 2}); err == nil {
		t.Error("two devices of one CPU")
	}
	if p := device.Resolve("xla:cuda", engine.Auto); p != engine.Float32 {
		t.Errorf("auto on XLA is %v", p)
	}
	if p := device.Resolve("xla", engine.BF16); p != engine.BF16 {
		t.Errorf("bf16 on XLA is %v", p)
	}
	for _, c := range []struct{ name, word string }{{"gpu", "gpu"}, {"cpu:0", "want cpu"}, {"xla:/no/such/plugin.so", "xla"}} {
		_, err := device.Open(c.name, device.Options{})
		if err == nil || !strings.Contains(err.Error(), c.word) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: got %v, want a line with %q", c.name, err, c.word)
		}
	}
}
