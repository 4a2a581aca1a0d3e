package settings

// This file guesses which key was meant: the one at the least Levenshtein distance, the number of characters to insert, delete or
// replace. A key may also be meant by its last part alone: steps for sampler.steps.

import (
	"fmt"
	"strings"
)

// suggestion is the end of an error message; empty if no key is near, that is, if over half of the characters differ.
func suggestion(fields []field, name string) string {
	best, least := "", len(name)/2+1
	for _, f := range fields {
		last := f.name[strings.LastIndex(f.name, ".")+1:]
		if d := min(distance(name, f.name), distance(name, last)); d < least {
			best, least = f.name, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(", did you mean %q?", best)
}

// distance is the Levenshtein distance of a and b, byte by byte.
func distance(a, b string) int {
	row := make([]int, len(b)+1) // distances of a[:i] from every b[:j]
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
