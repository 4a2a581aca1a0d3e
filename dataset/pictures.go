package dataset

// Pictures that are read one by one: by one goroutine, in the order of their source, decoded by one a core, and handed on in order.

import (
	"context"
	"fmt"
	"image"
	"io"
	"iter"
	"math"
	"runtime"
	"slices"
	"sync"

	"github.com/joule-ebm/joule/internal/machine"
)

const (
	maxInFlight = 256      // MiB of picture files read but not yet decoded
	maxSet      = 64 << 30 // bytes of pixels in one set
	worstBad    = 10       // a set is refused when more than one picture in this many is unreadable
)

// pictureSource is where the pictures of a set come from.
type pictureSource struct {
	n       int
	classes []string // nil if they have none
	// What is known of the pictures beside, in the order of the set.
	attributes []Attribute
	numbers    []Number
	subject    string // what they show, where that is known
	warnings   []string
	byTable    bool   // whether the classes are those that a table says
	labelled   string // by what, or why not, where there is a table
	// visit reads each picture once, in an order of its own; an error of fn, or of the source as a whole, ends the visit.
	visit func(ctx context.Context, fn func(encoded) error) error
}

// encoded is a picture file of a source.
type encoded struct {
	at    int    // its place in the set
	name  string // within the source
	label int32  // an index into the classes
	r     io.Reader
	image image.Image // instead of r, where it is none that has to be decoded
	err   error       // it cannot be read
}

// decoded is a picture with its place and label.
type decoded struct {
	Image
	at    int
	label int32
}

// decodeAll decodes pictures in the order of their source. A picture that cannot be read comes with its
// name and an error; an error without a name means the source as a whole failed, and is the last.
func decodeAll(ctx context.Context, visit func(context.Context, func(encoded) error) error, want Size) iter.Seq2[decoded, error] {
	type job struct {
		data  []byte
		image image.Image
		cost  int
		img   decoded
		err   error
		done  chan struct{}
	}
	return func(yield func(decoded, error) bool) {
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
			failure = visit(ctx, func(p encoded) error {
				j := &job{img: decoded{Image{Name: p.name}, p.at, p.label}, err: p.err, done: make(chan struct{})}
				if p.err == nil && p.image == nil {
					j.data, j.err = readFile(p.r, maxImageFile)
				}
				j.image = p.image
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
						name := j.img.Name
						if j.image != nil {
							j.img.Image = fit(j.image, 1, want)
						} else {
							j.img.Image, j.err = decodeImage(ctx, j.data, want, megapixels)
						}
						j.img.Name = name
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
				yield(decoded{}, ctx.Err())
				return
			}
			if !yield(j.img, j.err) {
				return
			}
		}
		if failure != nil {
			yield(decoded{}, failure)
		}
	}
}

// openPictures reads pictures into a set. If too many cannot be read, it comes with what was wrong with each.
func openPictures(ctx context.Context, src *pictureSource, want Size, progress func(done, total int)) (*Set, error) {
	set := &Set{Classes: src.classes, byTable: src.byTable}
	size := want // filled in by the first good picture
	present := make([]bool, src.n)
	labels, names := make([]int32, src.n), make([]string, src.n)
	firstName, gray, done := "", true, 0
	var told warnings
	for img, err := range decodeAll(ctx, src.visit, want) {
		if img.Name == "" {
			return nil, err
		}
		done++
		progress(done, src.n)
		if err != nil {
			set.Skipped = append(set.Skipped, Skipped{img.Name, err})
			continue
		}
		if firstName == "" {
			firstName = img.Name
			size = want.orNative(Size{img.Height, img.Width, 3})
			if err := affordable(src.n, size); err != nil {
				return nil, err
			}
			set.Pixels = make([]uint8, src.n*size.Len())
		}
		if img.Height != size.Height || img.Width != size.Width {
			return nil, fmt.Errorf("the pictures differ in size (%s is %dx%d, %s %dx%d): say which size to bring them to",
				firstName, size.Height, size.Width, img.Name, img.Height, img.Width)
		}
		pixels := set.Pixels[img.at*size.Len() : (img.at+1)*size.Len()]
		if copied := copy(pixels, img.Pixels); copied < len(pixels) { // gray where others may be coloured
			for p, v := range img.Pixels {
				pixels[3*p], pixels[3*p+1], pixels[3*p+2] = v, v, v
			}
		}
		gray = gray && img.Channels == 1
		present[img.at], labels[img.at], names[img.at] = true, img.label, img.Name
		set.Resized = set.Resized || img.Resized
		set.see(img.Stored, size)
		told.add(img.Image)
	}
	set.Contents.Warnings, set.Contents.Labelled = slices.Concat(src.warnings, told.lines()), src.labelled
	if bad := len(set.Skipped); bad > 0 && bad*worstBad > src.n {
		return set, fmt.Errorf("%d of %d pictures cannot be read; the first, %s: %w", bad, src.n, set.Skipped[0].Name, set.Skipped[0].Err)
	}

	// Close the gaps the unreadable pictures left, and drop the channels nobody used.
	keep := 0
	var kept []int
	for i, is := range present {
		if !is {
			continue
		}
		kept = append(kept, i)
		copy(set.Pixels[keep*size.Len():], set.Pixels[i*size.Len():(i+1)*size.Len()])
		if src.classes != nil {
			set.Labels = append(set.Labels, labels[i])
		}
		keep++
	}
	set.Pixels = set.Pixels[:keep*size.Len()]
	set.names = at(names, kept)
	for _, a := range src.attributes {
		set.Attributes = append(set.Attributes, Attribute{a.Name, a.Values, at(a.Labels, kept)})
	}
	for _, n := range src.numbers {
		set.Numbers = append(set.Numbers, Number{n.Name, n.Min, n.Max, at(n.Values, kept)})
	}
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

// warnings are those of many images, counted by what they are about.
type warnings []struct {
	Warning
	name string // of the first image
	n    int
}

func (w *warnings) add(img Image) {
	for _, one := range img.Warnings {
		i := slices.IndexFunc(*w, func(known struct {
			Warning
			name string
			n    int
		}) bool {
			return known.About == one.About
		})
		if i < 0 {
			i = len(*w)
			*w = append(*w, struct {
				Warning
				name string
				n    int
			}{one, img.Name, 0})
		}
		(*w)[i].n++
	}
}

func (w warnings) lines() (lines []string) {
	for _, one := range w {
		if one.n == 1 {
			lines = append(lines, fmt.Sprintf("%s: %s", one.name, one.Text))
		} else {
			lines = append(lines, fmt.Sprintf("%d %s, such as %s: %s", one.n, one.About, one.name, one.Text))
		}
	}
	return lines
}

// affordable reports whether n images of that size may be held in memory, with some to spare for learning from them.
func affordable(n int, size Size) error {
	const spare = 128 << 20
	bytes := int64(n) * int64(size.Len())
	if bytes > min(maxSet, math.MaxInt) {
		return fmt.Errorf("%d images of %v take %d GiB: choose a smaller size or fewer images", n, size, bytes>>30)
	}
	if _, free := machine.Memory(); free > 0 && bytes > spare && uint64(bytes+spare) > free {
		return fmt.Errorf("%d images of %v take %.1f GB, and there is %.1f GB of memory left: choose a smaller size or fewer images", n, size,
			float64(bytes)/1e9, float64(free)/1e9)
	}
	return nil
}
