//go:build !linux

package cpu

func adviseHugePages([]float32) {}

func returnToSystem([]float32) {}
