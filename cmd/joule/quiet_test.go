package main

import (
	"os"
	"testing"
	"time"
)

// On a busy machine tests take long enough for commands to tell how far they are, which is none of what the tests expect.
func TestMain(m *testing.M) {
	lineEvery = time.Hour
	os.Exit(m.Run())
}
