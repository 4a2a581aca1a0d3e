//go:build xla

package xla

import (
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/joule-ebm/joule/engine/xla/pjrt"
)

// oneLine is an error's text, which must be of one line and say all these words.
func oneLine(t *testing.T, what string, err error, words ...string) {
	t.Helper()
	if err == nil || strings.Contains(err.Error(), "\n") {
		t.Errorf("%s: got %v, want a line", what, err)
		return
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%s: got %v, want a line with %q", what, err, w)
		}
	}
}

// without is a plugin that finds no device, or not the memory to start on it, as plugins for GPUs say.
const without = `
#include <stdlib.h>
#include <string.h>
#include "pjrt_c_api.h"
struct PJRT_Error { int unused; };
static PJRT_Error error;
static void destroy(PJRT_Error_Destroy_Args* a) {}
static void message(PJRT_Error_Message_Args* a) { a->message = MESSAGE; a->message_size = strlen(MESSAGE); }
static PJRT_Error* code(PJRT_Error_GetCode_Args* a) { a->code = CODE; return 0; }
static PJRT_Error* initialize(PJRT_Plugin_Initialize_Args* a) { return 0; }
static PJRT_Error* client(PJRT_Client_Create_Args* a) { return &error; }
static PJRT_Api api = {.struct_size = PJRT_Api_STRUCT_SIZE,
	.pjrt_api_version = {.struct_size = PJRT_Api_Version_STRUCT_SIZE, .major_version = 0, .minor_version = 70},
	.PJRT_Error_Destroy = destroy, .PJRT_Error_Message = message, .PJRT_Error_GetCode = code, .PJRT_Plugin_Initialize = initialize,
	.PJRT_Client_Create = client};
const PJRT_Api* GetPjrtApi() { return &api; }
`

// TestNoDevice: a plugin without a driver, or whose device's memory others have taken, is told of in a line that names it and says what to
// look at.
func TestNoDevice(t *testing.T) {
	for _, c := range []struct {
		message string
		code    int
		words   []string
	}{
		{`failed call to cuInit: CUDA_ERROR_NO_DEVICE: no CUDA-capable device is detected\nat somewhere.cc:12`, 13,
			[]string{"CUDA_ERROR_NO_DEVICE", "driver", "without.so"}},
		{`CUDA_ERROR_OUT_OF_MEMORY: out of memory`, 8, []string{"OUT_OF_MEMORY", "another program", "without.so"}},
	} {
		path := filepath.Join(t.TempDir(), "without.so")
		cc := exec.Command("cc", "-shared", "-fPIC", "-I", "pjrt", fmt.Sprintf(`-DMESSAGE="%s"`, c.message), fmt.Sprintf("-DCODE=%d", c.code), "-x", "c", "-o", path, "-")
		cc.Stdin = strings.NewReader(without)
		if out, err := cc.CombinedOutput(); err != nil {
			t.Skipf("no C compiler to make a plugin with: %v %s", err, out)
		}
		_, err := New(path)
		oneLine(t, c.message, err, c.words...)
	}
}

// TestExplained: what a device has too little memory for, and what does not compile, is one line that says what to do.
func TestExplained(t *testing.T) {
	full := &pjrt.Error{Code: pjrt.ResourceExhausted, Message: "Out of memory allocating 12345 bytes.\nBufferAssignment: ..."}
	oneLine(t, "a full device", explained("a run", full), "12345", "smaller batch", "memory")
	_, err := plugin(t, 1).compile("module { this is no program }", 1)
	var refused *pjrt.Error
	if !errors.As(err, &refused) {
		t.Fatalf("got %v, want an error of the plugin", err)
	}
	oneLine(t, "no program", explained("a program of 1 lines does not compile for cpu", err), "does not compile")
}

// TestInventory: each device is a line.
func TestInventory(t *testing.T) {
	list := plugin(t, 3).Inventory()
	if len(list) != 4 || !strings.Contains(list[3], "2: ") || !strings.Contains(list[0], "PJRT") {
		t.Errorf("%q", list)
	}
}
