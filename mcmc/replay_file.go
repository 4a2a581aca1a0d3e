package mcmc

// This file saves a replay buffer and reads it again. What is saved is little endian: eight bytes of magic, the header, the images, the
// labels if conditional, the births, and a CRC-32 (IEEE) of all before.

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

var bufferMagic = [8]byte{'J', 'O', 'U', 'L', 'E', 'R', 'B', '1'}

type bufferHeader struct {
	Capacity, Height, Width, Channels uint32
	Conditional                       uint32
	Count                             uint32
	Seen                              int64
}

func (b *Buffer) header() bufferHeader {
	h := bufferHeader{
		Capacity: uint32(b.capacity), Height: uint32(b.h), Width: uint32(b.w), Channels: uint32(b.c),
		Count: uint32(b.Len()), Seen: b.seen,
	}
	if b.conditional {
		h.Conditional = 1
	}
	return h
}

// WriteTo writes the whole state of the buffer: one that reads it goes on exactly as this one would. It implements [io.WriterTo].
func (b *Buffer) WriteTo(w io.Writer) (int64, error) {
	count := &countingWriter{w: w}
	buffered := bufio.NewWriterSize(count, 1<<16)
	sum := crc32.NewIEEE()
	body := io.MultiWriter(buffered, sum)
	err := b.write(body)
	if err == nil {
		err = binary.Write(buffered, binary.LittleEndian, sum.Sum32())
	}
	if err == nil {
		err = buffered.Flush()
	}
	if err != nil {
		return count.n, fmt.Errorf("replay buffer: writing: %w", err)
	}
	return count.n, nil
}

func (b *Buffer) write(w io.Writer) error {
	for _, part := range []any{bufferMagic, b.header()} {
		if err := binary.Write(w, binary.LittleEndian, part); err != nil {
			return err
		}
	}
	if _, err := w.Write(b.images); err != nil { // binary.Write would copy them
		return err
	}
	for _, part := range []any{b.labels, b.births} {
		if err := binary.Write(w, binary.LittleEndian, part); err != nil {
			return err
		}
	}
	return nil
}

// ReadFrom replaces the state of the buffer by one that [Buffer.WriteTo] wrote from a buffer of the same capacity, shape and kind, and
// reads r to its end. After an error the buffer is empty. It implements [io.ReaderFrom].
func (b *Buffer) ReadFrom(r io.Reader) (int64, error) {
	*b = Buffer{capacity: b.capacity, h: b.h, w: b.w, c: b.c, conditional: b.conditional}
	sum := crc32.NewIEEE()
	count := &countingReader{r: r}
	body := io.TeeReader(bufio.NewReaderSize(count, 1<<16), sum)
	if err := b.read(body, sum.Sum32); err != nil {
		*b = Buffer{capacity: b.capacity, h: b.h, w: b.w, c: b.c, conditional: b.conditional}
		return count.n, fmt.Errorf("replay buffer: reading: %w", err)
	}
	return count.n, nil
}

func (b *Buffer) read(r io.Reader, sum func() uint32) error {
	var magic [8]byte
	var got bufferHeader
	if err := readAll(r, &magic); err != nil {
		return err
	}
	if magic != bufferMagic {
		return fmt.Errorf("not a saved replay buffer: it begins with %q", magic[:])
	}
	if err := readAll(r, &got); err != nil {
		return err
	}
	want := b.header()
	want.Count, want.Seen = got.Count, got.Seen
	if got != want {
		return fmt.Errorf("saved from %v, but this run has %v", got, want)
	}
	n := int(got.Count)
	if n > b.capacity || got.Seen < int64(n) || got.Seen > 1<<62 || n < b.capacity && got.Seen != int64(n) {
		return fmt.Errorf("%d images kept of %d seen, with room for %d: the file is damaged", n, got.Seen, b.capacity)
	}
	size := b.h * b.w * b.c
	// Piece by piece: a damaged count takes no memory that the file does not fill.
	for range n {
		b.images = append(b.images, make([]uint8, size)...)
		if err := readAll(r, b.images[len(b.images)-size:]); err != nil {
			return err
		}
	}
	if b.conditional {
		b.labels = make([]int32, n)
	}
	b.births = make([]int64, n)
	b.seen = got.Seen
	if err := readAll(r, b.labels); err != nil {
		return err
	}
	if err := readAll(r, b.births); err != nil {
		return err
	}
	computed := sum() // before the stored sum passes through r
	var stored uint32
	if err := readAll(r, &stored); err != nil {
		return err
	}
	if stored != computed {
		return errors.New("wrong checksum: the file is damaged")
	}
	if n, err := io.CopyN(io.Discard, r, 1); n > 0 || err != io.EOF {
		if err != nil && err != io.EOF {
			return err
		}
		return errors.New("more after the end of the saved buffer")
	}
	return nil
}

// String describes the kind of buffer, for errors.
func (h bufferHeader) String() string {
	kind := "unlabelled"
	if h.Conditional != 0 {
		kind = "labelled"
	}
	return fmt.Sprintf("a buffer of %d %s %dx%dx%d images", h.Capacity, kind, h.Height, h.Width, h.Channels)
}

// readAll reads a value of fixed size; a file that ends within it is cut short.
func readAll(r io.Reader, v any) error {
	if s, ok := v.([]uint8); ok {
		_, err := io.ReadFull(r, s)
		return cutShort(err)
	}
	return cutShort(binary.Read(r, binary.LittleEndian, v))
}

func cutShort(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return errors.New("the file is cut short")
	}
	return err
}

type countingWriter struct {
	w io.Writer
	n int64
}

func (c *countingWriter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

type countingReader struct {
	r io.Reader
	n int64
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}
