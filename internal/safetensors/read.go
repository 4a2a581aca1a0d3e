package safetensors

// This file reads. Nothing in the header is believed: lengths are held against the file's before anything is allocated.

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/joule-ebm/joule/internal/filekind"
)

// maxHeader is the reference implementation's limit for the header, in bytes.
const maxHeader = 100_000_000

const metadataKey = "__metadata__"

// ReadFile reads the safetensors file at path, whole, into memory.
func ReadFile(path string) (*File, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	content, err := Read(file, info.Size())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return content, nil
}

// notSafetensors says what a file is that begins with the length of no header.
func notSafetensors(r io.ReaderAt, size int64, n uint64) error {
	head := make([]byte, min(size, 512))
	if err := readAt(r, head, 0); err == nil {
		if name, advice := filekind.Of(head); advice != "" {
			return fmt.Errorf("safetensors: not a safetensors file, but %s: %s", filekind.Article(name), advice)
		} else if name != "" {
			return fmt.Errorf("safetensors: not a safetensors file, but %s", filekind.Article(name))
		}
	}
	return fmt.Errorf("safetensors: not a safetensors file: a header of %d bytes, the format allows %d", n, maxHeader)
}

// Read reads a safetensors file of size bytes. The tensors' Data share one block of memory.
func Read(r io.ReaderAt, size int64) (*File, error) {
	var length [8]byte
	if size < 8 {
		return nil, fmt.Errorf("safetensors: %d bytes are too few for a safetensors file", size)
	}
	if err := readAt(r, length[:], 0); err != nil {
		return nil, err
	}
	n := binary.LittleEndian.Uint64(length[:])
	if n > maxHeader {
		return nil, notSafetensors(r, size, n)
	}
	if int64(n) > size-8 {
		return nil, fmt.Errorf("safetensors: not a safetensors file, or truncated: a header of %d bytes in a file of %d", n, size)
	}
	header := make([]byte, n)
	if err := readAt(r, header, 8); err != nil {
		return nil, err
	}
	content, spans, err := parseHeader(header)
	if err != nil {
		return nil, fmt.Errorf("safetensors: header: %w", err)
	}

	begin := 8 + int64(n)
	if held := uint64(size - begin); held != spans.total || held > math.MaxInt {
		return nil, fmt.Errorf("safetensors: truncated or overlong: the header describes %d bytes of data, the file holds %d", spans.total, held)
	}
	data := make([]byte, spans.total)
	if err := readAt(r, data, begin); err != nil {
		return nil, err
	}
	for i := range content.Tensors {
		s := spans.of[i]
		content.Tensors[i].Data = data[s[0]:s[1]:s[1]]
	}
	return content, nil
}

func readAt(r io.ReaderAt, p []byte, offset int64) error {
	if n, err := r.ReadAt(p, offset); n < len(p) {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return fmt.Errorf("safetensors: reading: %w", err)
	}
	return nil
}

// spans are the places of the tensors in the data: [begin, end) of each, gapless from 0 to total.
type spans struct {
	of    [][2]uint64
	total uint64
}

// parseHeader reads the JSON header into tensors without data, sorted by their place in the data.
func parseHeader(header []byte) (*File, spans, error) {
	if !utf8.Valid(header) {
		return nil, spans{}, errors.New("not UTF-8")
	}
	if !bytes.HasPrefix(header, []byte("{")) {
		return nil, spans{}, errors.New("does not start with {")
	}
	type entry struct {
		tensor Tensor
		span   [2]uint64
	}
	var entries []entry
	content := &File{}
	decoder := json.NewDecoder(bytes.NewReader(header))
	err := object(decoder, func(name string) error {
		if name == metadataKey {
			content.Metadata = map[string]string{}
			return object(decoder, func(key string) error {
				var value *string
				if err := decoder.Decode(&value); err != nil || value == nil {
					return errors.New("metadata must be strings")
				}
				content.Metadata[key] = *value
				return nil
			})
		}
		tensor, span, err := parseTensor(decoder)
		if err != nil {
			return fmt.Errorf("tensor %.60q: %w", name, err)
		}
		tensor.Name = name
		entries = append(entries, entry{tensor, span})
		return nil
	})
	if err != nil {
		return nil, spans{}, err
	}
	if _, err := decoder.Token(); err != io.EOF {
		return nil, spans{}, errors.New("something follows the JSON object")
	}

	slices.SortStableFunc(entries, func(a, b entry) int {
		return cmp.Or(cmp.Compare(a.span[0], b.span[0]), cmp.Compare(a.span[1], b.span[1]))
	})
	var places spans
	for _, e := range entries {
		if e.span[0] != places.total {
			return nil, spans{}, fmt.Errorf("tensor %.60q begins at byte %d, want %d: the data must have no gaps or overlaps", e.tensor.Name, e.span[0], places.total)
		}
		places.total = e.span[1]
		places.of = append(places.of, e.span)
		content.Tensors = append(content.Tensors, e.tensor)
	}
	return content, places, nil
}

// parseTensor reads {"dtype": ..., "shape": ..., "data_offsets": ...} and checks that the three agree.
func parseTensor(decoder *json.Decoder) (Tensor, [2]uint64, error) {
	var (
		t              Tensor
		shape, offsets []json.Number
		at             [2]uint64
	)
	err := object(decoder, func(key string) error {
		switch key {
		case "dtype":
			return decoder.Decode(&t.DType)
		case "shape":
			return decoder.Decode(&shape)
		case "data_offsets":
			return decoder.Decode(&offsets)
		}
		return fmt.Errorf("unknown field %.20q", key)
	})
	if err != nil {
		return t, at, err
	}
	if shape == nil {
		return t, at, errors.New("no shape")
	}
	if len(offsets) != 2 {
		return t, at, errors.New("data_offsets must be two numbers")
	}
	t.Shape = make([]int, len(shape))
	for i, n := range shape {
		if t.Shape[i], err = strconv.Atoi(n.String()); err != nil {
			return t, at, fmt.Errorf("dimension %.20q is no whole number", n)
		}
	}
	for i, n := range offsets {
		if at[i], err = strconv.ParseUint(n.String(), 10, 64); err != nil {
			return t, at, fmt.Errorf("offset %.20q is no whole number", n)
		}
	}
	want, err := span(t.DType, t.Shape)
	if err != nil {
		return t, at, err
	}
	if at[1] < at[0] || at[1]-at[0] != want {
		return t, at, fmt.Errorf("bytes %d to %d, but %s %v takes %d bytes", at[0], at[1], t.DType, t.Shape, want)
	}
	return t, at, nil
}

// object walks a JSON object: member is called after each name and must read the value. Unlike json.Unmarshal it tells names
// apart by case and refuses to see one twice.
func object(decoder *json.Decoder, member func(name string) error) error {
	if open, err := decoder.Token(); err != nil {
		return err
	} else if open != json.Delim('{') {
		return fmt.Errorf("want a JSON object, not %.20q", fmt.Sprint(open))
	}
	seen := map[string]bool{}
	for decoder.More() {
		token, err := decoder.Token()
		if err != nil {
			return err
		}
		name, ok := token.(string)
		if !ok {
			return fmt.Errorf("want a name, not %.20q", fmt.Sprint(token))
		}
		if seen[name] {
			return fmt.Errorf("%.60q appears twice", name)
		}
		seen[name] = true
		if err := member(name); err != nil {
			return err
		}
	}
	_, err := decoder.Token()
	return err
}
