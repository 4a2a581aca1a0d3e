package dataset

// The data sets that come with the program, so that a first run needs no download: MNIST, and a sample of
// Fashion-MNIST to test detection against. Provenance and licences: embedded/NOTICE.

import "embed"

//go:embed embedded/mnist embedded/fashion-mnist-10k
var embedded embed.FS

// embeddedSets says which files hold which split; only the split asked for is ever decompressed.
var embeddedSets = map[string]struct {
	splits  map[string][2]string // split: images file, labels file; "" is a set without splits
	classes []string             // nil: the digits
}{
	"mnist": {splits: map[string][2]string{
		"train": {"mnist/train-images-idx3-ubyte.gz", "mnist/train-labels-idx1-ubyte.gz"},
		"test":  {"mnist/t10k-images-idx3-ubyte.gz", "mnist/t10k-labels-idx1-ubyte.gz"},
	}},
	"fashion-mnist": {
		splits: map[string][2]string{
			"": {"fashion-mnist-10k/images-idx3-ubyte.gz", "fashion-mnist-10k/labels-idx1-ubyte.gz"},
		},
		classes: []string{"T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"},
	},
}

func openEmbedded(name, split string) (*Set, error) {
	e := embeddedSets[name]
	files, err := pickSplit(name, e.splits, split)
	if err != nil {
		return nil, err
	}
	var arrays [2]*idxArray
	for i, file := range files {
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
	if e.classes != nil {
		set.Classes = e.classes
	}
	return set, nil
}
