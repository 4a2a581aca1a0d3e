// Package golden carries one of the recorded cases that README.md describes, for a program to check itself with.
package golden

import (
	_ "embed"
	"strings"
)

// Name is that of the case: three scales, attention, labels.
const Name = "cifar10_cond"

//go:embed cifar10_cond.safetensors
var file string

// Reader reads the case, a safetensors file.
func Reader() *strings.Reader { return strings.NewReader(file) }
