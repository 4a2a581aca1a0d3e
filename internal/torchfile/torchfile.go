// Package torchfile reads the tensors in files that PyTorch's torch.save wrote: dictionaries of tensors such as a module's
// state_dict, in the zip format (since PyTorch 1.6) and in the one before it, and checkpoints made of several such dictionaries and of
// settings. Nothing in the file is run: see package pickle.
//
// Zip: an archive with NAME/data.pkl, a pickle whose persistent identifiers ('storage', type, key, device, elements) stand for the
// bytes of NAME/data/KEY. Before: a magic number, a version and a description of the machine, each a pickle, then the pickle of the
// object, one of a list of keys, and for each key the number of elements (8 bytes) and these. Source: torch/serialization.py.
package torchfile

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"

	"github.com/joule-ebm/joule/internal/pickle"
	"github.com/joule-ebm/joule/internal/safetensors"
)

// maxFile bounds the file, which is read whole.
const maxFile = 4 << 30

// magic begins a file of the older format: the pickled number 0x1950a86a20f9469cfc6c.
const magic = "\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."

// ReadFile reads the tensors of a file, in its order. Errors are one line and name the file.
func ReadFile(name string) (*safetensors.File, error) { return readFile(name, Read) }

// ReadCheckpoint reads all of a file. Errors are one line and name the file.
func ReadCheckpoint(name string) (*Checkpoint, error) {
	return readFile(name, func(data []byte) (*Checkpoint, error) {
		object, err := read(data)
		if err != nil {
			return nil, err
		}
		return newCheckpoint(object)
	})
}

func readFile[T any](name string, read func([]byte) (*T, error)) (*T, error) {
	info, err := os.Stat(name)
	if err == nil && info.Size() > maxFile {
		return nil, fmt.Errorf("%s: larger than the %d GiB allowed for a file of weights", name, maxFile>>30)
	}
	var data []byte
	if err == nil {
		data, err = os.ReadFile(name)
	}
	if err != nil {
		if cause := (*fs.PathError)(nil); errors.As(err, &cause) {
			err = cause.Err
		}
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	file, err := read(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return file, nil
}

// Read reads the tensors in the bytes of a file, which must not change afterwards.
func Read(data []byte) (*safetensors.File, error) {
	object, err := read(data)
	if err != nil {
		return nil, err
	}
	return stateDict(object)
}

// read reads the object in a file, with tensors in it.
func read(data []byte) (object any, err error) {
	switch {
	case bytes.HasPrefix(data, []byte("PK\x03\x04")):
		return readZip(data)
	case bytes.HasPrefix(data, []byte(magic)):
		return readLegacy(data[len(magic):])
	}
	return nil, errors.New("no file of torch.save: it begins neither as a zip archive nor with PyTorch's magic number")
}

func readZip(data []byte) (object any, err error) {
	archive, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) {
		return nil, fmt.Errorf("damaged zip archive, fetch it again: %w", err)
	}
	entries := map[string]*zip.File{}
	root, left := "", uint64(len(data)) // bytes that entries may have in all: none is in the file twice
	for _, f := range archive.File {
		entries[f.Name] = f
		if path.Base(f.Name) == "data.pkl" {
			root = path.Dir(f.Name)
		}
	}
	entry := func(name string) ([]byte, error) {
		f := entries[path.Join(root, name)]
		switch {
		case f == nil:
			return nil, fmt.Errorf("the archive lacks %s: no file of torch.save", name)
		case f.Method != zip.Store: // so that nothing is larger than the file
			return nil, fmt.Errorf("%s is compressed, which torch.save never does", name)
		case f.UncompressedSize64 > left:
			return nil, errors.New("the entries of the archive overlap: refused")
		}
		left -= f.UncompressedSize64
		r, err := f.Open()
		if err != nil {
			return nil, err
		}
		defer r.Close()
		content, err := io.ReadAll(r)
		if err != nil {
			return nil, fmt.Errorf("%s: damaged, fetch the file again: %w", name, err)
		}
		return content, nil
	}
	pickled, err := entry("data.pkl")
	if err != nil {
		return nil, err
	}
	r := newReader()
	if object, _, err = pickle.Read(pickled, r.vocabulary()); err != nil {
		return nil, err
	}
	if order, err := entry("byteorder"); err == nil && string(order) != "little" {
		return nil, fmt.Errorf("written with the byte order %.10q: only little is read", order)
	}
	for key, s := range r.storages {
		if s.data, err = entry("data/" + key); err != nil {
			return nil, err
		}
	}
	return object, nil
}

func readLegacy(data []byte) (object any, err error) {
	var header [2]any // version, machine
	for i := range header {
		if header[i], data, err = pickle.Read(data, pickle.Vocabulary{}); err != nil {
			return nil, err
		}
	}
	if machine, ok := header[1].(*pickle.Dict); header[0] != int64(1001) || !ok || machine.Get("little_endian") != true {
		return nil, errors.New("written by an unknown version of torch.save, or with another byte order")
	}
	r := newReader()
	object, data, err = pickle.Read(data, r.vocabulary())
	if err != nil {
		return nil, err
	}
	keys, data, err := pickle.Read(data, pickle.Vocabulary{})
	if err != nil {
		return nil, err
	}
	list, ok := keys.(*pickle.List)
	if !ok {
		return nil, errors.New("damaged: the list of storages is none")
	}
	for _, item := range list.Items {
		key, _ := item.(pickle.Text)
		s := r.storages[string(key)]
		if s == nil || len(data) < 8 {
			return nil, errors.New("damaged or cut short: fetch the file again")
		}
		elements := binary.LittleEndian.Uint64(data)
		data = data[8:]
		if elements > uint64(len(data)/s.width) {
			return nil, errors.New("cut short: fetch the file again")
		}
		n := int(elements) * s.width
		s.data, data = data[:n:n], data[n:]
	}
	return object, nil
}

// A storage is an array of numbers that tensors are parts of.
type storage struct {
	dtype  string // as in safetensors
	width  int    // bytes of an element
	data   []byte
	copied int // bytes of tensors that are not row-major
}

// A tensor is a part of a storage.
type tensor struct {
	storage       *storage
	offset        int // elements
	shape, stride []int
	strided       bool // not row-major
}

// dtypes are the types of storages, as PyTorch and safetensors name them, and the bytes of an element.
var dtypes = map[pickle.Name]struct {
	dtype string
	width int
}{
	"torch.DoubleStorage": {"F64", 8}, "torch.FloatStorage": {"F32", 4}, "torch.HalfStorage": {"F16", 2}, "torch.BFloat16Storage": {"BF16", 2},
	"torch.LongStorage": {"I64", 8}, "torch.IntStorage": {"I32", 4}, "torch.ShortStorage": {"I16", 2}, "torch.CharStorage": {"I8", 1},
	"torch.ByteStorage": {"U8", 1}, "torch.BoolStorage": {"BOOL", 1},
}

// reader knows what the pickle of a dictionary of tensors means.
type reader struct {
	storages   map[string]*storage
	namespaces map[*pickle.Dict]bool // dictionaries whose entries are their attributes
}

func newReader() *reader {
	return &reader{map[string]*storage{}, map[*pickle.Dict]bool{}}
}

const (
	orderedDict      = "collections.OrderedDict"
	rebuildTensor    = "torch._utils._rebuild_tensor_v2"
	rebuildParameter = "torch._utils._rebuild_parameter"
)

func (r *reader) vocabulary() pickle.Vocabulary {
	return pickle.Vocabulary{
		Knows: func(name pickle.Name) bool {
			_, ok := dtypes[name]
			return ok || name == orderedDict || name == rebuildTensor || name == rebuildParameter || settingsNames[name]
		},
		Call: func(name pickle.Name, args pickle.Tuple) (any, error) {
			switch {
			case name == orderedDict && len(args) == 0:
				return pickle.NewDict(), nil
			case name == rebuildTensor && len(args) >= 4: // storage, offset, size, stride, ...
				return newTensor(args)
			case name == rebuildParameter && len(args) >= 1: // tensor, ...
				if t, ok := args[0].(*tensor); ok {
					return t, nil
				}
			}
			return r.setting(name, args)
		},
		Build:      r.build,
		Persistent: r.persistent,
	}
}

// persistent is the storage that an identifier ('storage', type, key, device, elements, ...) stands for.
func (r *reader) persistent(id any) (any, error) {
	parts, _ := id.(pickle.Tuple)
	if len(parts) < 5 {
		return nil, pickle.ErrObject
	}
	kind, _ := parts[0].(pickle.Text)
	name, _ := parts[1].(pickle.Name)
	key, ok := parts[2].(pickle.Text)
	if string(kind) != "storage" || !ok {
		return nil, pickle.ErrObject
	}
	d, ok := dtypes[name]
	if !ok {
		return nil, fmt.Errorf("numbers of type %.60q: refused", string(name))
	}
	if r.storages[string(key)] == nil {
		r.storages[string(key)] = &storage{dtype: d.dtype, width: d.width}
	}
	return r.storages[string(key)], nil
}

func newTensor(args pickle.Tuple) (*tensor, error) {
	s, ok := args[0].(*storage)
	offset, ok2 := args[1].(int64)
	size, ok3 := args[2].(pickle.Tuple)
	stride, ok4 := args[3].(pickle.Tuple)
	const mostSides = 64 // PyTorch's own bound
	if !ok || !ok2 || !ok3 || !ok4 || len(size) != len(stride) || len(size) > mostSides || offset < 0 || offset > maxFile {
		return nil, pickle.ErrObject
	}
	t := &tensor{storage: s, offset: int(offset), shape: make([]int, len(size)), stride: make([]int, len(size))}
	step := int64(1)
	for i := len(size) - 1; i >= 0; i-- {
		n, ok := size[i].(int64)
		by, ok2 := stride[i].(int64)
		switch {
		case !ok || !ok2 || n < 0 || n > maxFile || by < 0 || by > maxFile:
			return nil, pickle.ErrObject
		case n > 1 && by != step:
			t.strided = true
		}
		if step *= max(n, 1); step > maxFile {
			return nil, pickle.ErrObject
		}
		t.shape[i], t.stride[i] = int(n), int(by)
	}
	return t, nil
}

// elements is how many there are.
func (t *tensor) elements() int {
	n := 1
	for _, side := range t.shape {
		n *= side
	}
	return n
}

// bytes are the numbers, row-major: a part of the storage, or, of a tensor that is transposed or has the channels last, a copy. There is none
// where numbers are repeated so that they are more than the storage has, or where the storage has been copied often: a small file must not
// become large.
func (t *tensor) bytes() (data []byte, ok bool) {
	s, n, last := t.storage, t.elements(), t.offset
	for i, side := range t.shape {
		if side > 1 && t.stride[i] > len(s.data)/(side-1) {
			return nil, false
		}
		last += max(side-1, 0) * t.stride[i]
	}
	if n > 0 && last >= len(s.data)/s.width {
		return nil, false
	}
	if !t.strided {
		from, to := t.offset*s.width, (t.offset+n)*s.width
		if n == 0 {
			from, to = 0, 0
		}
		return s.data[from:to:to], true
	}
	const mostCopies = 4
	if s.copied += n * s.width; n*s.width > len(s.data) || s.copied > mostCopies*len(s.data) {
		return nil, true
	}
	data = make([]byte, 0, n*s.width)
	place := make([]int, len(t.shape))
	for range n {
		at := t.offset
		for i, p := range place {
			at += p * t.stride[i]
		}
		data = append(data, s.data[at*s.width:(at+1)*s.width]...)
		for i := len(place) - 1; i >= 0; i-- { // the next place, the last axis first
			if place[i]++; place[i] < t.shape[i] {
				break
			}
			place[i] = 0
		}
	}
	return data, true
}

// stateDict takes the tensors out of the object that was read: a dictionary of them, or one that holds such a state_dict.
func stateDict(object any) (*safetensors.File, error) {
	dict, _ := object.(*pickle.Dict)
	if inner, ok := dict.Get("state_dict").(*pickle.Dict); ok {
		dict = inner
	}
	if dict == nil {
		return nil, errors.New("the file holds no dictionary of tensors: save a module's state_dict")
	}
	file, err := tensors(dict)
	if err == nil && len(file.Tensors) == 0 {
		err = errors.New("the file holds no tensors by name: save a module's state_dict")
	}
	return file, err
}

// tensors are those in a dictionary, in its order. One that repeats numbers of its storage has no data.
func tensors(dict *pickle.Dict) (*safetensors.File, error) {
	file := &safetensors.File{}
	for _, name := range dict.Keys {
		t, ok := dict.Fields[name].(*tensor)
		if !ok {
			continue
		}
		data, ok := t.bytes()
		if !ok {
			return nil, fmt.Errorf("tensor %.60q is larger than its data: damaged, fetch the file again", name)
		}
		file.Tensors = append(file.Tensors, safetensors.Tensor{Name: name, DType: t.storage.dtype, Shape: t.shape, Data: data})
	}
	return file, nil
}
