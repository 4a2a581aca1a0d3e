//go:build !linux

package matrix

// tilesPermitted: how other systems are asked for the use of tiles has not been tried.
func tilesPermitted() bool { return false }
