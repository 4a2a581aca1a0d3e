package dataset

// Pictures to test the inspection of parts with: good ones and ones with a defect of some kind, which a mask shows. Folders and archives
// keep them as MVTec AD, BTAD and VisA do (folders.go); of the rendered parts there are as many as wanted. A picture and its mask have the
// same path but for the folders that say which is which, and what follows the name:
//
//	bottle/test/broken/000.png     bottle/ground_truth/broken/000_mask.png
//
// or, as MVTec LOCO AD has them, a folder of masks that has the name of the picture:
//
//	cable/test/logical/000.png     cable/ground_truth/logical/000/000.png     cable/ground_truth/logical/000/001.png

import (
	"cmp"
	"context"
	"fmt"
	"image"
	"iter"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/joule-ebm/joule/dataset/internal/files"
	"github.com/joule-ebm/joule/dataset/internal/paint"
	"github.com/joule-ebm/joule/dataset/parts"
)

// TestPicture is a picture to test inspection with.
type TestPicture struct {
	Image
	Category string  // what is inspected, such as bottle, where the source has several; else empty
	Defect   string  // its kind; empty: the picture is good
	Mask     []uint8 // H×W, not 0 where the defect is; nil if that is not known, or there is none
}

// TestSet is the pictures of a source to test inspection with.
type TestSet struct {
	Categories []string // sorted; one that is empty where the source has but one
	Defects    []string // their kinds, sorted

	source *Source
	files  []testFile
	parts  []parts.Part // instead
}

// testFile is a picture in a file.
type testFile struct {
	name, category, defect string
	masks                  []string // the defect is where one of them is not 0
}

var (
	saysWhich  = regexp.MustCompile(`(?i)^(images?|imgs?|pictures?|data)$`)
	maskSuffix = regexp.MustCompile(`(?i)[-_ ](masks?|gt|labels?|ground[-_ ]?truth)$`)
)

// testKey is what the names of a picture and of its mask have in common.
func testKey(name string) string {
	folders := strings.Split(path.Dir(name), "/")
	folders = slices.DeleteFunc(folders, func(f string) bool { return saysWhich.MatchString(f) || masks.MatchString(f) || splitNamed(f) != "" })
	stem := strings.TrimSuffix(path.Base(name), path.Ext(name))
	return path.Join(path.Join(folders...), maskSuffix.ReplaceAllString(stem, ""))
}

// masksOf are the masks of a listing by their keys: one that has the name of a picture, or those in a folder that has.
func masksOf(l *files.Listing) map[string][]string {
	found, below := map[string][]string{}, map[string][]string{}
	for _, f := range l.Files {
		if dir := path.Dir(f.Name); isPicture(f) && slices.ContainsFunc(strings.Split(dir, "/"), masks.MatchString) {
			found[testKey(f.Name)] = []string{f.Name}
			of := testKey(dir + path.Ext(f.Name))
			below[of] = append(below[of], f.Name)
		}
	}
	for of, names := range below {
		if found[of] == nil {
			found[of] = names
		}
	}
	return found
}

// TestPictures finds the pictures to test inspection with, of each category and kind of defect at most n, or all for 0. It is an error if
// the source has no good ones, or none with defects.
func (s *Source) TestPictures(n int) (*TestSet, error) {
	t := &TestSet{source: s}
	if s.builtIn != nil {
		if err := t.rendered(n); err != nil {
			return nil, err
		}
		return t, nil
	}
	good, defects := s.layout.splits[Test].files, s.layout.splits[Defects].files
	if s.layout.format != picturesFormat || len(good) == 0 || len(defects) == 0 {
		return nil, fmt.Errorf("%s holds no pictures to test inspection with: want folders train/good, test/good, test/KIND for each kind of defect, "+
			"and ground_truth/KIND with masks, as MVTec AD has them", s.Name)
	}
	counts := map[[2]string]int{}
	add := func(name string, faulty bool) {
		key := testKey(name)
		f := testFile{category: path.Base(path.Dir(path.Dir(key)))}
		if faulty {
			f.defect = path.Base(path.Dir(key))
		}
		kind := [2]string{f.category, f.defect}
		if counts[kind]++; n == 0 || counts[kind] <= n {
			if f.name = name; faulty {
				f.masks = s.masks[key]
			}
			t.files = append(t.files, f)
		}
	}
	for _, name := range good {
		add(name, false)
	}
	for _, name := range defects {
		add(name, true)
	}
	for _, f := range t.files {
		t.Categories, t.Defects = append(t.Categories, f.category), append(t.Defects, f.defect)
	}
	t.Categories, t.Defects = distinct(t.Categories), distinct(t.Defects)[1:] // without that of good ones
	if len(t.Categories) == 1 {
		t.Categories[0] = ""
		for i := range t.files {
			t.files[i].category = ""
		}
	}
	return t, nil
}

func distinct(words []string) []string { return slices.Compact(slices.Sorted(slices.Values(words))) }

// rendered finds the pictures of rendered parts.
func (t *TestSet) rendered(n int) error {
	var kinds []int
	if _, kind, one := strings.Cut(t.source.Name, ":"); one {
		kinds = []int{slices.Index(parts.Kinds, kind)}
	}
	if t.source.builtIn.subject != Parts || slices.Contains(kinds, -1) {
		return fmt.Errorf("%s has no pictures to test inspection with: of the built-in sets parts has, and parts:plate and so on", t.source.Reference)
	}
	counts := map[[2]int]int{}
	for _, p := range slices.Concat(parts.TestParts(kinds...), parts.FaultyParts(kinds, nil)) {
		kind := [2]int{p.Kind, p.Defect}
		if counts[kind]++; n == 0 || counts[kind] <= n {
			t.parts = append(t.parts, p)
		}
	}
	t.Categories, t.Defects = []string{""}, slices.Sorted(slices.Values(parts.Defects[parts.Good+1:]))
	if kinds == nil {
		t.Categories = slices.Sorted(slices.Values(parts.Kinds))
	}
	return nil
}

// Len is the number of pictures.
func (t *TestSet) Len() int { return len(t.files) + len(t.parts) }

// All yields the pictures of the wanted size; zeros keep a picture's own. One that cannot be read is yielded with its name
// and an error, and the walk goes on; an error with an empty name is the last.
func (t *TestSet) All(ctx context.Context, want Size) iter.Seq2[TestPicture, error] {
	return func(yield func(TestPicture, error) bool) {
		if err := want.check(); err != nil {
			yield(TestPicture{}, err)
			return
		}
		if t.parts != nil {
			t.draw(ctx, want, yield)
			return
		}
		t.read(ctx, want, yield)
	}
}

// draw yields rendered parts.
func (t *TestSet) draw(ctx context.Context, want Size, yield func(TestPicture, error) bool) {
	side := usualParts
	if want.Height > 0 {
		side = min(max(want.Height, want.Width, leastDrawn), mostDrawn)
	}
	const chunk = 64
	for first := 0; first < len(t.parts); first += chunk {
		some := t.parts[first:min(first+chunk, len(t.parts))]
		drawn := make([]TestPicture, len(some))
		err := paint.Each(ctx, len(some), func(i int) {
			set := Set{Height: side, Width: side, Channels: 3, Pixels: make([]uint8, side*side*3)}
			mask := make([]uint8, side*side)
			some[i].Draw(set.Pixels, mask, side)
			drawn[i] = TestPicture{Image: fit(set.picture(0), 1, want.orNative(set.Size())), Mask: fitMask(mask, set.Size(), want)}
		})
		for i, p := range some {
			one := &drawn[i]
			one.Name = fmt.Sprintf("%s[%d]", t.source.Reference, first+i)
			if p.Defect == parts.Good {
				one.Mask = nil
			} else {
				one.Defect = parts.Defects[p.Defect]
			}
			if len(t.Categories) > 1 {
				one.Category = parts.Kinds[p.Kind]
			}
			if err == nil && !yield(*one, nil) {
				return
			}
		}
		if err != nil {
			yield(TestPicture{}, err)
			return
		}
	}
}

// fitMask brings a mask to the size that its picture is brought to.
func fitMask(mask []uint8, size, want Size) []uint8 {
	if want.Height == 0 || want.Height == size.Height && want.Width == size.Width {
		return mask
	}
	for i, v := range mask {
		if v != 0 {
			mask[i] = 255
		}
	}
	gray := &image.Gray{Pix: mask, Stride: size.Width, Rect: image.Rect(0, 0, size.Width, size.Height)}
	scaled := fit(gray, 1, Size{want.Height, want.Width, 1}).Pixels
	for i, v := range scaled {
		scaled[i] = v &^ 127 // at least half
	}
	return scaled
}

// cover adds to the mask what another one shows.
func (p *TestPicture) cover(mask []uint8) {
	if p.Mask == nil {
		p.Mask = mask
		return
	}
	for i, v := range mask {
		p.Mask[i] |= v
	}
}

// read yields pictures of files; masks are read before.
func (t *TestSet) read(ctx context.Context, want Size, yield func(TestPicture, error) bool) {
	tree := t.source.tree
	ofMask, ofName := map[string]Image{}, map[string]testFile{}
	var names, wanted []string
	for _, f := range t.files {
		names, ofName[f.name] = append(names, f.name), f
		wanted = append(wanted, f.masks...)
	}
	unreadable := map[string]error{}
	slices.Sort(names)
	slices.Sort(wanted)
	for img, err := range decodeAll(ctx, inTree(tree, part{files: wanted}).visit, Size{Channels: 1}) {
		switch {
		case img.Name == "":
			yield(TestPicture{}, fmt.Errorf("%s: %w", t.source.Name, err))
			return
		case err != nil:
			unreadable[img.Name] = err
		default:
			ofMask[img.Name] = img.Image
		}
	}
	for img, err := range decodeAll(ctx, inTree(tree, part{files: names}).visit, want) {
		f := ofName[img.Name]
		one := TestPicture{Image: img.Image, Category: f.category, Defect: f.defect}
		for _, name := range f.masks {
			mask, ok := ofMask[name]
			switch {
			case err != nil:
			case !ok:
				err = fmt.Errorf("its mask %s cannot be read: %w", name, unreadable[name])
			case mask.Height != img.Stored.Height || mask.Width != img.Stored.Width:
				err = fmt.Errorf("it is %dx%d, but its mask %s is %dx%d", img.Stored.Height, img.Stored.Width, name, mask.Height, mask.Width)
			default:
				one.cover(fitMask(mask.Pixels, mask.Size, want))
			}
		}
		if err != nil {
			err = fmt.Errorf("%s: %w", cmp.Or(img.Name, t.source.Name), err)
		}
		if !yield(one, err) {
			return
		}
	}
}
