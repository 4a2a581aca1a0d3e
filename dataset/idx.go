package dataset

// IDX, the format MNIST is published in: two zero bytes, an element type (0x08: unsigned byte), the number of
// dimensions d, d big-endian 32-bit sizes, then the elements in row-major order. Images are N,H,W or N,H,W,C; labels N.
// Files are often gzipped. Source: Y. LeCun, "The MNIST database of handwritten digits".

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/joule-ebm/joule/dataset/internal/files"
)

// maxIDX is the most an IDX file may declare, in bytes: three times the largest one published (EMNIST, 550 MB).
const maxIDX = 1<<31 - 1

// idxArray is the content of an IDX file.
type idxArray struct {
	dims []int
	data []uint8 // row-major
}

// readIDX reads one array of bytes, gzipped or plain. Memory grows with the data that is really there, up to what the
// header declares, so neither an absurd header nor a decompression bomb can claim more.
func readIDX(r io.Reader) (*idxArray, error) {
	in, _, err := files.Uncompressed(r)
	if err != nil {
		return nil, damaged(err, "damaged header")
	}
	var head [4]byte
	if _, err := io.ReadFull(in, head[:]); err != nil {
		return nil, damaged(err, "too short for an IDX file")
	}
	if head[0] != 0 || head[1] != 0 || head[3] < 1 || head[3] > 4 {
		return nil, errors.New("not an IDX file: its first bytes are not an IDX header")
	}
	if head[2] != 0x08 {
		return nil, fmt.Errorf("IDX element type 0x%02x: only unsigned bytes (0x08) are read", head[2])
	}
	sizes := make([]uint32, head[3])
	if err := binary.Read(in, binary.BigEndian, sizes); err != nil {
		return nil, damaged(err, "the IDX header is cut short")
	}
	var dims []int
	total := int64(1)
	for _, size := range sizes {
		if size == 0 {
			return nil, errors.New("the IDX header declares an empty array")
		}
		if total > maxIDX/int64(size) {
			return nil, fmt.Errorf("the IDX header declares more than %d bytes: the file is damaged or not IDX", maxIDX)
		}
		total *= int64(size)
		dims = append(dims, int(size))
	}
	data, err := readExactly(in, total)
	if err != nil {
		return nil, err
	}
	return &idxArray{dims, data}, nil
}

// idxSet puts images and their labels, or nil, together.
func idxSet(images, labels *idxArray) (*Set, error) {
	dims := images.dims
	if len(dims) == 3 {
		dims = append(dims, 1)
	}
	if len(dims) != 4 || dims[1] > maxSide || dims[2] > maxSide || dims[3] != 1 && dims[3] != 3 {
		return nil, fmt.Errorf("IDX dimensions %v are not those of images (N,H,W or N,H,W,C with 1 or 3 channels)", dims)
	}
	set := &Set{Height: dims[1], Width: dims[2], Channels: dims[3], Pixels: images.data}
	if labels == nil {
		return set, nil
	}
	if len(labels.dims) != 1 || labels.dims[0] != dims[0] {
		return nil, fmt.Errorf("%d images but label dimensions %v: the two files do not belong together", dims[0], labels.dims)
	}
	set.Labels = make([]int32, len(labels.data))
	for i, v := range labels.data {
		set.Labels[i] = int32(v)
	}
	set.Classes = numberedClasses(int(slices.Max(labels.data)) + 1)
	set.warnOfEmptyClasses()
	return set, nil
}

// numberedClasses names n classes that have no other names.
func numberedClasses(n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = strconv.Itoa(i)
	}
	return names
}

// damaged is the error for a read that failed: short, if the data ended, or what else happened.
func damaged(err error, short string) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New(short + ": fetch the file again")
	}
	return fmt.Errorf("cannot read it: %w", err)
}

// isIDX reports whether a file beginning like that is meant to be IDX, of any element type.
func isIDX(head []byte) bool {
	return len(head) >= 4 && head[0] == 0 && head[1] == 0 && head[2] >= 0x08 && head[2] <= 0x0e && head[3] >= 1 && head[3] <= 4
}

// The standard names, train-images-idx3-ubyte.gz and its variations: ".idx3" for "-idx3", any prefix or none.
var (
	idxImages = regexp.MustCompile(`(?i)^(.*)images([-._])idx[34]([-._]ubyte)(\.gz)?$`)
	idxTrain  = regexp.MustCompile(`(?i)train`)
	idxTest   = regexp.MustCompile(`(?i)t10k|test`)
)

// labelFiles are the standard names for the labels of an images file, or none if its own name is not standard.
func labelFiles(images string) []string {
	dir, base := path.Split(images)
	m := idxImages.FindStringSubmatch(base)
	if m == nil {
		return nil
	}
	stem := dir + m[1] + "labels" + m[2] + "idx1" + m[3]
	return []string{stem, stem + ".gz"}
}

// findIDX finds the images files of a folder: those that begin like one, or have a customary name. A file that is named by itself may
// be of any element type, to be refused with the reason.
var findIDX = inFolders(func(list []files.File, alone string) []layout {
	there := map[string]bool{}
	for _, f := range list {
		there[f.Name] = true
	}
	found := layout{splits: map[string]part{}}
	for _, f := range list {
		named := idxImages.MatchString(path.Base(f.Name))
		begins := isIDX(f.Head) && (f.Head[3] == 3 || f.Head[3] == 4 || f.Name == alone)
		if alone != "" && f.Name != alone || !named && !begins || named && len(f.Head) > 0 && !isIDX(f.Head) && alone != "" {
			continue
		}
		if plain := strings.TrimSuffix(f.Name, ".gz"); plain != f.Name && there[plain] {
			continue
		}
		split := ""
		switch base := path.Base(f.Name); {
		case idxTrain.MatchString(base):
			split = Train
		case idxTest.MatchString(base):
			split = Test
		}
		found.splits[split] = part{files: append(found.splits[split].files, f.Name)}
		if labels := labelsAmong(f.Name, there); labels != "" {
			found.extra = append(found.extra, labels)
		}
		if strings.Contains(strings.ToLower(path.Base(f.Name)), "emnist") {
			found.warnings = append(found.warnings, fmt.Sprintf("%s: EMNIST's files hold the characters transposed, lying on their side; they are read as they are", f.Name))
		}
	}
	if len(found.splits) == 0 {
		return nil
	}
	found.read = func(ctx context.Context, t files.Tree, images []string) (*Set, error) {
		if len(images) > 1 {
			return nil, fmt.Errorf("holds several sets of images (%s): name the file of one", strings.Join(images, ", "))
		}
		wanted, labels := images, labelsAmong(images[0], there)
		if labels != "" {
			wanted = []string{images[0], labels}
		}
		arrays := map[string]*idxArray{}
		err := readAll(ctx, t, wanted, func(name string, r io.Reader) (err error) {
			arrays[name], err = readIDX(r)
			return err
		})
		if err != nil {
			return nil, err
		}
		return idxSet(arrays[images[0]], arrays[labels])
	}
	return []layout{found}
})

// labelsAmong is the file of the labels of an images file, "" if it is not there.
func labelsAmong(images string, there map[string]bool) string {
	for _, name := range labelFiles(images) {
		if there[name] {
			return name
		}
	}
	return ""
}
