//go:build xla

package xla

// This file keeps compiled programs on disk, so that a second start compiles nothing. A file is named by all that it depends on: the
// program's text and options, the plugin, the device and the machine. It begins with a checksum: what has changed on the disk, or is left
// of a full one, never reaches the plugin.

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/joule-ebm/joule/engine/xla/pjrt"
	"github.com/joule-ebm/joule/internal/durable"
	"github.com/joule-ebm/joule/internal/machine"
)

// unusedFor is how long a compiled program stays in the cache without being used.
const unusedFor = 60 * 24 * time.Hour

// cachePath is the file of a program.
func (e *Engine) cachePath(text string, o pjrt.Options) string {
	h := sha256.New()
	c := e.client
	plugin := c.Plugin.Path
	if info, err := os.Stat(plugin); err == nil {
		plugin += fmt.Sprint(info.Size(), info.ModTime().UnixNano())
	}
	fmt.Fprintf(h, "%q %q %q %q %q %q %q %d %v\n%s", plugin, c.Platform, c.Version, c.Devices[0].Kind, machine.Processor(),
		strings.Join(machine.Features(), " "), os.Getenv("XLA_FLAGS"), o.Replicas, o.Flags, text)
	return filepath.Join(e.Cache, hex.EncodeToString(h.Sum(nil)[:16])+".pjrt")
}

// cached is the compiled program in a file, or nil.
func (e *Engine) cached(path string, o pjrt.Options) *pjrt.Executable {
	if e.Cache == "" {
		return nil
	}
	all, err := os.ReadFile(path)
	if err != nil || len(all) < sha256.Size {
		return nil
	}
	if sum := sha256.Sum256(all[sha256.Size:]); !bytes.Equal(sum[:], all[:sha256.Size]) {
		return nil
	}
	x, err := e.client.Load(all[sha256.Size:], o)
	if err != nil {
		return nil
	}
	now := time.Now()
	os.Chtimes(path, now, now)
	return x
}

// keep writes a compiled program to a file, and removes files that have not been used for long. That it cannot is no reason to stop: the
// cache saves time and nothing else.
func (e *Engine) keep(path string, x *pjrt.Executable) {
	if e.Cache == "" || os.MkdirAll(e.Cache, 0o777) != nil {
		return
	}
	serialised, err := x.Serialize()
	if err != nil {
		return
	}
	sum := sha256.Sum256(serialised)
	_ = durable.WriteFile(path, func(w io.Writer) error {
		if _, err := w.Write(sum[:]); err != nil {
			return err
		}
		_, err := w.Write(serialised)
		return err
	})
	entries, err := os.ReadDir(e.Cache)
	if err != nil {
		return
	}
	for _, entry := range entries {
		info, err := entry.Info()
		if err == nil && filepath.Ext(entry.Name()) == ".pjrt" && time.Since(info.ModTime()) > unusedFor {
			os.Remove(filepath.Join(e.Cache, entry.Name()))
		}
	}
}

// UserCache is where a user's compiled programs are kept; empty if the system has no place for such things.
func UserCache() string {
	dir, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	return filepath.Join(dir, "joule", "xla")
}
