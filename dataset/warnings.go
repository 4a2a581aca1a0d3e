package dataset

// What a reader of a set should be told of how it was read.

import "fmt"

// Warnings say, a line each, what is doubtful about the source, and what in the set is not as it was there: images left out, images
// scaled or cropped, colours that became gray.
func (s *Set) Warnings() (lines []string) {
	for _, w := range s.Contents.Warnings {
		lines = append(lines, s.Name+": "+w)
	}
	if n := len(s.Skipped); n > 0 {
		lines = append(lines, fmt.Sprintf("%s: %d of %d images are left out: %s: %v", s.Name, n, n+s.Len(), s.Skipped[0].Name, s.Skipped[0].Err))
	}
	if line, _ := s.Changed(); line != "" {
		lines = append(lines, s.Name+": "+line)
	}
	return lines
}
