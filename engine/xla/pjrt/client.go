//go:build xla

package pjrt

// #include <stdlib.h>
// #include "shim.h"
import "C"

import (
	"fmt"
	"maps"
	"slices"
	"unsafe"
)

// Client is a plugin at work on its devices.
type Client struct {
	Plugin   *Plugin
	Platform string // cpu, cuda, rocm, tpu, ...
	Version  string // of the platform, as the plugin words it
	Devices  []Device

	c *C.PJRT_Client
}

// Device is a device of a client.
type Device struct {
	Kind string // "NVIDIA H100 80GB HBM3", say

	plugin *Plugin
	c      *C.PJRT_Device
}

// Memory tells how many bytes of the device's memory are in use and how many there are; -1 for what the plugin does not say.
func (d Device) Memory() (used, limit int64) {
	var u, l C.int64_t
	if d.plugin.failed(C.joule_device_memory(d.plugin.api, d.c, &u, &l)) != nil {
		return -1, -1
	}
	return int64(u), int64(l)
}

// NewClient starts the plugin on its devices. Options are the plugin's own: cpu_device_count, say. A client stays until the process ends.
func (p *Plugin) NewClient(options map[string]int64) (*Client, error) {
	names, values := make([]*C.char, len(options)+1), make([]C.int64_t, len(options)+1)
	for i, name := range slices.Sorted(maps.Keys(options)) {
		names[i], values[i] = C.CString(name), C.int64_t(options[name])
		defer C.free(unsafe.Pointer(names[i]))
	}
	c := &Client{Plugin: p}
	if err := p.failed(C.joule_client(p.api, &names[0], &values[0], C.size_t(len(options)), &c.c)); err != nil {
		return nil, err
	}
	var name, version *C.char
	var nameSize, versionSize C.size_t
	if err := p.failed(C.joule_platform(p.api, c.c, &name, &nameSize, &version, &versionSize)); err != nil {
		return nil, err
	}
	c.Platform, c.Version = C.GoStringN(name, C.int(nameSize)), C.GoStringN(version, C.int(versionSize))
	var devices **C.PJRT_Device
	var count C.size_t
	if err := p.failed(C.joule_devices(p.api, c.c, &devices, &count)); err != nil {
		return nil, err
	}
	for _, d := range unsafe.Slice(devices, int(count)) {
		var kind *C.char
		var size C.size_t
		if err := p.failed(C.joule_device_kind(p.api, d, &kind, &size)); err != nil {
			return nil, err
		}
		c.Devices = append(c.Devices, Device{C.GoStringN(kind, C.int(size)), p, d})
	}
	if len(c.Devices) == 0 {
		return nil, fmt.Errorf("platform %s has no devices", c.Platform)
	}
	return c, nil
}
