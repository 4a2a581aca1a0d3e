package dataset

// References: what a user writes to name a data set, such as "mnist:test" or "photos.zip".

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// The splits that a reference may name.
const (
	Train      = "train"
	Test       = "test"
	Validation = "val"
	Defects    = "defects" // of a data set made to test their detection: what no model of it is trained on
)

// splitWords are the words after a colon that name a split.
var splitWords = map[string]string{
	"train": Train, "training": Train, "test": Test, "testing": Test, "val": Validation, "valid": Validation, "validation": Validation, "defects": Defects,
	"severity1": "severity1", "severity2": "severity2", "severity3": "severity3", "severity4": "severity4", "severity5": "severity5", // of CIFAR-10-C
}

func isSplit(name string) bool { return splitWords[name] != "" }

// Reference is a reference to a data set, taken apart.
type Reference struct {
	Name  string // of a built-in set, or a path
	Split string // Train, Test, Validation or Defects; empty where none is named
}

// ParseReference takes a reference apart. A file that has the whole reference for its name is meant literally.
func ParseReference(ref string) Reference {
	i := strings.LastIndexByte(ref, ':')
	if i < 0 || !isSplit(ref[i+1:]) {
		return Reference{Name: ref}
	}
	if _, err := os.Lstat(ref); err == nil {
		return Reference{Name: ref}
	}
	return Reference{ref[:i], splitWords[ref[i+1:]]}
}

func (r Reference) String() string {
	if r.Split == "" {
		return r.Name
	}
	return r.Name + ":" + r.Split
}

// Beside is the reference itself, or, where that is a relative path to nothing, the same path seen from a folder, or else from those above
// it, that it leads to something from.
func (r Reference) Beside(folder string) Reference {
	if builtInNamed(r.Name) != nil || filepath.IsAbs(r.Name) || leads(r.Name) {
		return r
	}
	folder, err := filepath.Abs(folder)
	for ; err == nil; folder = filepath.Dir(folder) {
		if name := filepath.Join(folder, r.Name); leads(name) {
			return Reference{name, r.Split}
		}
		if folder == filepath.Dir(folder) {
			break
		}
	}
	return r
}

// leads says whether a path leads to something: to a file or folder, or into an archive.
func leads(name string) bool {
	for path := filepath.Clean(name); ; path = filepath.Dir(path) {
		info, err := os.Stat(path)
		if err == nil {
			return path == filepath.Clean(name) || info.Mode().IsRegular()
		}
		if path == filepath.Dir(path) || path == "." {
			return false
		}
	}
}

// WithSplit is a reference to a split of the same source; "" leaves the choice to [Open].
func (r Reference) WithSplit(split string) Reference { return Reference{r.Name, split} }

// OrSplit is the reference itself if it names a split, or else one to the given split.
func (r Reference) OrSplit(split string) Reference {
	if r.Split != "" {
		return r
	}
	return r.WithSplit(split)
}

// Unseen is where to look for images of the same source that training on r has not seen: in its test split, unless r itself names
// one that is not for training. Whether the source has that split, only opening it tells.
func (r Reference) Unseen() Reference {
	if r.Split == "" || r.Split == Train {
		return r.WithSplit(Test)
	}
	return r
}

// Contrast is a reference to images of a built-in set that are nothing like those of ref, where anything built in will do: clothes for
// digits and for gray images of which nothing is known, digits for clothes and for images in colour.
func Contrast(ref string, size Size) string {
	name := ParseReference(ref).Name
	others := slices.DeleteFunc(slices.Clone(builtIn), func(b builtInSet) bool { return b.name == name })
	i := slices.IndexFunc(others, func(b builtInSet) bool { return size.Channels == 1 || b.subject == Digits })
	return others[max(0, i)].unseen
}

// ShortName is a reference without the folders that lead to it, but for the one around a folder named after a split: "parts/train" of
// "/data/parts/train". What follows a comma, such as ", held out of training", stays.
func ShortName(ref string) string {
	dir, base := filepath.Split(filepath.Clean(ref))
	if split, _, _ := strings.Cut(base, ","); isSplit(split) && len(dir) > 1 {
		return filepath.Join(filepath.Base(dir), base)
	}
	return base
}
