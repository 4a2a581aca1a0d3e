//go:build xla

package pjrt

// #include "shim.h"
import "C"

import (
	"runtime"
	"unsafe"
)

// Buffer is an array of numbers on a device. Its memory is given back by Free, or when it is garbage.
type Buffer struct {
	plugin *Plugin
	h      *handle
	clean  runtime.Cleanup
}

// handle outlives its Buffer, for the cleanup.
type handle struct{ c *C.PJRT_Buffer }

func newBuffer(p *Plugin, c *C.PJRT_Buffer) *Buffer {
	b := &Buffer{plugin: p, h: &handle{c}}
	b.clean = runtime.AddCleanup(b, func(h *handle) { _ = p.failed(C.joule_destroy_buffer(p.api, h.c)) }, b.h)
	return b
}

// Free gives the memory back. The buffer must not be used afterwards.
func (b *Buffer) Free() {
	b.clean.Stop()
	_ = b.plugin.failed(C.joule_destroy_buffer(b.plugin.api, b.h.c))
	b.h.c = nil
}

// Number is what arrays hold.
type Number interface{ float32 | uint64 }

// Upload copies an array, the last axis varying fastest, to a device of the client.
func Upload[T Number](c *Client, device int, data []T, dims ...int) (*Buffer, error) {
	kind := C.int(C.PJRT_Buffer_Type_F32)
	if _, whole := any(data).([]uint64); whole {
		kind = C.PJRT_Buffer_Type_U64
	}
	sizes := make([]C.int64_t, len(dims)+1)
	for i, n := range dims {
		sizes[i] = C.int64_t(n)
	}
	var b *C.PJRT_Buffer
	err := c.Plugin.failed(C.joule_upload(c.Plugin.api, c.c, c.Devices[device].c, address(data), kind,
		&sizes[0], C.size_t(len(dims)), &b))
	if err != nil {
		return nil, err
	}
	return newBuffer(c.Plugin, b), nil
}

// Download copies the array, which must have as many numbers as dst.
func (b *Buffer) Download(dst []float32) error {
	defer runtime.KeepAlive(b)
	return b.plugin.failed(C.joule_download(b.plugin.api, b.h.c, address(dst), C.size_t(4*len(dst))))
}

// address is where numbers are. As a pointer to anything it would be checked for pointers of Go, and so would what lies beside the numbers: a
// part of a struct may be given too.
func address[T Number](numbers []T) *C.char {
	return (*C.char)(unsafe.Pointer(unsafe.SliceData(numbers)))
}
