package main

// This file is what joule watch remembers, and where the names of its images come from.

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/joule-ebm/joule/dataset"
	"github.com/joule-ebm/joule/detect/drift"
	"github.com/joule-ebm/joule/internal/durable"
)

// watchState is how far a watch is, and all it needs to go on.
type watchState struct {
	// What it is a state of.
	Model    string  `json:"model"` // SHA-256 of the model file
	Detector string  `json:"detector"`
	Rate     float64 `json:"false_alarm"`
	Every    float64 `json:"alarm_every"`
	Folder   string  `json:"folder"` // empty: a list

	Done    int64  `json:"done"`   // images dealt with
	Last    []byte `json:"last"`   // the name of the last one: names need not be UTF-8
	Digest  string `json:"digest"` // of all names up to it
	Bytes   int64  `json:"bytes"`  // of output
	Scored  int64  `json:"scored"`
	Failed  int64  `json:"failed"`
	Unusual int64  `json:"unusual"`
	Resized int64  `json:"resized"`

	AlarmAt    int64       `json:"alarm_at"`
	AlarmImage string      `json:"alarm_image"`
	Drift      drift.State `json:"drift"`
}

// pass counts a name.
func (s *watchState) pass(name string) {
	s.Done, s.Last, s.Digest = s.Done+1, []byte(name), nextDigest(s.Digest, name)
}

// nextDigest is the digest of a list of names that has one more.
func nextDigest(digest, name string) string {
	sum := sha256.Sum256([]byte(digest + "\n" + name))
	return hex.EncodeToString(sum[:16])
}

// open begins the output, or goes on with it where the state file says.
func (w *watching) open(stdout io.Writer, trained, folder string) error {
	content, err := os.ReadFile(trained)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(content)
	w.state = watchState{Model: hex.EncodeToString(sum[:]), Detector: w.judge.detector.Name, Rate: w.judge.rate, Every: w.options.every, Folder: folder}
	resumed, err := w.restore()
	if err != nil {
		return err
	}
	if w.options.out == "" {
		w.lines = bufio.NewWriter(stdout)
		return nil
	}
	if w.file, err = os.OpenFile(w.options.out, os.O_WRONLY|os.O_CREATE, 0o666); err != nil {
		return fmt.Errorf("writing %w", err)
	}
	w.lines = bufio.NewWriterSize(w.file, 1<<16)
	size, err := w.file.Seek(0, io.SeekEnd)
	switch {
	case err != nil:
	case size < w.state.Bytes:
		err = fmt.Errorf("it has %d bytes, and had %d when %s was written: restore it, or begin another state", size, w.state.Bytes, w.options.state)
	case size > 0 && !resumed:
		err = errors.New("it holds lines already: name a new file, or the state to go on from with --state")
	default:
		// What follows was written after the state, and will be again.
		if err = w.file.Truncate(w.state.Bytes); err == nil {
			_, err = w.file.Seek(w.state.Bytes, io.SeekStart)
		}
	}
	if err == nil {
		err = w.save() // so that a kill before the first second is one of this watch
	}
	if err != nil {
		w.file.Close()
		return fmt.Errorf("%s: %w", w.options.out, err)
	}
	return nil
}

func (w *watching) close() {
	if w.file != nil {
		w.file.Close()
	}
}

// restore goes to the state in the state file, if there is one.
func (w *watching) restore() (resumed bool, err error) {
	if w.options.state == "" {
		return false, nil
	}
	text, err := os.ReadFile(w.options.state)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	var s watchState
	if err := json.Unmarshal(text, &s); err != nil {
		return false, fmt.Errorf("%s: not the state of a watch: %w", w.options.state, err)
	}
	for _, same := range []struct {
		what      string
		then, now any
	}{
		{"model", s.Model, w.state.Model}, {"detector", s.Detector, w.state.Detector}, {"false-alarm rate", s.Rate, w.state.Rate},
		{"--alarm-every", s.Every, w.state.Every}, {"source", s.Folder, w.state.Folder},
	} {
		if same.then != same.now {
			return false, fmt.Errorf("%s: the state is of another %s: give what was given then, or name another state", w.options.state, same.what)
		}
	}
	if err := w.drift.Restore(s.Drift); err != nil {
		return false, fmt.Errorf("%s: %w", w.options.state, err)
	}
	w.state = s
	return true, nil
}

// save writes the state, once the lines it counts are on the disk.
func (w *watching) save() error {
	if err := w.lines.Flush(); err != nil {
		return err
	}
	w.saved = time.Now()
	if w.options.state == "" {
		return nil
	}
	if w.file != nil {
		if err := w.file.Sync(); err != nil {
			return err
		}
	}
	w.state.Drift = w.drift.State()
	return durable.WriteFile(w.options.state, func(out io.Writer) error { return json.NewEncoder(out).Encode(&w.state) })
}

// nameSource is where names come from.
type nameSource interface {
	// all are the names not dealt with yet. It ends when ctx does.
	all(ctx context.Context) iter.Seq[string]
	// err is what went wrong, once all has ended.
	err() error
}

func newNames(cmd *cobra.Command, folder string, follow bool, s *watchState) nameSource {
	if folder != "" {
		return &folderNames{folder: folder, follow: follow, last: string(s.Last)}
	}
	return &listedNames{in: cmd.InOrStdin(), skip: s.Done, digest: s.Digest}
}

// listedNames are the lines of a list, after those dealt with.
type listedNames struct {
	in      io.Reader
	skip    int64
	digest  string // of the skipped names
	failure error
}

func (l *listedNames) err() error { return l.failure }

func (l *listedNames) all(ctx context.Context) iter.Seq[string] {
	lines, ended := make(chan string), make(chan error, 1)
	go func() { // a read cannot be interrupted, but left behind
		scanner := bufio.NewScanner(l.in)
		scanner.Buffer(nil, 1<<20)
		for scanner.Scan() {
			if line := strings.TrimSuffix(scanner.Text(), "\r"); line != "" {
				select {
				case lines <- line:
				case <-ctx.Done():
					return
				}
			}
		}
		ended <- scanner.Err()
	}()
	return func(yield func(string) bool) {
		skipped, digest := int64(0), ""
		for {
			select {
			case name := <-lines:
				if skipped < l.skip {
					if skipped, digest = skipped+1, nextDigest(digest, name); skipped == l.skip && digest != l.digest {
						l.failure = fmt.Errorf("the first %d names of the list are not those of the state: give the same list, or begin another state", l.skip)
						return
					}
				} else if !yield(name) {
					return
				}
			case err := <-ended:
				if l.failure = err; err == nil && skipped < l.skip {
					l.failure = fmt.Errorf("the list has %d names, of which the state has dealt with %d: give the same list, or begin another state", skipped, l.skip)
				}
				return
			case <-ctx.Done():
				return
			}
		}
	}
}

const (
	lookEvery = time.Second // at a folder
	settled   = time.Second // the age of a file that nobody writes any more
)

// folderNames are the pictures in a folder and those in it, in order, after the last one dealt with.
type folderNames struct {
	folder  string
	follow  bool
	last    string
	failure error
}

func (f *folderNames) err() error { return f.failure }

// errEnough ends a walk.
var errEnough = errors.New("enough")

func (f *folderNames) all(ctx context.Context) iter.Seq[string] {
	// With a separator at its end a folder that is a link is walked too.
	root := strings.TrimSuffix(f.folder, string(filepath.Separator)) + string(filepath.Separator)
	return func(yield func(string) bool) {
		for {
			err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
				switch {
				case ctx.Err() != nil:
					return errEnough
				case err != nil:
					return err
				case path != root && strings.HasPrefix(entry.Name(), "."):
					if entry.IsDir() {
						return fs.SkipDir
					}
					return nil
				case entry.IsDir() || !dataset.IsPicture(path) || !after(path, f.last):
					return nil
				}
				if info, err := entry.Info(); f.follow && err == nil && time.Since(info.ModTime()) < settled {
					return errEnough // later ones have to wait for it
				}
				f.last = path
				if !yield(path) {
					return errEnough
				}
				return nil
			})
			if err != nil && err != errEnough {
				f.failure = err
				return
			}
			if !f.follow || ctx.Err() != nil {
				return
			}
			select {
			case <-time.After(lookEvery):
			case <-ctx.Done():
				return
			}
		}
	}
}

// after says whether a walk comes to a path after another: folder by folder, in order of names.
func after(path, other string) bool {
	separator := string(filepath.Separator)
	for path != "" && other != "" {
		p, restP, _ := strings.Cut(path, separator)
		o, restO, _ := strings.Cut(other, separator)
		if p != o {
			return p > o
		}
		path, other = restP, restO
	}
	return path != "" // other is a folder that holds path, or nothing
}
