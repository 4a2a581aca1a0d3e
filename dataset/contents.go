package dataset

// What a source was found to hold, told in words: what is taken, what is left out and why, and what to beware of.

import (
	"cmp"
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/joule-ebm/joule/dataset/internal/files"
	"github.com/joule-ebm/joule/dataset/internal/imagefile"
	"github.com/joule-ebm/joule/internal/filekind"
)

// Contents says what of a source is read.
type Contents struct {
	Format  string `json:"format"` // "pictures", "IDX", "CIFAR", "built in" and so on
	Taken   []Part `json:"taken"`
	LeftOut []Part `json:"left_out"`
	// Labelled says which column of a table the classes are, or why none is, once the images are read.
	Labelled string `json:"labelled,omitempty"`
	// Warnings are what a person should know before using the images, a line each.
	Warnings []string `json:"warnings"`
}

// Part is some files of a source.
type Part struct {
	Name  string `json:"name"` // the folder they are in, the file, or their kind
	Files int    `json:"files"`
	Why   string `json:"why,omitempty"` // they are left out
}

// String is one line: what is taken, and what is left out.
func (c Contents) String() string {
	line := listed(c.Taken, func(p Part) string {
		if p.Name == "" {
			return fmt.Sprint(p.Files)
		}
		return fmt.Sprintf("%d of %s", p.Files, quoted(p.Name))
	})
	if c.Format == picturesFormat {
		line = "pictures: " + line
	} else {
		line = c.Format + ": " + listed(c.Taken, func(p Part) string { return p.Name })
	}
	if len(c.LeftOut) > 0 {
		line += "; left out: " + listed(c.LeftOut, func(p Part) string {
			if p.Files > 1 {
				return fmt.Sprintf("%s (%d: %s)", p.Name, p.Files, p.Why)
			}
			return fmt.Sprintf("%s (%s)", p.Name, p.Why)
		})
	}
	if c.Labelled != "" {
		line += "; " + c.Labelled
	}
	return line
}

// quoted shows where a name that has a comma begins and ends.
func quoted(name string) string {
	if strings.Contains(name, ",") {
		return strconv.Quote(name)
	}
	return name
}

// listed names a few parts.
func listed(parts []Part, name func(Part) string) string {
	const few = 8
	var names []string
	for _, p := range parts[:min(few, len(parts))] {
		names = append(names, name(p))
	}
	if len(parts) > few {
		rest := 0
		for _, p := range parts[few:] {
			rest += p.Files
		}
		names = append(names, fmt.Sprintf("and %d more in %d others", rest, len(parts)-few))
	}
	return strings.Join(names, ", ")
}

// isPicture says whether a file is one, by its name, or by how it begins where its name says nothing.
func isPicture(f files.File) bool {
	return imagefile.Named(f.Name) || imagefile.Begins(f.Head) && !imagefile.Raw(f.Name)
}

// contents tells of a split of a layout among all files.
func contents(l *files.Listing, found layout, split string, alone bool) Contents {
	c := Contents{Format: found.format, Warnings: slices.Concat(l.Warnings, found.warnings)}
	taken := found.splits[split]
	c.Taken = takenParts(taken, found.format == picturesFormat)
	c.LeftOut = slices.Clone(taken.left)
	if found.pictures == nil {
		for _, other := range []string{Train, Test, Validation, Defects} {
			if p := found.splits[other]; other != split && len(p.files) > 0 {
				c.LeftOut = append(c.LeftOut, Part{Name: ":" + other, Files: len(p.files), Why: "another split"})
			}
		}
	}
	if alone {
		return c
	}
	used := found.all()
	for _, name := range found.copies {
		used[name] = true
		c.LeftOut = append(c.LeftOut, Part{name, 1, "a copy"})
	}
	rest, order := map[string]*Part{}, []string(nil)
	count := func(f files.File, name, why string) {
		if rest[name] == nil {
			rest[name] = &Part{Name: name, Why: why}
			order = append(order, name)
		}
		rest[name].Files++
	}
	pictures, example := 0, ""
	for _, f := range l.Files {
		switch kind, advice := filekind.Of(f.Head); {
		case used[f.Name] || found.pictures != nil && isPicture(f):
		case isPicture(f):
			if pictures++; example == "" {
				example = f.Name
			}
		case imagefile.Raw(f.Name):
			count(f, strings.ToLower(path.Ext(f.Name)), "a camera's raw file: export it as PNG or TIFF")
		case advice != "":
			suffix := cmp.Or(strings.ToLower(path.Ext(f.Name)), f.Name)
			count(f, suffix, kind+": "+advice)
		default:
			count(f, cmp.Or(strings.ToLower(path.Ext(f.Name)), f.Name), "no pictures")
		}
	}
	if pictures > 0 {
		c.LeftOut = append(c.LeftOut, Part{"pictures", pictures, "beside " + found.format + " files"})
		c.Warnings = append(c.Warnings, fmt.Sprintf("%d pictures, such as %s, are left out: the %s files beside them are taken for the data set "+
			"(to train on the pictures, move them to a folder of their own)", pictures, example, found.format))
	}
	for _, name := range order {
		p := *rest[name]
		if c.LeftOut = append(c.LeftOut, p); p.Why != "no pictures" {
			c.Warnings = append(c.Warnings, fmt.Sprintf("%s left out: %s (%s)", filesAre(p.Files), p.Name, p.Why))
		}
	}
	for _, p := range l.Passed {
		why := p.Err.Error()
		if errors.Is(p.Err, files.ErrNoData) {
			why = strings.TrimSuffix(why, ": "+files.ErrNoData.Error())
		} else {
			c.Warnings = append(c.Warnings, fmt.Sprintf("%s is left out: %v", p.Name, p.Err))
		}
		c.LeftOut = append(c.LeftOut, Part{p.Name, 1, why})
	}
	return c
}

func filesAre(n int) string {
	if n == 1 {
		return "1 file is"
	}
	return fmt.Sprintf("%d files are", n)
}

// takenParts counts files by the folder of their class, pictures, or names them.
func takenParts(p part, pictures bool) (parts []Part) {
	if !pictures {
		for _, name := range p.files {
			parts = append(parts, Part{Name: name, Files: 1})
		}
		return parts
	}
	const classesNamed = 8
	depth := p.depth
	if p.classes != nil && len(p.classes) <= classesNamed {
		depth++
	}
	at := map[string]int{}
	for _, name := range p.files {
		folder := leading(name, depth)
		i, ok := at[folder]
		if !ok {
			i = len(parts)
			at[folder] = i
			parts = append(parts, Part{Name: folder})
		}
		parts[i].Files++
	}
	return parts
}

// leading are the first folders of a name.
func leading(name string, depth int) string {
	folders := strings.Split(name, "/")
	return strings.Join(folders[:min(depth, len(folders)-1)], "/")
}

// nothingIn says that a listing holds no data set, and what it holds instead.
func nothingIn(l *files.Listing) error {
	kinds, order := map[string]int{}, []string(nil)
	for _, f := range l.Files {
		if kind, advice := filekind.Of(f.Head); advice != "" {
			what := fmt.Sprintf("%s is a %s: %s", f.Name, kind, advice)
			if kinds[kind]++; kinds[kind] == 1 {
				order = append(order, what)
			}
		}
	}
	message := fmt.Sprintf("holds no pictures (%s), nor files of another format that is read (see joule train --help)", imagefile.Names())
	if len(order) > 0 {
		message += "; " + strings.Join(order[:min(3, len(order))], "; ")
	}
	for _, p := range l.Passed {
		if !errors.Is(p.Err, files.ErrNoData) {
			message += fmt.Sprintf("; %s: %v", p.Name, p.Err)
			break
		}
	}
	return errors.New(message)
}
