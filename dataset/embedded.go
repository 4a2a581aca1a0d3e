package dataset

// The data sets kept in the program, so that a first run needs no download: MNIST, and a sample of Fashion-MNIST to test detection
// against. Provenance and licences: embedded/NOTICE.

import (
	"context"
	"embed"
)

//go:embed embedded/mnist embedded/fashion-mnist-10k
var embedded embed.FS

var embeddedSets = []builtInSet{
	{
		name: "fashion-mnist", subject: Clothes, unseen: "fashion-mnist", usual: Size{28, 28, 1}, images: 10_000,
		splits: map[string]builtInSplit{"": embeddedSplit("fashion-mnist-10k/images-idx3-ubyte.gz", "fashion-mnist-10k/labels-idx1-ubyte.gz",
			"T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")},
	},
	{
		name: "mnist", subject: Digits, unseen: "mnist:test", usual: Size{28, 28, 1}, images: 60_000,
		splits: map[string]builtInSplit{
			Train: digits(embeddedSplit("mnist/train-images-idx3-ubyte.gz", "mnist/train-labels-idx1-ubyte.gz")),
			Test:  digits(embeddedSplit("mnist/t10k-images-idx3-ubyte.gz", "mnist/t10k-labels-idx1-ubyte.gz")),
		},
	},
}

// embeddedSplit reads a file of images and one of labels, which name the classes or else are their numbers. Only what is asked for is
// ever decompressed.
func embeddedSplit(images, labels string, classes ...string) builtInSplit {
	return func(context.Context, Size, func(done, total int)) (*Set, error) {
		var arrays [2]*idxArray
		for i, file := range []string{images, labels} {
			f, err := embedded.Open("embedded/" + file)
			if err != nil {
				return nil, err
			}
			if arrays[i], err = readIDX(f); err != nil {
				return nil, err
			}
		}
		set, err := idxSet(arrays[0], arrays[1])
		if err == nil && classes != nil {
			set.Classes = classes
		}
		return set, err
	}
}

// digits is a split of digits with what is known of them.
func digits(open builtInSplit) builtInSplit {
	return func(ctx context.Context, want Size, progress func(done, total int)) (*Set, error) {
		set, err := open(ctx, want, progress)
		if err == nil {
			describeDigits(set)
		}
		return set, err
	}
}
