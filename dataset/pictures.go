package dataset

// Folders and archives of pictures. The first folder level names the class; a folder every picture lies in is no class
// but packaging, and train/ and test/ at the top are splits. Pictures are read in order by one goroutine, decoded by
// one a core, and handed on in order.

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"math"
	"runtime"
	"slices"
	"strings"
	"sync"
)

const (
	maxInFlight = 256      // MiB of picture files read but not yet decoded
	maxSet      = 64 << 30 // bytes of pixels in one set
	worstBad    = 10       // a set is refused when more than one picture in this many is unreadable
)

// decodeAll decodes the named pictures of a tree in the tree's own order. A picture that cannot be read comes with its
// name and an error; an error without a name means the source as a whole failed, and is the last.
func decodeAll(ctx context.Context, t tree, names []string, want Size) iter.Seq2[Image, error] {
	type job struct {
		name string
		data []byte
		cost int
		img  Image
		err  error
		done chan struct{}
	}
	return func(yield func(Image, error) bool) {
		workers := runtime.GOMAXPROCS(0)
		todo, ordered := make(chan *job, workers), make(chan *job, 8*workers)
		files, megapixels := newBudget(maxInFlight), newBudget(megapixelsOpen)

		var running sync.WaitGroup
		defer running.Wait()
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()

		var failure error // of the whole; read once ordered is closed
		running.Go(func() {
			defer close(ordered)
			defer close(todo)
			failure = t.visit(ctx, names, func(name string, r io.Reader, err error) error {
				j := &job{name: name, err: err, done: make(chan struct{})}
				if err == nil {
					j.data, j.err = readFile(r, maxImageFile)
				}
				if ctx.Err() != nil {
					return ctx.Err()
				}
				j.cost = len(j.data)>>20 + 1
				if err := files.take(ctx, j.cost); err != nil {
					return err
				}
				for _, queue := range []chan *job{ordered, todo} {
					select {
					case queue <- j:
					case <-ctx.Done():
						return ctx.Err()
					}
				}
				return nil
			})
		})
		for range workers {
			running.Go(func() {
				for j := range todo {
					if j.err == nil {
						j.img, j.err = decodeImage(ctx, j.data, want, megapixels)
					}
					j.data = nil
					files.give(j.cost)
					close(j.done)
				}
			})
		}
		for j := range ordered {
			select {
			case <-j.done:
			case <-ctx.Done():
				yield(Image{}, ctx.Err())
				return
			}
			j.img.Name = j.name
			if !yield(j.img, j.err) {
				return
			}
		}
		if failure != nil {
			yield(Image{}, failure)
		}
	}
}

// album is the pictures of a tree, sorted into splits and classes by their folders.
type album struct {
	splits  map[string][]string // the pictures of each split, sorted; "" if the tree has no splits
	depth   int                 // how many leading folders are not part of a picture's class
	classes []string            // sorted, over all splits; nil if some picture lies in no class folder
}

func sortAlbum(files []string) (album, error) {
	var pictures []string
	for _, name := range files {
		if IsPicture(name) {
			pictures = append(pictures, name)
		}
	}
	if len(pictures) == 0 {
		return album{}, errors.New("holds no pictures (.png .jpg .jpeg .gif .bmp .webp), no IDX and no CIFAR files")
	}
	slices.Sort(pictures)

	// Packaging: of sorted names, all share a folder if the first and the last do.
	a := album{splits: map[string][]string{}}
	for {
		first, ok := folderAt(pictures[0], a.depth)
		last, ok2 := folderAt(pictures[len(pictures)-1], a.depth)
		if !ok || !ok2 || first != last || isSplit(first) {
			break
		}
		a.depth++
	}

	// Splits: when every folder at the top is one. Pictures beside them belong to none.
	inFolder := func(name string) bool { _, ok := folderAt(name, a.depth); return ok }
	if slices.ContainsFunc(pictures, inFolder) && !slices.ContainsFunc(pictures, func(name string) bool {
		top, ok := folderAt(name, a.depth)
		return ok && !isSplit(top)
	}) {
		pictures = slices.DeleteFunc(pictures, func(name string) bool { return !inFolder(name) })
		for _, name := range pictures {
			split, _ := folderAt(name, a.depth)
			a.splits[split] = append(a.splits[split], name)
		}
		a.depth++
	} else {
		a.splits[""] = pictures
	}

	for _, name := range pictures {
		class, ok := folderAt(name, a.depth)
		if !ok {
			a.classes = nil
			return a, nil
		}
		a.classes = append(a.classes, class)
	}
	slices.Sort(a.classes)
	a.classes = slices.Compact(a.classes)
	return a, nil
}

// pictures are those of all splits, sorted.
func (a album) pictures() []string {
	return slices.Sorted(slices.Values(slices.Concat(slices.Collect(maps.Values(a.splits))...)))
}

// folderAt is the folder at the given depth of a name, if the name goes that deep.
func folderAt(name string, depth int) (string, bool) {
	for range depth {
		_, name, _ = strings.Cut(name, "/")
	}
	part, _, ok := strings.Cut(name, "/")
	return part, ok
}

// openAlbum reads one split of the pictures of a tree into a set.
func openAlbum(ctx context.Context, t tree, a album, names []string, want Size, progress func(done, total int)) (*Set, error) {
	position := make(map[string]int, len(names))
	for i, name := range names {
		position[name] = i
	}
	set := &Set{Classes: a.classes}
	size := want // filled in by the first good picture
	stored := make([]bool, len(names))
	firstName, gray, done := "", true, 0
	for img, err := range decodeAll(ctx, t, names, want) {
		if img.Name == "" {
			return nil, err
		}
		done++
		progress(done, len(names))
		if err != nil {
			set.Skipped = append(set.Skipped, Skipped{img.Name, err})
			continue
		}
		if firstName == "" {
			firstName = img.Name
			size = want.orNative(Size{img.Height, img.Width, 3})
			if err := affordable(len(names), size); err != nil {
				return nil, err
			}
			set.Pixels = make([]uint8, len(names)*size.Len())
		}
		if img.Height != size.Height || img.Width != size.Width {
			return nil, fmt.Errorf("the pictures differ in size (%s is %dx%d, %s %dx%d): say which size to bring them to",
				firstName, size.Height, size.Width, img.Name, img.Height, img.Width)
		}
		i := position[img.Name]
		at := set.Pixels[i*size.Len() : (i+1)*size.Len()]
		if copied := copy(at, img.Pixels); copied < len(at) { // gray where others may be coloured
			for p, v := range img.Pixels {
				at[3*p], at[3*p+1], at[3*p+2] = v, v, v
			}
		}
		gray = gray && img.Channels == 1
		stored[i] = true
		set.Resized = set.Resized || img.Resized
	}
	if bad := len(set.Skipped); bad > 0 && bad*worstBad > len(names) {
		return nil, fmt.Errorf("%d of %d pictures cannot be read (remove them); the first, %s: %w",
			bad, len(names), set.Skipped[0].Name, set.Skipped[0].Err)
	}

	// Close the gaps the unreadable pictures left, and drop the channels nobody used.
	keep := 0
	for i, name := range names {
		if !stored[i] {
			continue
		}
		copy(set.Pixels[keep*size.Len():], set.Pixels[i*size.Len():(i+1)*size.Len()])
		if a.classes != nil {
			class, _ := folderAt(name, a.depth)
			label, _ := slices.BinarySearch(a.classes, class)
			set.Labels = append(set.Labels, int32(label))
		}
		keep++
	}
	set.Pixels = set.Pixels[:keep*size.Len()]
	if want.Channels == 0 && gray {
		for i := range len(set.Pixels) / 3 {
			set.Pixels[i] = set.Pixels[3*i]
		}
		set.Pixels = slices.Clone(set.Pixels[:len(set.Pixels)/3])
		size.Channels = 1
	}
	set.Height, set.Width, set.Channels = size.Height, size.Width, size.Channels
	return set, nil
}

// affordable reports whether n images of that size may be held in memory.
func affordable(n int, size Size) error {
	if bytes := int64(n) * int64(size.Len()); bytes > min(maxSet, math.MaxInt) {
		return fmt.Errorf("%d images of %v take %d GiB: choose a smaller size or fewer images", n, size, bytes>>30)
	}
	return nil
}
