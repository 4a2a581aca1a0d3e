//go:build !unix

package machine

import "time"

// ProcessorTime is the time that has passed: the system does not tell how much of it the cores have spent on this process.
func ProcessorTime() time.Duration { return time.Since(started) }
