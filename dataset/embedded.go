package dataset

// The data sets that come with the program, so that a first run needs no download: MNIST, and a sample of
// Fashion-MNIST to test detection against. Provenance and licences: embedded/NOTICE.

import (
	"embed"
	"slices"
	"strings"
)

//go:embed embedded/mnist embedded/fashion-mnist-10k
var embedded embed.FS

// Digits is the [Set.Subject] of handwritten digits, 0 to 9.
const Digits = "digits"

// builtInSet says which files hold which split; only the split asked for is ever decompressed.
type builtInSet struct {
	name    string
	subject string
	splits  map[string][2]string // split: images file, labels file; "" is a set without splits
	classes []string             // nil: numbers
	unseen  string               // the reference to images that nothing was trained on by default
}

// builtIn are the sets, those that make the better contrast to others first.
var builtIn = []builtInSet{
	{
		name: "fashion-mnist", subject: "clothes", unseen: "fashion-mnist",
		splits: map[string][2]string{
			"": {"fashion-mnist-10k/images-idx3-ubyte.gz", "fashion-mnist-10k/labels-idx1-ubyte.gz"},
		},
		classes: []string{"T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"},
	},
	{
		name: "mnist", subject: Digits, unseen: "mnist:test",
		splits: map[string][2]string{
			Train: {"mnist/train-images-idx3-ubyte.gz", "mnist/train-labels-idx1-ubyte.gz"},
			Test:  {"mnist/t10k-images-idx3-ubyte.gz", "mnist/t10k-labels-idx1-ubyte.gz"},
		},
	},
}

// builtInNamed is the built-in set of that name, nil if there is none.
func builtInNamed(name string) *builtInSet {
	if i := slices.IndexFunc(builtIn, func(b builtInSet) bool { return b.name == name }); i >= 0 {
		return &builtIn[i]
	}
	return nil
}

func builtInNames() string {
	var names []string
	for _, b := range builtIn {
		names = append(names, b.name)
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// open reads a split.
func (b *builtInSet) open(split string) (*Set, error) {
	split, err := pickSplit(b.name, b.splits, split)
	if err != nil {
		return nil, err
	}
	var arrays [2]*idxArray
	for i, file := range b.splits[split] {
		f, err := embedded.Open("embedded/" + file)
		if err != nil {
			return nil, err
		}
		if arrays[i], err = readIDX(f); err != nil {
			return nil, err
		}
	}
	set, err := idxSet(arrays[0], arrays[1])
	if err != nil {
		return nil, err
	}
	set.Subject = b.subject
	if b.classes != nil {
		set.Classes = b.classes
	}
	return set, nil
}
