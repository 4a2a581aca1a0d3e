package dataset

// The data sets that come with the program, as a table: those kept in it (embedded.go) and those drawn when asked for (rendered.go).

import (
	"context"
	"slices"
	"strings"
)

// The [Set.Subject] of the built-in sets.
const (
	Digits  = "digits" // handwritten, 0 to 9
	Clothes = "clothes"
	Objects = "objects" // package objects
	Parts   = "parts"   // package parts
)

// builtInSet is a set that a name stands for.
type builtInSet struct {
	name    string
	subject string
	unseen  string                  // the reference to images that nothing was trained on by default
	splits  map[string]builtInSplit // "" is a set without splits
	usual   Size                    // of an image, where none is asked for
	images  int                     // of the split for training
	common  bool                    // the name is a word that folders have too: one here that holds a data set comes first
}

// builtInSplit makes a split, of the wanted size where any size can be had as well as another.
type builtInSplit func(ctx context.Context, want Size, progress func(done, total int)) (*Set, error)

// builtIn are the sets, those that make the better contrast to others first.
var builtIn = slices.Concat(embeddedSets, objectsSets(), partsSets())

// builtInNamed is the built-in set of that name, nil if there is none.
func builtInNamed(name string) *builtInSet {
	if i := slices.IndexFunc(builtIn, func(b builtInSet) bool { return b.name == name }); i >= 0 {
		return &builtIn[i]
	}
	return nil
}

// Drawn says whether a reference is to a set that is drawn when asked for, at any size.
func Drawn(ref string) bool {
	b := builtInNamed(ParseReference(ref).Name)
	return b != nil && (b.subject == Objects || b.subject == Parts)
}

// builtInNames lists the names like one that was not found: those that begin as it does before its colon, or the splits of the one that is
// named there, or else all without a colon.
func builtInNames(like string) string {
	family, _, chosen := strings.Cut(like, ":")
	chosen = chosen && builtInNamed(family) != nil
	var names []string
	for _, b := range builtIn {
		if first, more, colon := strings.Cut(b.name, ":"); !colon && !chosen || colon && chosen && first == family && !strings.Contains(more, ":") {
			names = append(names, b.name)
		}
	}
	if len(names) == 0 {
		for split := range builtInNamed(family).splits {
			names = append(names, family+":"+split)
		}
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// open makes a split.
func (b *builtInSet) open(ctx context.Context, split string, want Size, progress func(done, total int)) (*Set, error) {
	split, err := pickSplit(b.name, b.splits, split)
	if err != nil {
		return nil, err
	}
	set, err := b.splits[split](ctx, want, progress)
	if err != nil {
		return nil, err
	}
	set.Subject = b.subject
	return set, nil
}
