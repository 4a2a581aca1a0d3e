package dataset

// Bringing a set that was stored at one size to another, on all cores.

import (
	"context"
	"image"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
)

// resize returns the set with images of the wanted size, cropped, scaled and converted as pictures are.
func (s *Set) resize(ctx context.Context, want Size, progress func(done, total int)) (*Set, error) {
	size := want.orNative(s.Size())
	if s.Stored = s.Size(); size == s.Size() {
		return s, nil
	}
	if err := affordable(s.Len(), size); err != nil {
		return nil, err
	}
	to := *s
	to.file, to.without, to.tiled = nil, nil, nil
	to.Height, to.Width, to.Channels = size.Height, size.Width, size.Channels
	to.Resized = size.Height != s.Height || size.Width != s.Width
	to.Pixels = make([]uint8, s.Len()*size.Len())
	var coloured atomic.Bool
	var next, finished atomic.Int64
	var running sync.WaitGroup
	ticks := make(chan struct{}, 1)
	for range runtime.GOMAXPROCS(0) {
		running.Go(func() {
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= s.Len() {
					return
				}
				img := fit(s.picture(i), 1, size)
				copy(to.Image(i), img.Pixels)
				if img.Stored.Channels == 3 && s.Channels == 3 {
					coloured.Store(true)
				}
				finished.Add(1)
				select {
				case ticks <- struct{}{}:
				default:
				}
			}
		})
	}
	go func() { running.Wait(); close(ticks) }()
	for range ticks {
		progress(int(finished.Load()), s.Len())
	}
	if !coloured.Load() {
		to.Stored.Channels = 1
	}
	return &to, ctx.Err()
}

// Through is a copy of the set whose images were brought to another size and back, as images of that size are scaled: they show the same,
// and carry the marks of resampling. Sides above eight times the images' own leave no other marks than those.
func (s *Set) Through(ctx context.Context, height, width int) (*Set, error) {
	via := Size{min(height, 8*s.Height), min(width, 8*s.Width), s.Channels}
	if err := via.check(); err != nil {
		return nil, err
	}
	to := s.Subset(nil)
	to.Pixels = make([]uint8, 0, s.Len()*s.Size().Len())
	for i := range s.Len() {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		there := fit(s.picture(i), 1, via)
		one := &Set{Height: via.Height, Width: via.Width, Channels: via.Channels, Pixels: there.Pixels}
		to.Pixels = append(to.Pixels, fit(one.picture(0), 1, s.Size()).Pixels...)
	}
	to.Labels = slices.Clone(s.Labels)
	return to, nil
}

// picture is image i as the image package knows one.
func (s *Set) picture(i int) image.Image {
	frame := image.Rect(0, 0, s.Width, s.Height)
	pixels := s.Image(i)
	if s.Channels == 1 {
		return &image.Gray{Pix: pixels, Stride: s.Width, Rect: frame}
	}
	rgba := image.NewRGBA(frame)
	for p := range len(pixels) / 3 {
		copy(rgba.Pix[4*p:], pixels[3*p:3*p+3])
		rgba.Pix[4*p+3] = 255
	}
	return rgba
}
