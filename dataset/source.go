package dataset

// A source: what a reference leads to, found out by looking, before any image is read.

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/joule-ebm/joule/dataset/internal/files"
	"github.com/joule-ebm/joule/dataset/internal/imagefile"
	"github.com/joule-ebm/joule/internal/filekind"
)

// Source is a data set that was found, and not read yet. It must be closed.
type Source struct {
	Reference
	Contents
	builtIn *builtInSet
	tree    files.Tree
	layout  layout
	split   string // that is taken
	single  bool   // the tree is a single picture
	passed  []files.Passed
	masks   map[string][]string // of pictures with defects: see TestPictures
}

// Locate finds out what a reference (see [Usage]) leads to: of its splits the one it names, or else train, or the only one.
func Locate(ctx context.Context, ref string) (*Source, error) {
	s := &Source{Reference: ParseReference(ref)}
	if s.builtIn = builtInNamed(s.Name); s.builtIn != nil && s.builtIn.common && !learnt(s.Name) {
		if own := (&Source{Reference: s.Reference}); own.find(ctx) == nil {
			own.Warnings = append(own.Warnings, fmt.Sprintf("%s is the one here, not the built-in data set of that name", s.Name))
			return own, nil
		} else {
			own.Close()
		}
	}
	if s.builtIn != nil {
		s.Contents = Contents{Format: BuiltIn, Taken: []Part{{Name: ref, Files: 1}}}
		if _, err := os.Lstat(s.Name); err == nil {
			s.Warnings = append(s.Warnings, fmt.Sprintf("%s is the built-in data set; for the folder or file of that name here write %s", s.Name,
				"."+string(filepath.Separator)+s.Name))
		}
		return s, nil
	}
	if err := s.find(ctx); err != nil {
		s.Close()
		return nil, fmt.Errorf("%s: %w", s.Name, err)
	}
	return s, nil
}

// learnt says whether a folder is what `joule train --data parts -o parts` writes: its pictures are samples, and no data set.
func learnt(folder string) bool {
	_, err := os.Stat(filepath.Join(folder, "metrics.jsonl"))
	return err == nil
}

// Close releases the source. What was read of it stays.
func (s *Source) Close() error {
	if s.tree == nil {
		return nil
	}
	return s.tree.Close()
}

// find finds the files of the source, the data set among them, and the split to take.
func (s *Source) find(ctx context.Context) error {
	file, inside, err := s.stat()
	if err != nil {
		return err
	}
	alone := ""
	info, err := os.Stat(file)
	switch {
	case err != nil:
		return err
	case info.IsDir():
		s.tree = files.Folder(file)
	case !info.Mode().IsRegular():
		return errors.New("neither a file nor a folder")
	default:
		if alone, err = s.openFile(file); err != nil {
			return err
		}
	}
	l, err := s.list(ctx, inside, &alone)
	if err != nil {
		return err
	}
	if s.layout, err = choose(l, alone); err != nil {
		if alone == "" {
			return err
		}
		s.layout = onePicture(alone) // which says what is wrong with it
	}
	if alone != "" && s.layout.format == picturesFormat {
		s.single = true
	}
	if s.split, err = pickSplit(s.Name, s.layout.splits, s.Split); err != nil {
		return err
	}
	if inside == "" && !s.single && s.layout.format == picturesFormat {
		columnsBeside(file, &s.layout)
	}
	s.passed, s.masks = l.Passed, masksOf(l)
	s.Contents = contents(l, s.layout, s.split, alone != "")
	return nil
}

// list lists the files of the source: of an archive those in the folder that is named, or a file that is, with those beside it.
func (s *Source) list(ctx context.Context, inside string, alone *string) (*files.Listing, error) {
	look := func(name string) bool { return *alone != "" || !imagefile.Named(name) }
	if inside == "" {
		return s.tree.List(ctx, look)
	}
	whole := s.tree
	s.tree = files.Within(whole, inside)
	l, err := s.tree.List(ctx, look)
	if err == nil && len(l.Files) > 0 {
		return l, nil
	}
	if s.tree = files.Within(whole, strings.TrimPrefix(path.Dir(inside), ".")); err == nil {
		l, err = s.tree.List(ctx, look)
	}
	if err != nil {
		return nil, err
	}
	*alone = path.Base(inside)
	for _, name := range []string{*alone, *alone + ".npy"} { // the arrays in an .npz are known without their suffix
		if slices.ContainsFunc(l.Files, func(f files.File) bool { return f.Name == name }) {
			*alone = name
			return l, nil
		}
	}
	return nil, fmt.Errorf("holds neither a file nor a folder %s", inside)
}

// stat finds the file or folder that the name leads to; for a folder inside an archive, the archive, and the folder in it.
func (s *Source) stat() (file, inside string, err error) {
	_, err = os.Stat(s.Name)
	if err == nil {
		return s.Name, "", nil
	}
	for dir := filepath.Dir(s.Name); dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if info, statErr := os.Stat(dir); statErr == nil && info.Mode().IsRegular() {
			rel, _ := filepath.Rel(dir, s.Name)
			return dir, path.Clean(filepath.ToSlash(rel)), nil
		}
	}
	switch {
	case strings.HasPrefix(s.Name, "~"):
		return "", "", errors.New("no such file or folder: ~ was not expanded; a shell does that where it is not in quotes")
	case errors.Is(err, fs.ErrNotExist):
		if dir, wdErr := os.Getwd(); wdErr == nil && !filepath.IsAbs(s.Name) {
			return "", "", fmt.Errorf("no such file or folder in %s, nor a built-in data set (%s)", dir, builtInNames(s.Name))
		}
		return "", "", fmt.Errorf("no such file or folder, nor a built-in data set (%s)", builtInNames(s.Name))
	}
	return "", "", err
}

// openFile makes a tree of a file: of an archive, or of the file alone with its companions.
func (s *Source) openFile(name string) (alone string, err error) {
	head, compression, err := files.Peek(name)
	if err != nil {
		return "", err
	}
	switch {
	case compression == "" && (strings.HasPrefix(string(head), "PK\x03\x04") || strings.HasPrefix(string(head), "PK\x05\x06")):
		s.tree, err = files.OpenZip(name)
		return "", err
	case files.IsTar(head, name):
		if kind, advice := filekind.Of(head); advice != "" && !strings.HasPrefix(kind, "tar") {
			return "", fmt.Errorf("this is a %s: %s", kind, advice)
		}
		s.tree = files.OpenTar(name)
		return "", nil
	}
	alone = filepath.Base(name)
	var companions []string
	for _, f := range formats() {
		if f.companions != nil {
			companions = append(companions, f.companions(alone)...)
		}
	}
	s.tree = files.Beside(name, companions)
	return alone, nil
}

// onePicture is the layout of a file that must be a picture, as it is nothing else.
func onePicture(name string) layout {
	p := part{files: []string{name}}
	return layout{format: picturesFormat, folder: ".", splits: map[string]part{"": p},
		pictures: func(_ context.Context, t files.Tree, _ string) (*pictureSource, error) { return inTree(t, p), nil }}
}

// pickSplit chooses the split asked for; by default the whole, train, or the only one there is.
func pickSplit[T any](name string, splits map[string]T, asked string) (string, error) {
	if asked == "" && len(splits) == 1 {
		for only := range splits {
			return only, nil
		}
	}
	if _, ok := splits[asked]; ok {
		return asked, nil
	}
	want := asked
	if asked == "" {
		want = Train
	}
	if _, ok := splits[want]; ok {
		return want, nil
	}
	var have []string
	for _, split := range slices.Sorted(maps.Keys(splits)) {
		if split == "" {
			if len(splits) == 1 {
				return "", fmt.Errorf("%s has no splits: leave out %q", name, ":"+asked)
			}
			have = append(have, name)
			continue
		}
		have = append(have, name+":"+split)
	}
	return "", fmt.Errorf("%s has no %s split: use %s", name, want, strings.Join(have, " or "))
}

// Option adjusts [Source.Open] and [Source.Images].
type Option func(*options)

type options struct {
	progress func(done, total int)
	warning  func(text string)
	label    string
	without  Combinations
}

func newOptions(opts []Option) options {
	o := options{progress: func(int, int) {}, warning: func(string) {}}
	for _, opt := range opts {
		opt(&o)
	}
	return o
}

// WithProgress has fn called, from the goroutine of Open, as images are decoded or scaled. Sources that need neither
// do not call it.
func WithProgress(fn func(done, total int)) Option { return func(o *options) { o.progress = fn } }

// WithWarnings has fn called with what a person should know of a source and its images, a line each, before the first image and after
// the last. [Source.Open] keeps them in the set.
func WithWarnings(fn func(text string)) Option { return func(o *options) { o.warning = fn } }

// WithLabel labels the images by an attribute, as [Set.LabelBy] does.
func WithLabel(attribute string) Option { return func(o *options) { o.label = attribute } }

// WithoutCombinations leaves out the images of some combinations of attributes, as [Set.Without] does.
func WithoutCombinations(c Combinations) Option { return func(o *options) { o.without = c } }

// Open reads the source as images of the wanted size; zeros keep the source's own.
//
// Pictures that cannot be read are left out and listed in Skipped; more than one in ten is an error. The order of the
// images is that of their sorted names, or of the file that holds them, and so the same wherever the set is opened.
func (s *Source) Open(ctx context.Context, want Size, opts ...Option) (*Set, error) {
	o := newOptions(opts)
	set, err := s.open(ctx, want, o)
	if err == nil && o.label != "" {
		err = set.LabelBy(o.label)
	}
	if err == nil && o.without != nil {
		set, err = set.Without(o.without)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.Name, err)
	}
	own, labelled := set.Contents.Warnings, set.Contents.Labelled
	set.Name = s.Reference.String()
	set.Contents = s.Contents
	if o.label == "" {
		set.Contents.Labelled = labelled
	}
	set.Contents.Warnings = slices.Concat(s.Warnings, s.layout.ofClasses, own)
	return set, nil
}

func (s *Source) open(ctx context.Context, want Size, o options) (*Set, error) {
	if err := want.check(); err != nil {
		return nil, err
	}
	if s.layout.pictures != nil {
		src, err := s.layout.pictures(ctx, s.tree, s.split)
		if err != nil {
			return nil, err
		}
		set, err := openPictures(ctx, src, want, o.progress)
		if err != nil && s.single && set != nil {
			err = set.Skipped[0].Err
		}
		return set, err
	}
	set, err := s.load(ctx, want, o)
	if err != nil {
		return nil, err
	}
	return set.resize(ctx, want, o.progress)
}

// load reads a set that is stored as a whole, or draws one.
func (s *Source) load(ctx context.Context, want Size, o options) (*Set, error) {
	if s.builtIn != nil {
		return s.builtIn.open(ctx, s.Split, want, o.progress)
	}
	set, err := s.layout.read(ctx, s.tree, s.layout.splits[s.split].files)
	if err == nil && s.layout.within != nil {
		set = s.layout.within(set, s.split)
	}
	return set, err
}

// Images walks the images one by one, decoding on all cores and keeping none. Without a split in its reference it visits
// all the pictures of a folder or archive, train and test alike; other sources are read as [Source.Open] does.
//
// An image that cannot be read is yielded with its name and an error saying why, and the walk goes on; so is a folder that cannot be
// looked into. An error with an empty name concerns the source as a whole and ends the walk. Both name the file.
func (s *Source) Images(ctx context.Context, want Size, opts ...Option) iter.Seq2[Image, error] {
	o := newOptions(opts)
	return func(yield func(Image, error) bool) {
		for _, w := range s.Warnings {
			o.warning(s.Name + ": " + w)
		}
		if s.layout.pictures == nil {
			s.readImages(ctx, want, o, yield)
			return
		}
		for _, p := range s.passed {
			if errors.Is(p.Err, files.ErrNoData) {
				continue
			}
			if name := s.nameOf(p.Name); !yield(Image{Name: name}, fmt.Errorf("%s: %w", name, p.Err)) {
				return
			}
		}
		src, err := s.allPictures(ctx)
		if err == nil {
			err = want.check()
		}
		if err != nil {
			yield(Image{}, fmt.Errorf("%s: %w", s.Name, err))
			return
		}
		for _, w := range src.warnings {
			o.warning(s.Name + ": " + w)
		}
		var told warnings
		defer func() {
			for _, w := range told.lines() {
				o.warning(w)
			}
		}()
		for img, err := range decodeAll(ctx, src.visit, want) {
			switch {
			case img.Name == "":
				err = fmt.Errorf("%s: %w", s.Name, err)
			default:
				img.Name = s.nameOf(img.Name)
			}
			if err != nil && img.Name != "" {
				err = fmt.Errorf("%s: %w", img.Name, err)
			}
			told.add(img.Image)
			if !yield(img.Image, err) {
				return
			}
		}
	}
}

// nameOf is the name of a picture, or a folder, of the source as seen from outside.
func (s *Source) nameOf(inner string) string {
	if s.single {
		return s.Name
	}
	return path.Join(filepath.ToSlash(s.Name), inner)
}

// allPictures are those of the split that was asked for, or of all.
func (s *Source) allPictures(ctx context.Context) (*pictureSource, error) {
	if s.Split != "" || s.layout.format != picturesFormat {
		return s.layout.pictures(ctx, s.tree, s.split)
	}
	var all part
	for _, p := range s.layout.splits {
		all.files = append(all.files, p.files...)
	}
	slices.Sort(all.files)
	return inTree(s.tree, all), nil
}

// readImages yields the images of a set that is stored as a whole.
func (s *Source) readImages(ctx context.Context, want Size, o options, yield func(Image, error) bool) {
	set, err := s.open(ctx, want, options{progress: func(int, int) {}})
	if err != nil {
		yield(Image{}, fmt.Errorf("%s: %w", s.Name, err))
		return
	}
	for _, w := range set.Contents.Warnings {
		o.warning(s.Name + ": " + w)
	}
	stored := set.Stored
	for i := range set.Len() {
		img := Image{Name: fmt.Sprintf("%s[%d]", s.Reference, i), Size: set.Size(), Pixels: set.Image(i), Resized: set.Resized, Stored: stored}
		if !yield(img, nil) {
			return
		}
	}
}
