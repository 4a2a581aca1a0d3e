package dataset

// What a reader of a set should be told of how it was read.

import "fmt"

// Warnings say, a line each, what in the set is not as it was in its source: images left out, images scaled or cropped.
func (s *Set) Warnings() (lines []string) {
	if n := len(s.Skipped); n > 0 {
		lines = append(lines, fmt.Sprintf("%s: %d of %d images are left out: %s: %v", s.Name, n, n+s.Len(), s.Skipped[0].Name, s.Skipped[0].Err))
	}
	if s.Resized {
		lines = append(lines, fmt.Sprintf("%s: images were scaled or cropped to %dx%d", s.Name, s.Height, s.Width))
	}
	return lines
}
