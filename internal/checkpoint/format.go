package checkpoint

// This file defines the bytes of a checkpoint. Numbers are little-endian, checksums CRC-32C (Castagnoli, RFC 3720 appendix B.4):
//
//	8 bytes   magic, "\x89Joule\r\n": the first byte and the line end expose transfers as 7-bit or as text
//	uint32    version of the format, 1
//	uint32    length of the table in bytes
//	table     of each section: uint16 length of the name, the name, uint64 length of the data, uint32 checksum of the data
//	uint32    checksum of everything above
//	data      of each section, back to back, to the end of the file
//
// So every byte is under a checksum, and the table tells how long the file must be.

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
)

const (
	magic    = "\x89Joule\r\n"
	version  = 1
	maxTable = 1 << 20
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Section is a named part of a checkpoint.
type Section struct {
	Name string // unique in a checkpoint, at most 65,535 bytes
	Data []byte
	// Source writes the data of a section to be saved, the same each time, where they are not in Data: what is large need not be copied. It
	// is asked twice, because the checksum comes first in the file.
	Source io.WriterTo
}

// writeTo writes the data.
func (s Section) writeTo(w io.Writer) error {
	if s.Source != nil {
		_, err := s.Source.WriteTo(w)
		return err
	}
	_, err := w.Write(s.Data)
	return err
}

// measure is the length of the data and their checksum.
func (s Section) measure() (length uint64, checksum uint32, err error) {
	err = s.writeTo(writerFunc(func(p []byte) (int, error) {
		length, checksum = length+uint64(len(p)), crc32.Update(checksum, castagnoli, p)
		return len(p), nil
	}))
	return length, checksum, err
}

// Write writes a checkpoint; equal sections give equal bytes.
func Write(w io.Writer, sections []Section) error {
	var table []byte
	seen := map[string]bool{}
	for _, s := range sections {
		if seen[s.Name] || len(s.Name) > math.MaxUint16 {
			return fmt.Errorf("checkpoint: the section name %.60q is taken or too long", s.Name)
		}
		seen[s.Name] = true
		length, checksum, err := s.measure()
		if err != nil {
			return fmt.Errorf("checkpoint: section %.60q: %w", s.Name, err)
		}
		table = binary.LittleEndian.AppendUint16(table, uint16(len(s.Name)))
		table = append(table, s.Name...)
		table = binary.LittleEndian.AppendUint64(table, length)
		table = binary.LittleEndian.AppendUint32(table, checksum)
	}
	if len(table) > maxTable {
		return fmt.Errorf("checkpoint: the table of %d sections is over %d bytes", len(sections), maxTable)
	}
	head := binary.LittleEndian.AppendUint32([]byte(magic), version)
	head = binary.LittleEndian.AppendUint32(head, uint32(len(table)))
	head = append(head, table...)
	head = binary.LittleEndian.AppendUint32(head, crc32.Checksum(head, castagnoli))
	if _, err := w.Write(head); err != nil {
		return err
	}
	for _, s := range sections {
		if err := s.writeTo(w); err != nil {
			return err
		}
	}
	return nil
}

// Read reads a checkpoint of size bytes and verifies its checksums. It needs about size bytes of memory at most.
func Read(r io.Reader, size int64) ([]Section, error) {
	entries, err := readHead(r, size)
	if err != nil {
		return nil, err
	}
	sections := make([]Section, len(entries))
	for i, e := range entries {
		data := make([]byte, e.length)
		if _, err := io.ReadFull(r, data); err != nil {
			return nil, unexpected(err)
		}
		if crc32.Checksum(data, castagnoli) != e.checksum {
			return nil, e.damaged()
		}
		sections[i] = Section{Name: e.name, Data: data}
	}
	return sections, nil
}

// check is Read without keeping the data.
func check(r io.Reader, size int64) error {
	entries, err := readHead(r, size)
	if err != nil {
		return err
	}
	for _, e := range entries {
		sum := crc32.New(castagnoli)
		if _, err := io.CopyN(sum, r, e.length); err != nil {
			return unexpected(err)
		}
		if sum.Sum32() != e.checksum {
			return e.damaged()
		}
	}
	return nil
}

// entry is a line of the table.
type entry struct {
	name     string
	length   int64
	checksum uint32
}

func (e entry) damaged() error {
	return fmt.Errorf("damaged: the checksum of section %.60q is wrong", e.name)
}

// readHead reads all that comes before the data and holds the lengths in it against size.
func readHead(r io.Reader, size int64) ([]entry, error) {
	const fixed = len(magic) + 4 + 4
	switch {
	case size == 0:
		return nil, errors.New("the file is empty")
	case size < int64(fixed)+4:
		return nil, fmt.Errorf("truncated, or not a checkpoint: %d bytes are too few", size)
	}
	head := make([]byte, fixed)
	if _, err := io.ReadFull(r, head); err != nil {
		return nil, unexpected(err)
	}
	if string(head[:len(magic)]) != magic {
		return nil, errors.New("not a checkpoint: the first bytes are not a checkpoint's")
	}
	if v := binary.LittleEndian.Uint32(head[len(magic):]); v != version {
		return nil, fmt.Errorf("a checkpoint of format %d, this program reads format %d: use the program that wrote it", v, version)
	}
	n := int64(binary.LittleEndian.Uint32(head[len(magic)+4:]))
	if n > maxTable {
		return nil, fmt.Errorf("damaged: a table of %d bytes", n)
	}
	held := size - int64(fixed) - n - 4
	if held < 0 {
		return nil, errors.New("truncated: the file ends inside the table of sections")
	}
	head = append(head, make([]byte, n+4)...)
	if _, err := io.ReadFull(r, head[fixed:]); err != nil {
		return nil, unexpected(err)
	}
	end := len(head) - 4
	if crc32.Checksum(head[:end], castagnoli) != binary.LittleEndian.Uint32(head[end:]) {
		return nil, errors.New("damaged: the checksum of the table of sections is wrong")
	}

	var entries []entry
	var total uint64
	seen := map[string]bool{}
	for table := bytes.NewBuffer(head[fixed:end]); table.Len() > 0; {
		// Next returns less where the table ends too early.
		length := table.Next(2)
		if len(length) < 2 {
			return nil, errTable
		}
		name := string(table.Next(int(binary.LittleEndian.Uint16(length))))
		rest := table.Next(8 + 4)
		if len(rest) < 8+4 || seen[name] {
			return nil, errTable
		}
		seen[name] = true
		data := binary.LittleEndian.Uint64(rest)
		if data > math.MaxInt || total+data > math.MaxInt64 {
			return nil, errTable
		}
		total += data
		entries = append(entries, entry{name, int64(data), binary.LittleEndian.Uint32(rest[8:])})
	}
	switch {
	case total > uint64(held):
		return nil, fmt.Errorf("truncated: %d bytes of data, the sections are %d", held, total)
	case total < uint64(held):
		return nil, fmt.Errorf("damaged: %d bytes of data, the sections are only %d", held, total)
	}
	return entries, nil
}

var errTable = errors.New("damaged: the table of sections makes no sense")

func unexpected(err error) error {
	if err == io.EOF {
		err = io.ErrUnexpectedEOF // the file shrank while it was read
	}
	return fmt.Errorf("reading: %w", err)
}
