//go:build !(linux && amd64)

package emulate

import "os"

// Run is not possible here.
func Run(arguments, environment []string, output *os.File) (Report, error) {
	return Report{}, ErrNotPermitted
}
