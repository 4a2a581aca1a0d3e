package stream

// This file has pictures wait that are not whole yet: somebody is still writing them. Such a one is looked at again whenever it has changed;
// those after it do not wait for it.

import (
	"context"
	"errors"
	"iter"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/joule-ebm/joule/dataset"
	"github.com/joule-ebm/joule/detect"
	"github.com/joule-ebm/joule/model"
)

// How long a picture that cannot be read may stay as it is before that is said of it: in a folder, and on a list, which waits for it.
const (
	patience     = 15 * time.Second
	listPatience = 2 * time.Second
)

// mostWaiting is how many pictures are remembered at most; of more, what is wrong with them is said at once.
const mostWaiting = 1000

// version is a picture file at a time.
type version struct {
	size int64
	time time.Time // of its last change, as the file system has it
}

func versionOf(path string) (v version, err error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return v, err
	case !info.Mode().IsRegular():
		return v, errors.New("no file")
	}
	return version{info.Size(), info.ModTime()}, nil
}

func (v version) same(w version) bool { return v.size == w.size && v.time.Equal(w.time) }

// waiting is a picture that could not be read.
type waiting struct {
	version           // when it was read
	seen    version   // at the last look
	since   time.Time // when that was
	reading bool      // it is being read again
	final   bool      // what comes of it now is its line
	told    bool      // it has its line, and another if it changes
}

// retries are the pictures of a followed folder that wait.
type retries struct {
	mu    sync.Mutex
	files map[string]*waiting
}

// begin notes that a picture will be read. Those that a state names have been read before.
func (r *retries) begin(path string, v version) {
	r.mu.Lock()
	defer r.mu.Unlock()
	w := r.files[path]
	if w == nil {
		w = &waiting{}
		r.files[path] = w
	}
	w.version, w.seen, w.reading = v, v, true
}

// restore has a picture wait that a state names.
func (r *retries) restore(path string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.files[path] = &waiting{since: time.Now()}
}

// waits says whether a picture does.
func (r *retries) waits(path string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.files[path] != nil
}

// done says what came of a picture: whether it has to wait, without a line, as it cannot be read yet, and whether it was read again, maybe
// after others that come after it.
func (r *retries) done(path string, failed bool) (wait, again bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	w := r.files[path]
	if w == nil {
		return false, false
	}
	again = !w.since.IsZero()
	if !failed || len(r.files) > mostWaiting {
		delete(r.files, path)
		return false, again
	}
	w.reading = false
	if w.final {
		w.final, w.told = false, true
		return false, again
	}
	if !again || w.told {
		w.since = time.Now()
	}
	return true, again
}

// due are the pictures to read again: those that have changed, and have then stayed for a look, and those that have been bad for so long
// that it is to be said.
func (r *retries) due() (paths []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for path, w := range r.files {
		now, err := versionOf(path)
		switch {
		case w.reading:
		case err != nil && w.told:
			delete(r.files, path) // it is gone, and has its line
		case err != nil:
			w.final = true
			paths = append(paths, path)
		case !now.same(w.seen):
			w.seen, w.since = now, time.Now()
		case !now.same(w.version):
			paths = append(paths, path)
		case !w.told && time.Since(w.since) >= patience:
			w.final = true
			paths = append(paths, path)
		}
	}
	slices.Sort(paths)
	return paths
}

// names are those that wait and have no line, for a state.
func (r *retries) names() (paths []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for path, w := range r.files {
		if !w.since.IsZero() && !w.told {
			paths = append(paths, path)
		}
	}
	slices.Sort(paths)
	return paths
}

// readAgain judges a picture of a list once more, which could not be read, for as long as it is being written: a list goes on in order.
func (s *Stream) readAgain(ctx context.Context, j detect.Judged) detect.Judged {
	before, err := versionOf(j.Name)
	for err == nil && time.Since(changed(j.Name)) < listPatience {
		select {
		case <-time.After(lookEvery / 4):
		case <-ctx.Done():
			return j
		}
		now, statErr := versionOf(j.Name)
		if err = statErr; err != nil || now.same(before) {
			continue
		}
		before = now
		one := iter.Seq[string](func(yield func(string) bool) { yield(j.Name) })
		for batch, err := range s.judge.Batches(ctx, dataset.Pictures(ctx, one, s.judge.Model.Config.PictureSize()), model.AnyLabel) {
			if err != nil || len(batch) != 1 || batch[0].Name == "" {
				return j
			}
			if j = batch[0]; j.Err == nil {
				return j
			}
		}
	}
	return j
}
