// Package dataset is where images come from: the embedded MNIST and Fashion-MNIST sample, IDX files, the CIFAR files,
// and folders or archives of ordinary pictures. Whatever the source, the result is a [Set]: 8-bit images of one size,
// N,H,W,C, with labels where the source has them.
//
// [Open] reads a whole set; [Images] walks the pictures of a source one by one, reporting the bad ones; [ReadImage]
// reads a single picture. Everything a file declares about itself is checked before memory is spent on it.
package dataset

// This file: the set itself, and how one is divided.

import (
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/joule-ebm/joule/dataset/internal/mapped"
)

// Size is the shape of one image. In a request a zero stands for the source's own value; Height and Width are given
// together.
type Size struct {
	Height, Width int // pixels
	Channels      int // 1 (gray) or 3 (RGB)
}

// Len is the number of values in one image of that size.
func (z Size) Len() int { return z.Height * z.Width * z.Channels }

func (z Size) String() string { return fmt.Sprintf("%dx%dx%d", z.Height, z.Width, z.Channels) }

// maxSide bounds a requested or declared side; it keeps every product of sizes far from overflow.
const maxSide = 1 << 14

// check reports whether z can be asked for.
func (z Size) check() error {
	switch {
	case z.Height < 0 || z.Width < 0 || z.Height > maxSide || z.Width > maxSide || (z.Height == 0) != (z.Width == 0):
		return fmt.Errorf("image size %dx%d: give both sides between 1 and %d, or neither", z.Height, z.Width, maxSide)
	case z.Channels != 0 && z.Channels != 1 && z.Channels != 3:
		return fmt.Errorf("%d channels: give 1 (gray) or 3 (colour)", z.Channels)
	}
	return nil
}

// orNative fills the unspecified parts of z from the source's own size.
func (z Size) orNative(native Size) Size {
	if z.Height == 0 {
		z.Height, z.Width = native.Height, native.Width
	}
	if z.Channels == 0 {
		z.Channels = native.Channels
	}
	return z
}

// Set is a data set in memory, or one whose images are made as they are used: of a large .npy file on the disk, or tiles of pictures.
type Set struct {
	Name                    string
	Height, Width, Channels int
	Pixels                  []uint8     // N,H,W,C: Len()*Height*Width*Channels values, but see InMemory
	Labels                  []int32     // one an image, an index into Classes; nil if the source has none
	Classes                 []string    // class names; nil if the source has no labels
	Attributes              []Attribute // what else is known of the images by names; the labels are one of them
	Numbers                 []Number    // and what by numbers
	Subject                 string      // what the images show, where that is known, such as [Digits]
	Resized                 bool        // whether any image was scaled or cropped to this size
	Stored                  Size        // of the largest image as the source has it; one channel if none has a colour, as far as that was looked at
	Skipped                 []Skipped
	Contents                Contents // of the source, with what to beware of

	file    *mapped.File // that Pixels are in; nil if they are in memory
	without []int        // images of the file that are not in the set, sorted
	tiled   *tiled       // the pictures that the images are tiles of; nil if they are none
	byTable bool         // whether the labels are those that a table beside the images has, and nobody asked for them
	names   []string     // of the images within the source; nil if they have none, or are known only by their place
}

// InMemory is the set itself, unless its images are in a file or tiles: then a copy in memory. Only of a set in memory Pixels are all its
// images and no others.
func (s *Set) InMemory() *Set {
	if s.file == nil && s.tiled == nil {
		return s
	}
	return s.Subset(indices(s.Len()))
}

// see takes note of an image that was stored in one size and is kept in another.
func (s *Set) see(stored, kept Size) {
	if stored.Height*stored.Width > s.Stored.Height*s.Stored.Width {
		s.Stored.Height, s.Stored.Width = stored.Height, stored.Width
	}
	s.Stored.Channels = max(s.Stored.Channels, stored.Channels)
}

// Changed says in one line how the images differ from those stored: scaled, cropped, turned gray. It is empty if they do not.
// Less says whether pixels or colours were lost by that.
func (s *Set) Changed() (line string, less bool) {
	gray := s.Stored.Channels > s.Channels
	less = gray || s.Stored.Height > s.Height || s.Stored.Width > s.Width
	if !gray && !s.Resized {
		return "", false
	}
	line = "images "
	if gray {
		line += "in colour "
	}
	if s.Resized {
		if s.Stored.Height > 0 {
			line += fmt.Sprintf("of up to %dx%d ", s.Stored.Height, s.Stored.Width)
		}
		line += fmt.Sprintf("were scaled or cropped to %dx%d", s.Height, s.Width)
	}
	switch {
	case gray && s.Resized:
		line += " and turned gray"
	case gray:
		line += "were turned gray"
	}
	return line, less
}

// Skipped is an image that could not be read and was left out.
type Skipped struct {
	Name string // within the source
	Err  error
}

// Size is the shape of one image of the set.
func (s *Set) Size() Size { return Size{s.Height, s.Width, s.Channels} }

// Len is the number of images.
func (s *Set) Len() int {
	if s.tiled != nil {
		return s.tiled.pictures.Len() * len(s.tiled.tiles)
	}
	n := s.Size().Len()
	if n == 0 {
		return 0
	}
	return len(s.Pixels)/n - len(s.without)
}

// Image is image i, H,W,C: a view into Pixels, not a copy, or a tile.
func (s *Set) Image(i int) []uint8 {
	if s.tiled != nil {
		return s.tiled.image(i)
	}
	n := s.Size().Len()
	if s.file != nil {
		s.file.Look(n)
		// The i-th of those left has k others before it: the least k for which the k-th is not among them.
		i += sort.Search(len(s.without), func(k int) bool { return s.without[k]-k > i })
	}
	return s.Pixels[i*n : (i+1)*n : (i+1)*n]
}

// Subset copies the images at the given indices, in that order, into a set of their own.
func (s *Set) Subset(indices []int) *Set {
	sub := *s
	sub.Skipped, sub.file, sub.without, sub.tiled = nil, nil, nil, nil
	sub.Pixels = make([]uint8, 0, len(indices)*s.Size().Len())
	for _, i := range indices {
		sub.Pixels = append(sub.Pixels, s.Image(i)...)
	}
	if s.Labels != nil {
		sub.Labels = at(s.Labels, indices)
	}
	if s.names != nil {
		sub.names = at(s.names, indices)
	}
	sub.Attributes, sub.Numbers = slices.Clone(s.Attributes), slices.Clone(s.Numbers)
	for k, a := range s.Attributes {
		sub.Attributes[k].Labels = at(a.Labels, indices)
	}
	for k, n := range s.Numbers {
		sub.Numbers[k].Values = at(n.Values, indices)
	}
	return &sub
}

// Class is the label of the class of that name, -1 if the set has none. Labels of two sets mean the same only if their classes have the
// same names.
func (s *Set) Class(name string) int32 { return int32(slices.Index(s.Classes, name)) }

// OfClass copies the images with a label; there are none in a set without labels.
func (s *Set) OfClass(label int32) *Set {
	var chosen []int
	for i, l := range s.Labels {
		if l == label {
			chosen = append(chosen, i)
		}
	}
	return s.Subset(chosen)
}

// at are the elements of values at the given indices.
func at[T any](values []T, indices []int) (chosen []T) {
	for _, i := range indices {
		chosen = append(chosen, values[i])
	}
	return chosen
}

// Split holds out n images chosen by seed: the same ones for the same seed and set. Both parts keep the order of the
// set, whose own images are used up: the larger part takes their place in memory, or stays in its file. It is an error to hold out
// everything.
func (s *Set) Split(n int, seed uint64) (rest, held *Set, err error) {
	if n < 0 || n >= s.Len() {
		return nil, nil, fmt.Errorf("cannot hold out %d of the %d images of %s: hold out fewer", n, s.Len(), s.Name)
	}
	if s.tiled != nil { // a tile has neighbours that it shares pixels with
		return nil, nil, fmt.Errorf("cannot hold out tiles of %s: hold out pictures before they are divided", s.Name)
	}
	order := make([]int, s.Len())
	for i := range order {
		order[i] = s.At(seed, uint64(i))
	}
	slices.Sort(order[:n])
	slices.Sort(order[n:])
	held = s.Subset(order[:n])
	part := *s
	part.Skipped, part.names = nil, nil
	rest = &part
	rest.Attributes, rest.Numbers = slices.Clone(s.Attributes), slices.Clone(s.Numbers)
	for k, a := range s.Attributes { // before the labels, which may be those of an attribute, move
		rest.Attributes[k].Labels = at(a.Labels, order[n:])
	}
	for k, number := range s.Numbers {
		rest.Numbers[k].Values = at(number.Values, order[n:])
	}
	if s.file != nil {
		if len(s.without) > 0 {
			return nil, nil, fmt.Errorf("cannot hold out images of %s twice", s.Name)
		}
		rest.without = order[:n]
	}
	for to, from := range order[n:] {
		if s.file == nil {
			copy(s.Image(to), s.Image(from))
		}
		if s.Labels != nil {
			s.Labels[to] = s.Labels[from]
		}
	}
	if s.file == nil {
		rest.Pixels = s.Pixels[:(s.Len()-n)*s.Size().Len()]
	}
	if s.Labels != nil {
		rest.Labels = s.Labels[:len(s.Labels)-n]
	}
	s.Pixels, s.Labels, s.Attributes, s.Numbers, s.file = nil, nil, nil, nil, nil
	return rest, held, nil
}

// warnOfEmptyClasses tells of numbers below the highest label that no image has.
func (s *Set) warnOfEmptyClasses() {
	counts := make([]int, len(s.Classes))
	for _, label := range s.Labels {
		counts[label]++
	}
	var empty []string
	for class, n := range counts {
		if n == 0 {
			empty = append(empty, s.Classes[class])
		}
	}
	if len(empty) > 0 {
		s.Contents.Warnings = append(s.Contents.Warnings, fmt.Sprintf("%d of %d classes have no images (%s): nothing can be learnt of them", len(empty), len(counts),
			strings.Join(empty[:min(8, len(empty))], ", ")))
	}
}
