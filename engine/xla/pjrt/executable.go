//go:build xla

package pjrt

// #include <stdlib.h>
// #include "shim.h"
import "C"

import (
	"errors"
	"fmt"
	"math"
	"runtime"
	"unsafe"
)

// Executable is a compiled program, ready to run. Its memory is given back when it is garbage.
type Executable struct {
	client   *Client
	c        *C.PJRT_LoadedExecutable
	outputs  int
	replicas int
}

// Compile compiles a program in the text form of StableHLO, or in the binary forms that the plugin knows. It may be called from
// several goroutines at once.
func (c *Client) Compile(program string, o Options) (*Executable, error) {
	options := o.encode()
	text := unsafe.StringData(program)
	var x *C.PJRT_LoadedExecutable
	err := c.Plugin.failed(C.joule_compile(c.Plugin.api, c.c, (*C.char)(unsafe.Pointer(text)), C.size_t(len(program)),
		(*C.char)(unsafe.Pointer(&options[0])), C.size_t(len(options)), &x))
	if err != nil {
		return nil, err
	}
	return c.executable(x, o.Replicas)
}

// Load takes up what Serialize has made, by this plugin and on a machine like this one; o must be what it was compiled with.
func (c *Client) Load(serialized []byte, o Options) (*Executable, error) {
	if len(serialized) == 0 {
		return nil, errors.New("nothing to load")
	}
	var x *C.PJRT_LoadedExecutable
	err := c.Plugin.failed(C.joule_deserialize(c.Plugin.api, c.c, (*C.char)(unsafe.Pointer(&serialized[0])), C.size_t(len(serialized)), &x))
	if err != nil {
		return nil, err
	}
	return c.executable(x, o.Replicas)
}

func (c *Client) executable(x *C.PJRT_LoadedExecutable, replicas int) (*Executable, error) {
	e := &Executable{client: c, c: x, replicas: max(replicas, 1)}
	p := c.Plugin
	runtime.AddCleanup(e, func(x *C.PJRT_LoadedExecutable) { _ = p.failed(C.joule_destroy_executable(p.api, x)) }, x)
	var n C.size_t
	if err := p.failed(C.joule_outputs(p.api, x, &n)); err != nil {
		return nil, err
	}
	e.outputs = int(n)
	return e, nil
}

// Serialize gives the compiled program as bytes, for Load.
func (e *Executable) Serialize() ([]byte, error) {
	defer runtime.KeepAlive(e)
	var bytes *C.char
	var size C.size_t
	if err := e.client.Plugin.failed(C.joule_serialize(e.client.Plugin.api, e.c, &bytes, &size)); err != nil {
		return nil, err
	}
	defer C.free(unsafe.Pointer(bytes))
	if size > math.MaxInt32 {
		return nil, fmt.Errorf("a compiled program of %d bytes", size)
	}
	return C.GoBytes(unsafe.Pointer(bytes), C.int(size)), nil
}

// Run runs the program and waits for it. args and the results hold a list for each replica. Buffers of arguments in donated are used up
// and must not be used again: the program writes results over those that it was compiled to take.
func (e *Executable) Run(args [][]*Buffer, donated []int) ([][]*Buffer, error) {
	if len(args) != e.replicas {
		return nil, fmt.Errorf("arguments for %d devices, the program runs on %d", len(args), e.replicas)
	}
	n := len(args[0])
	in := make([]*C.PJRT_Buffer, 0, e.replicas*n+1)
	for _, list := range args {
		for _, b := range list {
			in = append(in, b.h.c)
		}
	}
	if len(in) != e.replicas*n {
		return nil, errors.New("the devices of a program have different numbers of arguments")
	}
	spent := make([]bool, n)
	for _, i := range donated {
		spent[i] = true
	}
	kept := make([]C.int64_t, 0, n+1)
	for i := range n {
		if !spent[i] {
			kept = append(kept, C.int64_t(i))
		}
	}
	out := make([]*C.PJRT_Buffer, e.replicas*e.outputs+1)
	p := e.client.Plugin
	err := p.failed(C.joule_run(p.api, e.c, C.size_t(e.replicas), unsafe.SliceData(in), C.size_t(n), unsafe.SliceData(kept), C.size_t(len(kept)),
		&out[0], C.size_t(e.outputs)))
	runtime.KeepAlive(e)
	runtime.KeepAlive(args)
	results := make([][]*Buffer, e.replicas)
	for d := range results {
		for i := range e.outputs {
			if c := out[d*e.outputs+i]; c != nil {
				results[d] = append(results[d], newBuffer(p, c))
			}
		}
	}
	if err != nil {
		return nil, err
	}
	return results, nil
}
