//go:build !amd64

package matrix

func native() *Unit { return nil }

func vectors() *Unit { return nil }
