//go:build !linux

package cpu

func advise([]float32) {}

func release([]float32) {}
