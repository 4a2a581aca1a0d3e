package stream

// This file is where the names of images come from.

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"path/filepath"
	"strings"
	"time"

	"github.com/joule-ebm/joule/dataset"
)

// A Source has the names of picture files, in an order that never changes.
type Source interface {
	// Names are the names after those of a position. An error with a name is why that one cannot be read; one without ends them, as the
	// end of ctx does.
	Names(ctx context.Context, after Position) iter.Seq2[string, error]
	// String tells sources apart: a state of one is none of another.
	String() string
}

// A List has the names on its lines; it may be endless. Lines end in a newline, or a NUL byte as those of find -print0 do. Of a stream
// that goes on, it must begin with the same names again.
type List struct{ io.Reader }

// String is empty: a list says what it is by the names it begins with.
func (l List) String() string { return "" }

// mostName is more than a name can have; a line that is longer is cut, and so names nothing.
const mostName = 1 << 16

// name reads a line.
func name(in *bufio.Reader) (string, error) {
	var line []byte
	for {
		b, err := in.ReadByte()
		if err != nil || b == '\n' || b == 0 {
			return strings.TrimSuffix(string(line), "\r"), err
		}
		if len(line) < mostName {
			line = append(line, b)
		}
	}
}

// Names reads the list in a goroutine that ends after the next line: a read cannot be interrupted, but left behind.
func (l List) Names(ctx context.Context, after Position) iter.Seq2[string, error] {
	lines, ended := make(chan string), make(chan error, 1)
	go func() {
		in := bufio.NewReader(l.Reader)
		if mark, _ := in.Peek(3); string(mark) == "\ufeff" {
			_, _ = in.Discard(3)
		}
		for {
			line, err := name(in)
			if line != "" {
				select {
				case lines <- line:
				case <-ctx.Done():
					return
				}
			}
			if err != nil {
				ended <- err
				return
			}
		}
	}()
	return func(yield func(string, error) bool) {
		var begin Position
		for {
			select {
			case line := <-lines:
				if begin.N == after.N {
					if !yield(line, nil) {
						return
					}
					continue
				}
				if begin.pass(line); begin.N == after.N && begin.Digest != after.Digest {
					yield("", fmt.Errorf("the first %d names of the list are not those of the state: give the same list, or begin another state", after.N))
					return
				}
			case err := <-ended:
				switch {
				case err != io.EOF:
					yield("", err)
				case begin.N < after.N:
					yield("", fmt.Errorf("the list has %d names, of which the state has dealt with %d: give the same list, or begin another state",
						begin.N, after.N))
				}
				return
			case <-ctx.Done():
				return
			}
		}
	}
}

// A Folder has the pictures in a folder and those in it, in order of their names, folder by folder. Of a stream that goes on, pictures
// that come after the last one are taken, whether the others are still there or not. Links to folders, and what
// [dataset.Visible] says is no data, are passed over.
type Folder struct {
	Path   string
	Follow bool // wait for more, which must come after those that are there, until ctx ends
}

// String is the path.
func (f Folder) String() string { return f.Path }

const (
	lookEvery = time.Second // at a folder
	settled   = time.Second // the age of a file that nobody writes any more
)

// errEnough ends a walk.
var errEnough = errors.New("enough")

// Names walks the folder, again and again if it is followed.
func (f Folder) Names(ctx context.Context, after Position) iter.Seq2[string, error] {
	again := &retries{files: map[string]*waiting{}}
	for _, name := range after.Waiting {
		again.restore(string(name))
	}
	return f.names(ctx, after, again)
}

// names are Names, and again those of pictures that wait.
func (f Folder) names(ctx context.Context, after Position, again *retries) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		w := walk{Folder: f, last: string(after.Last), again: again}
		for {
			err := w.once(ctx, yield)
			switch {
			case errors.Is(err, errEnough), ctx.Err() != nil:
				return
			case err != nil:
				yield("", err)
				return
			case !f.Follow:
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

// walk goes through a folder as often as it is followed.
type walk struct {
	Folder
	last  string // the name that names come after
	young file   // the file that was too young at the last look
	again *retries
}

// file is a file as it was when it was first seen to be so.
type file struct {
	path  string
	size  int64
	time  time.Time // of its last change, as the file system has it
	seen  time.Time
	first time.Time // when it was first seen at all
}

// once gives the names after the last one to use, up to one that may still be written. It is errEnough if use wants no more.
func (w *walk) once(ctx context.Context, use func(string, error) bool) error {
	due := w.again.due
	if !w.Follow {
		due = w.again.names // there is no other look
	}
	for _, path := range due() {
		if ctx.Err() != nil || !w.use(path, use) {
			return errEnough
		}
	}
	waits := errors.New("for the file that is written")
	// With a separator at its end a folder that is a link is walked too.
	root := strings.TrimSuffix(w.Path, string(filepath.Separator)) + string(filepath.Separator)
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case ctx.Err() != nil:
			return errEnough
		case err != nil && path != root && errors.Is(err, fs.ErrPermission):
			if comesAfter(path, w.last) {
				w.last = path
				if !use(path, fmt.Errorf("%s: a folder that must not be read", path)) {
					return errEnough
				}
			}
			return nil
		case err != nil:
			return err
		case path != root && !dataset.Visible(entry.Name()):
			if entry.IsDir() {
				return fs.SkipDir
			}
			return nil
		case entry.IsDir() || !dataset.IsPicture(path) || !comesAfter(path, w.last):
			return nil
		case w.again.waits(path): // and is read as one of those
			w.last = path
			return nil
		case w.Follow && !w.settled(path, entry):
			if time.Since(w.young.first) < patience {
				return waits // as those after it do, for the order
			}
			w.last = path
			w.again.restore(path)
			return nil
		}
		w.last = path
		if !w.use(path, use) {
			return errEnough
		}
		return nil
	})
	if err == waits {
		return nil
	}
	return err
}

// use gives a picture to use.
func (w *walk) use(path string, use func(string, error) bool) bool {
	if w.Follow {
		v, _ := versionOf(path)
		w.again.begin(path, v)
	}
	return use(path, nil)
}

// settled says whether a file seems to be whole: it has not changed for a while, by the clock of the file system, or else, where that
// is ahead of ours, since we have first seen it so.
func (w *walk) settled(path string, entry fs.DirEntry) bool {
	info, err := entry.Info()
	if err != nil {
		return true // it is gone, which reading it will say
	}
	if time.Since(info.ModTime()) >= settled {
		return true
	}
	now := file{path, info.Size(), info.ModTime(), time.Now(), time.Now()}
	if w.young.path == now.path {
		now.first = w.young.first
	}
	if w.young.path != now.path || w.young.size != now.size || !w.young.time.Equal(now.time) {
		w.young = now
	}
	return now.seen.Sub(w.young.seen) >= settled
}

// comesAfter says whether a walk comes to a path after another: folder by folder, in order of names.
func comesAfter(path, other string) bool {
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
