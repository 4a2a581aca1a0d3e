package engine

import (
	"fmt"
	"slices"
)

// Precision is how exactly an engine computes the products of convolutions, where most of the work is. Everything else is float32.
type Precision string

const (
	Float32 Precision = "float32" // float32 factors; what the zero value means
	Split   Precision = "split"   // each factor a sum of two bf16 numbers: exact to about 16 bits
	TF32    Precision = "tf32"    // each factor rounded to 11 bits, as GPUs do it
	BF16    Precision = "bf16"    // each factor rounded to bf16, 8 bits
	Auto    Precision = "auto"    // split where the machine has a matrix unit, else float32
)

// Check is an error if the precision is none of those.
func (p Precision) Check() error {
	if slices.Contains([]Precision{"", Auto, Float32, Split, TF32, BF16}, p) {
		return nil
	}
	return fmt.Errorf("precision %.40q is not known: want auto, float32, split, tf32 or bf16", string(p))
}

// Bits is the number of significant bits of a factor, as float32 numbers have 24; 0 for Auto.
func (p Precision) Bits() int {
	switch p {
	case "", Float32:
		return 24
	case Split:
		return 16
	case TF32:
		return 11
	case BF16:
		return 8
	}
	return 0
}
