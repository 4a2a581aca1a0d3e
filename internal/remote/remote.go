// Package remote fetches files from where others publish them, and keeps nothing that is not exactly what was meant.
package remote

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"

	"github.com/joule-ebm/joule/internal/durable"
)

// A Source is a file somewhere else, and how to know that it is the right one.
type Source struct {
	Name   string // of the file
	URL    string
	Size   int64  // bytes
	SHA256 string // hexadecimal
}

// CachePath is where a file of that name, which may have folders in it, is kept unless another place is named: below joule in the user's
// cache directory.
func CachePath(name string) (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no place for %s: %w: name a file", name, err)
	}
	return filepath.Join(dir, "joule", name), nil
}

// Check says whether the file at path is that of the source; false, nil if there is none.
func (s Source) Check(path string) (bool, error) {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return false, fmt.Errorf("%s: %w", path, err)
	}
	if hex.EncodeToString(sum.Sum(nil)) != s.SHA256 {
		return false, fmt.Errorf("%s is another file (its SHA-256 is not %s): remove it, or name another place", path, s.SHA256)
	}
	return true, nil
}

// Fetch downloads the file to path, whole and checked or not at all. It calls progress with the number of bytes that have come since
// the last call.
func (s Source) Fetch(ctx context.Context, client *http.Client, path string, progress func(bytes int)) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL, nil)
	if err != nil {
		return fmt.Errorf("%s: %w", s.URL, err)
	}
	response, err := client.Do(request)
	if err != nil {
		if cause := (*url.Error)(nil); errors.As(err, &cause) {
			err = cause.Err
		}
		return fmt.Errorf("%s cannot be fetched: %w; where there is no network, copy the file from a machine that has one", s.URL, err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: the server says %s", s.URL, response.Status)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return err
	}
	return durable.WriteFile(path, func(w io.Writer) error {
		sum := sha256.New()
		// One byte more than expected is enough to know that it is another file.
		n, err := io.Copy(io.MultiWriter(w, sum, counter(progress)), io.LimitReader(response.Body, s.Size+1))
		switch {
		case err != nil:
			return fmt.Errorf("the connection to %s broke after %d of %d bytes: %w: try again", s.URL, n, s.Size, err)
		case n != s.Size || hex.EncodeToString(sum.Sum(nil)) != s.SHA256:
			return fmt.Errorf("what %s sent is not %s (its SHA-256 is not %s): nothing is kept", s.URL, s.Name, s.SHA256)
		}
		return nil
	})
}

// counter is a writer that only counts.
type counter func(bytes int)

func (c counter) Write(p []byte) (int, error) {
	c(len(p))
	return len(p), nil
}
