//go:build xla && cgo && !windows

package device

import (
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
	e.Precision, e.Cache = o.Precision, xla.UserCache()
	return e, nil
}
