//go:build xla

package pjrt

// #cgo linux LDFLAGS: -ldl
// #include <stdlib.h>
// #include "shim.h"
import "C"

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"unsafe"
)

// Plugin is a loaded plugin. It stays loaded until the process ends: plugins cannot be unloaded.
type Plugin struct {
	Path         string // of the shared library
	Major, Minor int    // the version of the C API that it was built with
	api          *C.PJRT_Api
}

// The versions of the C API that this package can call: of major version 0 all from oldestMinor on, which has every function and every
// field that is used here.
const (
	knownMajor  = C.PJRT_API_MAJOR
	oldestMinor = 54
)

// logLevel is the variable that tells plugins what to write to the standard error stream: all, if it is not set.
const logLevel = "TF_CPP_MIN_LOG_LEVEL"

// loaded are the plugins of this process, by absolute path: one must be initialised once.
var loaded = struct {
	sync.Mutex
	plugins map[string]*Plugin
}{plugins: map[string]*Plugin{}}

// Open loads the plugin in a shared library. Errors are of one line and name the file.
func Open(path string) (*Plugin, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("the PJRT plugin %s: %w", path, err)
	}
	loaded.Lock()
	defer loaded.Unlock()
	if p := loaded.plugins[path]; p != nil {
		return p, nil
	}
	if os.Getenv(logLevel) == "" {
		os.Setenv(logLevel, "2") // errors
	}
	name := C.CString(path)
	defer C.free(unsafe.Pointer(name))
	var why *C.char
	api := C.joule_open(name, &why)
	if api == nil {
		defer C.free(unsafe.Pointer(why))
		return nil, fmt.Errorf("the PJRT plugin %s cannot be loaded: %s", path, strings.TrimPrefix(firstLine(C.GoString(why)), path+": "))
	}
	version := api.pjrt_api_version
	p := &Plugin{Path: path, Major: int(version.major_version), Minor: int(version.minor_version), api: api}
	if err := checkVersion(p.Major, p.Minor); err != nil {
		return nil, fmt.Errorf("the PJRT plugin %s %w", path, err)
	}
	if err := p.failed(C.joule_initialize(api)); err != nil {
		return nil, fmt.Errorf("the PJRT plugin %s does not start: %w", path, err)
	}
	loaded.plugins[path] = p
	return p, nil
}

// checkVersion says whether a plugin of that version of the C API can be called.
func checkVersion(major, minor int) error {
	if major != knownMajor || minor < oldestMinor {
		return fmt.Errorf("speaks version %d.%d of PJRT's C API, and this program %d.%d and later %d.x: install a plugin of another release",
			major, minor, knownMajor, oldestMinor, knownMajor)
	}
	return nil
}

// Error is what a plugin says when a call fails.
type Error struct {
	Code    Code
	Message string // may have several lines
}

// Code is the kind of an error, as https://abseil.io/docs/cpp/guides/status-codes has them.
type Code int

// The codes that callers tell apart.
const (
	InvalidArgument   Code = 3
	ResourceExhausted Code = 8
	Unimplemented     Code = 12
)

// Error is the first line of the message.
func (e *Error) Error() string { return firstLine(e.Message) }

func firstLine(s string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(s), "\n")
	return line
}

// failed makes a Go error of a C one, which it destroys; nil of NULL.
func (p *Plugin) failed(e *C.PJRT_Error) error {
	if e == nil {
		return nil
	}
	var message *C.char
	var size C.size_t
	code := C.joule_error(p.api, e, &message, &size)
	defer C.free(unsafe.Pointer(message))
	return &Error{Code(code), C.GoStringN(message, C.int(size))}
}
