package main

// This file understands rates on the command line.

import (
	"fmt"
	"strconv"
	"strings"
)

// rate is a flag for a fraction of images, such as 1% or 0.01. The zero value says that none was given.
type rate float64

// Type is how the help calls it.
func (r *rate) Type() string { return "rate" }

func (r *rate) String() string {
	if *r == 0 {
		return ""
	}
	return percent(float64(*r))
}

// Set reads a rate between 0 and 1.
func (r *rate) Set(text string) error {
	number, inPercent := strings.CutSuffix(strings.TrimSpace(text), "%")
	v, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if inPercent {
		v /= 100
	}
	if err != nil || !(v > 0 && v < 1) {
		return fmt.Errorf("want more than 0 and less than 1, such as 1%% or 0.01")
	}
	*r = rate(v)
	return nil
}

// percent is a fraction as people read it.
func percent(fraction float64) string { return fmt.Sprintf("%.3g%%", 100*fraction) }
