package dataset

// Packing a source: its images decoded and brought to one size once and for all, in one .npy file that any program can read, with the labels
// in another, and names of classes and images, and what else is known of these, in a third:
//
//	set.npy  set-labels.npy  set.json
//
// Opened again it is the same set, to the last value. A large one is not read into memory, but as it is used.

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/joule-ebm/joule/internal/durable"
)

// What follows the stem of a packed set in the names of its other files.
const (
	packedLabels = "-labels.npy"
	packedNames  = ".json"
)

// Packed says what was packed.
type Packed struct {
	Source  string       `json:"source"`
	Images  int          `json:"images"`
	Size    Size         `json:"size"`
	Classes []string     `json:"classes,omitempty"`
	Names   []string     `json:"names"` // of the images, within the source
	Skipped []Unreadable `json:"skipped,omitempty"`

	// What the set has of these names; see [Set].
	Attributes []Attribute `json:"attributes,omitempty"`
	Numbers    []Number    `json:"numbers,omitempty"`
	Subject    string      `json:"subject,omitempty"`
	ByTable    bool        `json:"labelled_by_table,omitempty"` // whether a table beside the images says what their labels are, see [Set.Fingerprint]
}

// Pack writes the images of the split that is taken, brought to a size, to a new file. A size that is left open is the one all images have,
// and in colour if one of the first thousand is.
func (s *Source) Pack(ctx context.Context, file string, want Size, opts ...Option) (p *Packed, err error) {
	if !strings.HasSuffix(file, ".npy") {
		return nil, fmt.Errorf("%s: want a name that ends in .npy", file)
	}
	for _, name := range []string{file, stemOf(file) + packedLabels, stemOf(file) + packedNames} {
		if _, err := os.Lstat(name); err == nil {
			return nil, fmt.Errorf("%s: it is there already: remove it, or choose another name", name)
		}
	}
	if err := want.check(); err != nil {
		return nil, err
	}
	if want, err = s.sizeToPack(ctx, want); err != nil {
		return nil, fmt.Errorf("%s: %w", s.Name, err)
	}
	src, err := s.pictures(ctx, want)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.Name, err)
	}
	out, err := os.CreateTemp(filepath.Dir(file), "."+filepath.Base(file)+".*")
	if err != nil {
		return nil, err
	}
	defer os.Remove(out.Name())
	defer out.Close()
	w := packer{out: out, size: want, done: Packed{Source: s.Reference.String(), Size: want, Classes: src.classes, Subject: src.subject, ByTable: src.byTable}}
	o := newOptions(opts)
	for _, line := range slices.Concat(s.Warnings, s.layout.ofClasses, src.warnings) {
		o.warning(s.Name + ": " + line)
	}
	labels, err := w.write(ctx, src, o)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.Name, err)
	}
	if src.classes != nil {
		err = durable.WriteFile(stemOf(file)+packedLabels, func(to io.Writer) error {
			_, err := to.Write(numpyFile("<i4", []int{len(labels)}))
			return errors.Join(err, binary.Write(to, binary.LittleEndian, labels))
		})
	}
	if err == nil {
		err = durable.WriteFile(stemOf(file)+packedNames, func(to io.Writer) error { return json.NewEncoder(to).Encode(w.done) })
	}
	if err == nil {
		err = errors.Join(out.Chmod(0o644), out.Sync(), out.Close())
	}
	if err == nil {
		err = os.Rename(out.Name(), file)
	}
	return &w.done, err
}

func stemOf(file string) string { return strings.TrimSuffix(file, filepath.Ext(file)) }

// sizeToPack fills in what was left open of a size.
func (s *Source) sizeToPack(ctx context.Context, want Size) (Size, error) {
	if want.Height != 0 && want.Channels != 0 {
		return want, nil
	}
	const some = 1000
	v, err := s.Look(ctx, some, 0, 16)
	switch {
	case err != nil:
		return want, err
	case want.Height == 0 && v.Smallest != v.Largest:
		return want, fmt.Errorf("the images differ in size (from %dx%d to %dx%d): say which size to bring them to", v.Smallest[0], v.Smallest[1],
			v.Largest[0], v.Largest[1])
	}
	channels := 1
	if v.Coloured > 0 {
		channels = 3
	}
	return want.orNative(Size{v.Largest[0], v.Largest[1], channels}), nil
}

// packer writes images to their places in a file.
type packer struct {
	out  *os.File
	size Size
	done Packed
}

// write writes all images and, last, the header. It returns the labels.
func (w *packer) write(ctx context.Context, src *pictureSource, o options) (labels []int32, err error) {
	head := int64(len(numpyFile("|u1", []int{src.n, w.size.Height, w.size.Width, w.size.Channels})))
	names := make([]string, src.n) // empty where there is no image
	labels = make([]int32, src.n)
	done := 0
	var told warnings
	for img, err := range decodeAll(ctx, src.visit, w.size) {
		if img.Name == "" {
			return nil, err
		}
		done++
		o.progress(done, src.n)
		if err == nil && (img.Height != w.size.Height || img.Width != w.size.Width) {
			err = fmt.Errorf("it is %dx%d, others are %dx%d", img.Height, img.Width, w.size.Height, w.size.Width)
		}
		if err != nil {
			w.done.Skipped = append(w.done.Skipped, Unreadable{img.Name, err.Error()})
			continue
		}
		told.add(img.Image)
		names[img.at], labels[img.at] = img.Name, img.label
		if _, err := w.out.WriteAt(img.Pixels, head+int64(img.at)*int64(w.size.Len())); err != nil {
			return nil, err
		}
	}
	for _, line := range told.lines() {
		o.warning(line)
	}
	if bad := len(w.done.Skipped); bad > 0 && bad*worstBad > src.n {
		return nil, fmt.Errorf("%d of %d pictures cannot be read; the first, %s: %s", bad, src.n, w.done.Skipped[0].Name, w.done.Skipped[0].Why)
	}
	kept, err := w.close(head, names)
	if err != nil {
		return nil, err
	}
	for _, a := range src.attributes {
		w.done.Attributes = append(w.done.Attributes, Attribute{a.Name, a.Values, at(a.Labels, kept)})
	}
	for _, n := range src.numbers {
		w.done.Numbers = append(w.done.Numbers, Number{n.Name, n.Min, n.Max, at(n.Values, kept)})
	}
	text := numpyFile("|u1", []int{len(kept), w.size.Height, w.size.Width, w.size.Channels})
	_, err = w.out.WriteAt(text, 0)
	return at(labels, kept), err
}

// close moves images up to where others could not be read, and says which are left.
func (w *packer) close(head int64, names []string) (kept []int, err error) {
	size := int64(w.size.Len())
	image := make([]byte, size)
	for i, name := range names {
		if name == "" {
			continue
		}
		if len(kept) < i {
			if _, err := w.out.ReadAt(image, head+int64(i)*size); err != nil {
				return nil, err
			}
			if _, err := w.out.WriteAt(image, head+int64(len(kept))*size); err != nil {
				return nil, err
			}
		}
		w.done.Names = append(w.done.Names, name)
		kept = append(kept, i)
	}
	if w.done.Images = len(kept); kept == nil {
		return nil, errors.New("no picture can be read")
	}
	return kept, w.out.Truncate(head + int64(len(kept))*size)
}

// numpyFile is the beginning of a .npy file, up to the values.
func numpyFile(dtype string, shape []int) []byte {
	sides := strings.Trim(strings.ReplaceAll(fmt.Sprint(shape), " ", ", "), "[]")
	if len(shape) == 1 {
		sides += ","
	}
	text := fmt.Sprintf("{'descr': '%s', 'fortran_order': False, 'shape': (%s), }", dtype, sides)
	const whole = 128 // bytes, for any number of images, as values begin at a multiple of 64
	var b bytes.Buffer
	b.WriteString(numpyMagic + "\x01\x00")
	b.Write(binary.LittleEndian.AppendUint16(nil, whole-10))
	fmt.Fprintf(&b, "%-*s\n", whole-11, text)
	return b.Bytes()
}

// readPacked reads what is beside a packed set.
func readPacked(r io.Reader) (p Packed, err error) {
	const most = 1 << 30
	data, err := readFile(r, most)
	if err != nil {
		return p, err
	}
	if err := json.Unmarshal(data, &p); err != nil {
		return p, fmt.Errorf("not what joule data pack writes beside a set: %w", err)
	}
	return p, nil
}

// tell gives the images of a packed set back what is known of them.
func (p *Packed) tell(s *Set) error {
	n := s.Len()
	for _, a := range p.Attributes {
		if len(a.Labels) != n || slices.ContainsFunc(a.Labels, func(l int32) bool { return l < 0 || int(l) >= len(a.Values) }) {
			return fmt.Errorf("the attribute %.40q is not that of %d images: pack them again", a.Name, n)
		}
	}
	for _, v := range p.Numbers {
		if len(v.Values) != n {
			return fmt.Errorf("the number %.40q is not that of %d images: pack them again", v.Name, n)
		}
	}
	if len(p.Names) == n {
		s.names = p.Names
	}
	s.Attributes, s.Numbers, s.Subject, s.byTable = p.Attributes, p.Numbers, p.Subject, p.ByTable
	return nil
}
