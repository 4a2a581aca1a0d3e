// Package emulate runs a program that uses AMX instructions on a processor without them: it traces the program, and where the
// processor finds an instruction that it does not know, does what the instruction would have done. A trap takes some ten
// microseconds, so this is for tests of small matrices, on Linux.
package emulate

import "errors"

// ErrNotPermitted says that this system does not let one process trace another.
var ErrNotPermitted = errors.New("emulate: tracing is not possible here")

// Report says what a program did.
type Report struct {
	ExitCode     int
	Instructions int // that were emulated
	Products     int // TDPBF16PS among them
	Open         int // threads that ended with tiles they had not given back
}
