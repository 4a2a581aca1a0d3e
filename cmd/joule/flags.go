package main

// This file checks flags.

// bounds are those of a whole number that a flag gives.
type bounds struct {
	flag               string
	value, least, most int
}

// checkBounds is an error unless each flag is within its bounds.
func checkBounds(flags ...bounds) error {
	for _, f := range flags {
		if f.value < f.least || f.value > f.most {
			return usageErrorf("--%s is %d: want %d to %d", f.flag, f.value, f.least, f.most)
		}
	}
	return nil
}

const million = 1_000_000
