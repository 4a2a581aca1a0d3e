// Package xla runs expr programs on GPUs, TPUs and whatever else there is a PJRT plugin for: it prints them as StableHLO, has the
// plugin's XLA compile them, and calls the result. It is built with the tag xla, and with cgo:
//
//	go build -tags xla ./cmd/joule
//
// The way of a program: Compile keeps the expression; the first Run of a batch size and a kind of chain prints it (program.go, lower.go
// and the files of operations beside it, noise.go), has it compiled (compile.go) and runs it (run.go). A chain is one loop on the device
// with its number of steps as a constant, so that no step waits for the host. The noise is engine/rng's, bit for bit, so that a chain
// gives engine/cpu's numbers to the rounding of float32.
//
// A sample value of shape H×W×C is a tensor N×H×W×C, a shared one H×W×C.
package xla
