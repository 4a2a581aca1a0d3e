package main

import "testing"

// A line of progress says as much as the terminal has room for.
func TestFitting(t *testing.T) {
	for room, want := range map[int]string{1: "12 iterations", 24: "12 iterations, 3m left", 31: "12 iterations, 3m left, 2/s", 200: "12 iterations, 3m left, 2/s, energy 1"} {
		if got := fitting(room, "12 iterations", "3m left", "2/s", "energy 1"); got != want {
			t.Errorf("in %d columns: %q, want %q", room, got, want)
		}
	}
	for columns, want := range map[int]int{-20: 4, 10: 10, 100: 24} {
		if got := barWidth(columns); got != want {
			t.Errorf("a bar of %d in %d columns, want %d", got, columns, want)
		}
	}
}
