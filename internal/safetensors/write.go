package safetensors

// This file writes: equal arguments give equal bytes.

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

// Write writes the tensors in the order given, so that the same arguments always give the same bytes. The data starts at a
// multiple of eight bytes; tensors of mixed types stay aligned if the wider types come first. Names must be unique, UTF-8 and
// not "__metadata__"; metadata may be nil.
func Write(w io.Writer, tensors []Tensor, metadata map[string]string) error {
	header, err := encodeHeader(tensors, metadata)
	if err != nil {
		return fmt.Errorf("safetensors: %w", err)
	}
	if _, err := w.Write(header); err != nil {
		return fmt.Errorf("safetensors: writing: %w", err)
	}
	for _, t := range tensors {
		if _, err := w.Write(t.Data); err != nil {
			return fmt.Errorf("safetensors: writing tensor %.60q: %w", t.Name, err)
		}
	}
	return nil
}

// encodeHeader is all that comes before the data: length, JSON, padding.
func encodeHeader(tensors []Tensor, metadata map[string]string) ([]byte, error) {
	var (
		header  = bytes.NewBuffer(make([]byte, 8)) // room for the length
		encoder = json.NewEncoder(header)
		seen    = map[string]bool{metadataKey: true}
		end     uint64
	)
	encoder.SetEscapeHTML(false)
	member := func(name string, value any) {
		if header.Len() > 8 {
			header.WriteByte(',')
		} else {
			header.WriteByte('{')
		}
		// Neither a string nor the values below can fail to encode. The encoder ends each with a newline, which is dropped.
		_ = encoder.Encode(name)
		header.Truncate(header.Len() - 1)
		header.WriteByte(':')
		_ = encoder.Encode(value)
		header.Truncate(header.Len() - 1)
	}

	if len(metadata) > 0 {
		for key, value := range metadata {
			if !utf8.ValidString(key) || !utf8.ValidString(value) {
				return nil, fmt.Errorf("metadata %.60q is not UTF-8", key)
			}
		}
		member(metadataKey, metadata) // encoding/json sorts the keys
	}
	for _, t := range tensors {
		if seen[t.Name] {
			return nil, fmt.Errorf("the tensor name %.60q is taken", t.Name)
		}
		seen[t.Name] = true
		if !utf8.ValidString(t.Name) {
			return nil, fmt.Errorf("the tensor name %.60q is not UTF-8", t.Name)
		}
		want, err := span(t.DType, t.Shape)
		if err != nil {
			return nil, fmt.Errorf("tensor %.60q: %w", t.Name, err)
		}
		if uint64(len(t.Data)) != want {
			return nil, fmt.Errorf("tensor %.60q has %d bytes, but %s %v takes %d", t.Name, len(t.Data), t.DType, t.Shape, want)
		}
		member(t.Name, struct {
			DType   string    `json:"dtype"`
			Shape   []int     `json:"shape"`
			Offsets [2]uint64 `json:"data_offsets"`
		}{t.DType, append([]int{}, t.Shape...), [2]uint64{end, end + want}})
		end += want
	}
	if header.Len() == 8 {
		header.WriteByte('{')
	}
	header.WriteByte('}')
	for header.Len()%8 != 0 {
		header.WriteByte(' ')
	}
	if header.Len()-8 > maxHeader {
		return nil, errors.New("the names, shapes and metadata fill more than the 100 MB the format allows a header")
	}
	binary.LittleEndian.PutUint64(header.Bytes(), uint64(header.Len()-8))
	return header.Bytes(), nil
}
