//go:build !xla || !cgo || windows

package device

import (
	"errors"

	"github.com/joule-ebm/joule/engine"
)

func openXLA(string, Options) (engine.Engine, error) {
	return nil, errors.New("this program was built without XLA: CGO_ENABLED=1 go build -tags xla ./cmd/joule builds one with it, on Linux or " +
		"macOS and with a C compiler; docs/accelerators.md tells more")
}
