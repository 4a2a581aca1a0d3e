package dataset

// STL-10: train_X.bin and test_X.bin hold 96x96 RGB images, channel by channel and each of these column by column; train_y.bin and
// test_y.bin a byte an image, 1 to 10; class_names.txt the names. unlabeled_X.bin is read if it is named by itself.
// Source: Coates, Ng, Lee, "An Analysis of Single-Layer Networks in Unsupervised Feature Learning", AISTATS 2011.

import (
	"context"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/joule-ebm/joule/dataset/internal/files"
)

const (
	stlSide   = 96
	stlPixels = 3 * stlSide * stlSide
	stlNames  = "class_names.txt"
)

var findSTL10 = inFolders(func(list []files.File, alone string) []layout {
	there := map[string]bool{}
	for _, f := range list {
		there[path.Base(f.Name)] = true
	}
	found := layout{splits: map[string]part{}}
	labels := map[string]string{}
	for _, f := range list {
		stem, ok := strings.CutSuffix(path.Base(f.Name), "_X.bin")
		if !ok || alone != "" && f.Name != alone || stem == "unlabeled" && alone == "" {
			continue
		}
		split := map[string]string{"train": Train, "test": Test, "unlabeled": ""}
		if _, known := split[stem]; !known {
			continue
		}
		found.splits[split[stem]] = part{files: []string{f.Name}}
		if y := stem + "_y.bin"; there[y] {
			labels[f.Name] = path.Join(path.Dir(f.Name), y)
			found.extra = append(found.extra, labels[f.Name])
		}
	}
	if len(found.splits) == 0 {
		return nil
	}
	names := ""
	for _, f := range list {
		if path.Base(f.Name) == stlNames {
			names = f.Name
			found.extra = append(found.extra, names)
		}
	}
	found.read = func(ctx context.Context, t files.Tree, images []string) (*Set, error) {
		set := &Set{Height: stlSide, Width: stlSide, Channels: 3}
		var numbers []int64
		var classes []string
		wanted := images
		for _, more := range []string{labels[images[0]], names} {
			if more != "" {
				wanted = append(wanted[:len(wanted):len(wanted)], more)
			}
		}
		err := readAll(ctx, t, wanted, func(name string, r io.Reader) (err error) {
			switch name {
			case images[0]:
				set.Pixels, err = readSTL10(r)
			case names:
				var text []byte
				text, err = readFile(r, 1<<16)
				classes = strings.Fields(string(text))
			default:
				var data []byte
				data, err = readFile(r, 1<<24)
				for _, v := range data {
					numbers = append(numbers, int64(v)-1)
				}
			}
			return err
		})
		if err != nil || labels[images[0]] == "" {
			return set, err
		}
		if err := set.label(set.Len(), numbers); err != nil {
			return nil, err
		}
		if len(classes) >= len(set.Classes) {
			set.Classes = classes
		}
		return set, nil
	}
	return []layout{found}
})

// stlCompanions are the files that may belong to a file of images.
func stlCompanions(base string) []string {
	if stem, ok := strings.CutSuffix(base, "_X.bin"); ok {
		return []string{stem + "_y.bin", stlNames}
	}
	return nil
}

// readSTL10 reads images and brings them into the order of pixels.
func readSTL10(r io.Reader) (pixels []uint8, err error) {
	image := make([]uint8, stlPixels)
	for {
		n, err := io.ReadFull(r, image)
		switch {
		case err == io.EOF && len(pixels) > 0:
			return pixels, nil
		case err != nil:
			return nil, damaged(err, fmt.Sprintf("%d bytes after the last whole image of %d bytes", n, stlPixels))
		case int64(len(pixels)) > maxSet-stlPixels:
			return nil, fmt.Errorf("more than %d GiB of images", int64(maxSet)>>30)
		}
		at := len(pixels)
		pixels = append(pixels, image...)
		for y := range stlSide {
			for x := range stlSide {
				for c := range 3 {
					pixels[at+(y*stlSide+x)*3+c] = image[(c*stlSide+x)*stlSide+y]
				}
			}
		}
	}
}
