package dataset

// What a reference such as "mnist:test" or "photos.zip" stands for, and reading it.

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// Default is the reference to use where none is given.
const Default = "mnist"

// Usage explains references, for a program's help.
const Usage = `A data set is one of
  mnist            MNIST, 60,000 training images, built in (mnist:test: the 10,000 test images)
  fashion-mnist    10,000 Fashion-MNIST images, built in; a sample, not the official test split
or a path to
  an IDX file      images as MNIST publishes them, .gz or not; labels are found beside it
  a folder         of pictures (PNG, JPEG, GIF, BMP, WebP), one sub-folder a class, or flat;
                   or of IDX files; or of CIFAR-10/100 files, binary or Python version
  an archive       .tar, .tar.gz, .tgz or .zip of any such folder
  a picture
PATH:train, PATH:test and PATH:val select a split where the source has them; train is the default.
Pictures are scaled to the size asked for, shorter side first, and cropped at the centre;
transparent parts become white. Write ./mnist for a folder named mnist.`

// pickSplit chooses the split asked for; by default train, or the only one there is.
func pickSplit[T any](name string, splits map[string]T, asked string) (T, error) {
	if asked == "" && len(splits) == 1 {
		for _, only := range splits {
			return only, nil
		}
	}
	want := asked
	if asked == "" {
		want = "train"
	}
	if chosen, ok := splits[want]; ok {
		return chosen, nil
	}
	var none T
	var have []string
	for _, split := range slices.Sorted(maps.Keys(splits)) {
		if split == "" {
			return none, fmt.Errorf("%s has no splits: leave out %q", name, ":"+asked)
		}
		have = append(have, name+":"+split)
	}
	return none, fmt.Errorf("%s has no %s split: use %s", name, want, strings.Join(have, " or "))
}

// Option adjusts Open.
type Option func(*options)

type options struct{ progress func(done, total int) }

// WithProgress has fn called, from the goroutine of Open, as images are decoded or scaled. Sources that need neither
// do not call it.
func WithProgress(fn func(done, total int)) Option { return func(o *options) { o.progress = fn } }

// Open reads the data set ref stands for (see [Usage]) as images of the wanted size; zeros keep the source's own.
//
// Pictures that cannot be read are left out and listed in Skipped; more than one in ten is an error. The order of the
// images is that of their sorted names, or of the file that holds them, and so the same wherever the set is opened.
func Open(ctx context.Context, ref string, want Size, opts ...Option) (*Set, error) {
	o := options{progress: func(int, int) {}}
	for _, opt := range opts {
		opt(&o)
	}
	if err := want.check(); err != nil {
		return nil, err
	}
	r := ParseReference(ref)
	name, split := r.Name, r.Split
	src, err := locate(ctx, name)
	if err != nil {
		return nil, err
	}
	defer src.close()
	var set *Set
	if src.load != nil {
		if set, err = src.load(ctx, split); err == nil {
			set, err = set.resize(ctx, want, o.progress)
		}
	} else {
		var names []string
		if names, err = pickSplit(name, src.album.splits, split); err == nil {
			set, err = openAlbum(ctx, src.tree, src.album, names, want, o.progress)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	set.Name = ref
	return set, nil
}

// Images walks the images of ref one by one, decoding on all cores and keeping none. Without a split in ref it visits
// all the pictures of a folder or archive, train and test alike; other sources are read as [Open] does.
//
// An image that cannot be read is yielded with its name and an error saying why, and the walk goes on. An error with
// an empty name concerns the source as a whole and ends the walk. Both name the file.
func Images(ctx context.Context, ref string, want Size) iter.Seq2[Image, error] {
	return func(yield func(Image, error) bool) {
		if err := want.check(); err != nil {
			yield(Image{}, err)
			return
		}
		r := ParseReference(ref)
		name, split := r.Name, r.Split
		src, err := locate(ctx, name)
		if err != nil {
			yield(Image{}, err)
			return
		}
		defer src.close()
		if src.load != nil {
			set, err := src.load(ctx, split)
			if err == nil {
				set, err = set.resize(ctx, want, func(int, int) {})
			}
			if err != nil {
				yield(Image{}, err)
				return
			}
			for i := range set.Len() {
				img := Image{Name: fmt.Sprintf("%s[%d]", ref, i), Size: set.Size(), Pixels: set.Image(i), Resized: set.Resized}
				if !yield(img, nil) {
					return
				}
			}
			return
		}
		names, err := pickSplit(name, src.album.splits, split)
		if split == "" {
			names, err = src.album.pictures(), nil
		}
		if err != nil {
			yield(Image{}, err)
			return
		}
		for img, err := range decodeAll(ctx, src.tree, names, want) {
			switch {
			case img.Name == "":
				err = fmt.Errorf("%s: %w", name, err)
			case src.file:
				img.Name = name
			default:
				img.Name = path.Join(filepath.ToSlash(name), img.Name)
			}
			if err != nil && img.Name != "" {
				err = fmt.Errorf("%s: %w", img.Name, err)
			}
			if !yield(img, err) {
				return
			}
		}
	}
}
