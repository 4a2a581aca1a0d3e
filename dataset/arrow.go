package dataset

// Arrow files of tables (hub.go), as datasets.save_to_disk and its cache write them: the streaming format of Arrow's inter-process
// communication, or the file format, which is a stream between a magic number and a footer. A stream does not say how many rows it has:
// it is read once to count them. Source: Apache Arrow, "Serialization and Interprocess Communication".

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/joule-ebm/joule/dataset/internal/files"
)

const (
	arrowMagic    = "ARROW1\x00\x00"
	maxArrow      = 1<<31 - 1 // bytes of a file in an archive
	maxArrowHead  = 16 << 20  // bytes of what a message says of its values
	arrowExpanded = 1 << 10   // most times that compressed values are larger than the file
)

// What datasets keeps beside a table for itself begins with cache-.
var findArrow = findHub("Arrow", func(f files.File) bool {
	return isArrow(f.Head) && !strings.HasPrefix(path.Base(f.Name), "cache-")
}, openArrow)

// isArrow says whether a file begins as one of Arrow does: with the magic number, or as a stream with a marker and the length of its schema.
func isArrow(head []byte) bool {
	if bytes.HasPrefix(head, []byte(arrowMagic)) {
		return true
	}
	if len(head) < 16 || !bytes.HasPrefix(head, []byte("\xff\xff\xff\xff")) {
		return false
	}
	length, root := binary.LittleEndian.Uint32(head[4:]), binary.LittleEndian.Uint32(head[8:])
	return length >= 8 && length < maxArrowHead && length%8 == 0 && root >= 4 && root < 64
}

func openArrow(ctx context.Context, t files.Tree, name string, fn func(hubTable) error) error {
	r, err := files.OpenAt(ctx, t, name, maxArrow)
	if err != nil {
		return err
	}
	defer r.Close()
	a := arrowTable{file: r}
	err = a.stream(ctx, func(schema *arrow.Schema) bool { a.schema = schema; return false }, nil)
	if err != nil {
		return err
	}
	return fn(a)
}

type arrowTable struct {
	file   files.RandomAccess
	schema *arrow.Schema
}

// stream reads the file: the schema, and if that is to be gone on from, all rows in batches. A fault of the decoder costs the file, not the
// run.
func (a arrowTable) stream(ctx context.Context, begin func(*arrow.Schema) bool, batch func(arrow.RecordBatch) error) (err error) {
	defer func() {
		if fault := recover(); fault != nil {
			err = fmt.Errorf("damaged Arrow file: %v", fault)
		}
	}()
	size := a.file.Size()
	in := io.NewSectionReader(a.file, 0, size)
	var magic [len(arrowMagic)]byte
	if _, err := io.ReadFull(in, magic[:]); err != nil || string(magic[:]) != arrowMagic {
		in = io.NewSectionReader(a.file, 0, size)
	}
	if err := checkArrowSchema(*in); err != nil {
		return err
	}
	// Of what the file declares no more memory is taken than it has bytes, or can expand to.
	memory := &limited{memory.NewGoAllocator(), min(maxArrow, arrowExpanded*size)}
	reader, err := ipc.NewReaderFromMessageReader(ipc.NewMessageReader(in, ipc.WithMetadataSizeLimit(min(size, maxArrowHead)),
		ipc.WithBodySizeLimit(size), ipc.WithAllocator(memory)), ipc.WithAllocator(memory))
	if err != nil {
		return fmt.Errorf("damaged Arrow file, fetch it again: %w", err)
	}
	defer reader.Release()
	if begin != nil && !begin(reader.Schema()) {
		return nil
	}
	for reader.Next() {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := batch(reader.RecordBatch()); err != nil {
			return err
		}
	}
	if err := reader.Err(); err != nil {
		return fmt.Errorf("damaged Arrow file, fetch it again: %w", err)
	}
	return nil
}

// limited is memory in pieces of at most so many bytes.
type limited struct {
	memory.Allocator
	most int64
}

func (l *limited) Allocate(size int) []byte {
	l.check(size)
	return l.Allocator.Allocate(size)
}

func (l *limited) Reallocate(size int, b []byte) []byte {
	l.check(size)
	return l.Allocator.Reallocate(size, b)
}

func (l *limited) check(size int) {
	if size < 0 || int64(size) > l.most {
		panic(fmt.Sprintf("it declares %d bytes of values", size))
	}
}

// warning tells of a stream that ends between two batches without the mark that it ends with: an empty message.
func (a arrowTable) warning() string {
	var end [8]byte
	if size := a.file.Size(); size >= int64(len(end)) {
		_, _ = a.file.ReadAt(end[:], size-int64(len(end)))
	}
	if string(end[:]) == "\xff\xff\xff\xff\x00\x00\x00\x00" || string(end[2:]) == arrowMagic[:6] {
		return ""
	}
	return "the file has no end mark and may be cut short: fetch it again if something is missing"
}

func (a arrowTable) metadata() string {
	text, _ := a.schema.Metadata().GetValue("huggingface")
	return text
}

// columns are at indices that count the fields of structures too: column i, and field j of it, are 256*i + j + 1.
func (a arrowTable) columns() (some []hubColumn, all []string) {
	add := func(index int, kind arrow.DataType, path ...string) {
		all = append(all, strings.Join(path, "."))
		switch {
		case kind.ID() == arrow.BINARY || kind.ID() == arrow.LARGE_BINARY:
			some = append(some, hubColumn{path, index, false})
		case arrow.IsInteger(kind.ID()):
			some = append(some, hubColumn{path, index, true})
		}
	}
	for i, field := range a.schema.Fields() {
		inside, ok := field.Type.(*arrow.StructType)
		if !ok {
			add(256*i, field.Type, field.Name)
			continue
		}
		for j, f := range inside.Fields() {
			if j < 255 {
				add(256*i+j+1, f.Type, field.Name, f.Name)
			}
		}
	}
	return some, all
}

// column is that of an index, in a batch; structure is what it is a field of, if it is.
func (a arrowTable) column(batch arrow.RecordBatch, index int) (values, structure arrow.Array) {
	values = batch.Column(index / 256)
	if field := index % 256; field > 0 {
		return values.(*array.Struct).Field(field - 1), values
	}
	return values, nil
}

func (a arrowTable) rows(ctx context.Context) (n int64, err error) {
	err = a.stream(ctx, nil, func(batch arrow.RecordBatch) error {
		n += batch.NumRows()
		return nil
	})
	return n, err
}

func (a arrowTable) labels(ctx context.Context, column int, fn func(label int64) error) error {
	return a.stream(ctx, nil, func(batch arrow.RecordBatch) error {
		values, _ := a.column(batch, column)
		for i := range values.Len() {
			if err := fn(arrowInteger(values, i)); err != nil {
				return err
			}
		}
		return nil
	})
}

func (a arrowTable) pictures(ctx context.Context, column, label int, fn func(row int, picture []byte, label int64) error) error {
	row := 0
	return a.stream(ctx, nil, func(batch arrow.RecordBatch) error {
		images, structure := a.column(batch, column)
		var labels arrow.Array
		if label >= 0 {
			labels, _ = a.column(batch, label)
		}
		for i := range int(batch.NumRows()) {
			var picture []byte
			if !images.IsNull(i) && (structure == nil || !structure.IsNull(i)) {
				picture = arrowBytes(images, i)
			}
			number := int64(noLabel)
			if labels != nil {
				number = arrowInteger(labels, i)
			}
			if err := fn(row, picture, number); err != nil {
				return err
			}
			row++
		}
		return nil
	})
}

func arrowBytes(values arrow.Array, i int) []byte {
	switch values := values.(type) {
	case *array.Binary:
		return values.Value(i)
	case *array.LargeBinary:
		return values.Value(i)
	}
	return nil
}

// arrowInteger is a value, noLabel where there is none.
func arrowInteger(values arrow.Array, i int) int64 {
	if values.IsNull(i) {
		return noLabel
	}
	switch values := values.(type) {
	case *array.Int8:
		return int64(values.Value(i))
	case *array.Int16:
		return int64(values.Value(i))
	case *array.Int32:
		return int64(values.Value(i))
	case *array.Int64:
		return values.Value(i)
	case *array.Uint8:
		return int64(values.Value(i))
	case *array.Uint16:
		return int64(values.Value(i))
	case *array.Uint32:
		return int64(values.Value(i))
	case *array.Uint64:
		return int64(min(values.Value(i), 1<<62))
	}
	return noLabel
}
