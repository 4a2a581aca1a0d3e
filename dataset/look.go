package dataset

// Looking at a source before using it: what was understood of it, in numbers and in a few of its images.

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Overview is what a look at a source has shown. The numbers are those of the split that is taken, as far as it was looked at.
type Overview struct {
	Contents
	Splits   []Count      `json:"splits"` // with the pictures in each, 0 where that is not known yet; empty where the source has none
	Images   int          `json:"images"`
	Looked   int          `json:"looked"` // of the images
	Smallest [2]int       `json:"smallest"`
	Largest  [2]int       `json:"largest"` // height and width
	Coloured int          `json:"coloured"`
	Classes  []Count      `json:"classes"`
	Skipped  []Unreadable `json:"skipped"` // that cannot be read

	Sheet []Image `json:"-"` // some, evenly taken, of the size asked for
}

// Count is a number of images, or of files, of a kind.
type Count struct {
	Name   string `json:"name"`
	Number int    `json:"number"`
}

// Unreadable is a picture that cannot be read.
type Unreadable struct {
	Name string `json:"name"`
	Why  string `json:"why"`
}

// Look looks at the first so many images of the source, or all for 0, and keeps at most sheet of them, evenly taken, with sides of tile.
func (s *Source) Look(ctx context.Context, most, sheet, tile int, opts ...Option) (*Overview, error) {
	o := newOptions(opts)
	v := &Overview{Contents: s.Contents, Splits: s.splits()}
	v.Warnings = slices.Concat(s.Warnings, s.layout.ofClasses)
	src, err := s.pictures(ctx, Size{})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.Name, err)
	}
	v.Images, v.Labelled = src.n, src.labelled
	want := src.n
	if most > 0 {
		want = min(want, most)
	}
	counts := make([]int, len(src.classes))
	shown := make([]*Image, min(sheet, want))
	inner, cancel := context.WithCancel(ctx)
	defer cancel()
	var told warnings
	for img, err := range decodeAll(inner, src.visit, Size{tile, tile, 0}) {
		if img.Name == "" {
			return nil, fmt.Errorf("%s: %w", s.Name, err)
		}
		v.Looked++
		o.progress(v.Looked, want)
		if err != nil {
			v.Skipped = append(v.Skipped, Unreadable{img.Name, err.Error()})
		} else {
			v.add(img.Image)
			told.add(img.Image)
			if img.label >= 0 && int(img.label) < len(counts) {
				counts[img.label]++
			}
			if slot := img.at * len(shown) / max(1, src.n); most == 0 || want == src.n {
				keep(shown, slot, img.Image)
			} else { // the first ones, in the source's own order
				keep(shown, (v.Looked-1)*len(shown)/want, img.Image)
			}
		}
		if v.Looked == want {
			break
		}
	}
	for i, class := range src.classes {
		v.Classes = append(v.Classes, Count{class, counts[i]})
	}
	for _, img := range shown {
		if img != nil {
			v.Sheet = append(v.Sheet, *img)
		}
	}
	v.Warnings = slices.Concat(v.Warnings, src.warnings, told.lines())
	return v, ctx.Err()
}

func keep(shown []*Image, slot int, img Image) {
	if slot < len(shown) && shown[slot] == nil {
		shown[slot] = &img
	}
}

func (v *Overview) add(img Image) {
	size := [2]int{img.Stored.Height, img.Stored.Width}
	area := func(s [2]int) int { return s[0] * s[1] }
	if v.Smallest == [2]int{} || area(size) < area(v.Smallest) {
		v.Smallest = size
	}
	if area(size) > area(v.Largest) {
		v.Largest = size
	}
	if img.Stored.Channels == 3 {
		v.Coloured++
	}
}

// splits are those of the source, with the number of pictures in each where that is known without reading.
func (s *Source) splits() (counts []Count) {
	for _, split := range []string{Train, Test, Validation, Defects} {
		p, ok := s.layout.splits[split]
		if s.builtIn != nil {
			_, ok = s.builtIn.splits[split]
		}
		switch {
		case ok && s.layout.format == picturesFormat:
			counts = append(counts, Count{split, len(p.files)})
		case ok:
			counts = append(counts, Count{Name: split})
		}
	}
	return counts
}

// pictures are those of the split that is taken; the images of a set that is stored as a whole are read first, or drawn for the wanted size.
func (s *Source) pictures(ctx context.Context, want Size) (*pictureSource, error) {
	if s.layout.pictures != nil {
		return s.layout.pictures(ctx, s.tree, s.split)
	}
	set, err := s.load(ctx, want, newOptions(nil))
	if err != nil {
		return nil, err
	}
	src := &pictureSource{n: set.Len(), classes: set.Classes, attributes: set.Attributes, numbers: set.Numbers, subject: set.Subject, byTable: set.byTable,
		warnings: set.Contents.Warnings}
	src.visit = func(ctx context.Context, fn func(encoded) error) error {
		for i := range set.Len() {
			if err := ctx.Err(); err != nil {
				return err
			}
			label := int32(-1)
			if set.Labels != nil {
				label = set.Labels[i]
			}
			if err := fn(encoded{at: i, name: fmt.Sprintf("[%d]", i), label: label, image: set.picture(i)}); err != nil {
				return err
			}
		}
		return nil
	}
	return src, nil
}

// String tells of it on a few lines.
func (v *Overview) String() string {
	var b strings.Builder
	line := func(name, text string) {
		if text != "" {
			fmt.Fprintf(&b, "%-10s %s\n", name, text)
		}
	}
	line("format", v.Format)
	files := v.Contents
	files.Labelled = ""
	taken, left, _ := strings.Cut(files.String(), "; left out: ")
	_, taken, _ = strings.Cut(taken, ": ")
	line("taken", taken)
	line("left out", left)
	var splits []string
	for _, c := range v.Splits {
		text := c.Name
		if c.Number > 0 {
			text += fmt.Sprintf(" %d", c.Number)
		}
		splits = append(splits, text)
	}
	line("splits", strings.Join(splits, ", "))
	number := fmt.Sprint(v.Images)
	if v.Looked < v.Images {
		number += fmt.Sprintf(", of which %d were looked at", v.Looked)
	}
	line("images", number)
	size := fmt.Sprintf("%dx%d", v.Largest[0], v.Largest[1])
	if v.Smallest != v.Largest {
		size = fmt.Sprintf("%dx%d to %s", v.Smallest[0], v.Smallest[1], size)
	}
	switch good := v.Looked - len(v.Skipped); v.Coloured {
	case 0:
		size += ", gray"
	case good:
		size += ", in colour"
	default:
		size += fmt.Sprintf(", %d of %d in colour", v.Coloured, good)
	}
	line("size", size)
	if len(v.Classes) > 0 {
		line("classes", fmt.Sprintf("%d: %s", len(v.Classes), counted(v.Classes, 20)))
	}
	line("table", v.Labelled)
	for i, u := range v.Skipped {
		if i == 10 {
			line("unreadable", fmt.Sprintf("and %d more", len(v.Skipped)-i))
			break
		}
		line("unreadable", u.Name+": "+u.Why)
	}
	for _, w := range v.Warnings {
		line("warning", w)
	}
	return b.String()
}

func counted(counts []Count, most int) string {
	var names []string
	for _, c := range counts[:min(most, len(counts))] {
		names = append(names, fmt.Sprintf("%s %d", quoted(c.Name), c.Number))
	}
	if len(counts) > most {
		least := slices.MinFunc(counts, func(a, b Count) int { return cmp.Compare(a.Number, b.Number) })
		names = append(names, fmt.Sprintf("and %d more (the fewest: %s %d)", len(counts)-most, quoted(least.Name), least.Number))
	}
	return strings.Join(names, ", ")
}

// Preview is what the images of a source are like, as far as a few of them tell.
type Preview struct {
	Images        int
	Height, Width int  // the usual size of an image: that of the one with the middle shorter side
	Coloured      bool // whether any of those looked at is
}

// Preview looks at so many images of the source: pictures evenly taken, or else the first ones.
func (s *Source) Preview(ctx context.Context, most int) (p Preview, err error) {
	if s.builtIn != nil {
		size := s.builtIn.usual
		return Preview{s.builtIn.images, size.Height, size.Width, size.Channels == 3}, nil
	}
	var src *pictureSource
	if files := s.layout.splits[s.split].files; s.layout.format == picturesFormat && len(files) > most {
		var some part
		for i := range most {
			some.files = append(some.files, files[i*len(files)/most])
		}
		src = inTree(s.tree, some)
		src.n = len(files)
	} else if src, err = s.pictures(ctx, Size{}); err != nil {
		return p, fmt.Errorf("%s: %w", s.Name, err)
	}
	inner, cancel := context.WithCancel(ctx)
	defer cancel()
	var sizes []Size
	var failed error
	for img, err := range decodeAll(inner, src.visit, Size{64, 64, 0}) {
		switch {
		case err != nil && img.Name == "":
			return p, fmt.Errorf("%s: %w", s.Name, err)
		case err != nil:
			failed = err
		default:
			sizes = append(sizes, img.Stored)
			p.Coloured = p.Coloured || img.Stored.Channels == 3
		}
		if most--; most <= 0 {
			break
		}
	}
	if len(sizes) == 0 {
		return p, fmt.Errorf("%s: no image of it can be read: %w", s.Name, cmp.Or(failed, ctx.Err(), errors.New("there is none")))
	}
	slices.SortStableFunc(sizes, func(a, b Size) int { return cmp.Compare(min(a.Height, a.Width), min(b.Height, b.Width)) })
	middle := sizes[len(sizes)/2]
	p.Images, p.Height, p.Width = src.n, middle.Height, middle.Width
	return p, nil
}
