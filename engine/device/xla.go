//go:build xla && cgo && !windows

package device

import (
	"time"

	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/engine/xla"
)

func openXLA(plugin string, o Options) (engine.Engine, error) {
	found, err := xla.Find(plugin)
	if err != nil {
		return nil, err
	}
	e, err := xla.New(found.Path)
	if err != nil {
		return nil, err
	}
	e.Precision, e.Devices, e.Cache = o.Precision, o.Devices, xla.UserCache()
	e.Compiled = func(c xla.Compilation) {
		if !c.Cached {
			o.Log.Info("compiled a program", "seconds", c.Took.Round(time.Second/10).Seconds())
		}
	}
	o.Log.Info("computing on "+e.String(), "named_by", found.From)
	return e, nil
}
