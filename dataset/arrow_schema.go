package dataset

// What an Arrow file declares of its columns, looked at before the decoder is: a table of Google's FlatBuffers. Source: Apache Arrow,
// Message.fbs and Schema.fbs.

import (
	"encoding/binary"
	"fmt"
	"io"

	flatbuffers "github.com/google/flatbuffers/go"
)

// checkArrowSchema is an error where the first message of a stream declares more fields, or fields within fields, than it has bytes for: the
// decoder takes memory for them before it looks, and that is no fault to recover from. The message is a table of Google's FlatBuffers
// (Arrow's Message.fbs and Schema.fbs), whose slots are numbered here.
func checkArrowSchema(in io.SectionReader) error {
	const (
		messageHeader                 = 8
		schemaFields, schemaMetadata  = 6, 8
		fieldChildren, fieldMetadata  = 14, 16
		fieldDepth, bytesOfAReference = 64, 4
	)
	var word [4]byte
	length := uint32(0)
	for range 2 { // the marker of newer versions, and the length
		if _, err := io.ReadFull(&in, word[:]); err != nil {
			return fmt.Errorf("damaged Arrow file, fetch it again: %w", err)
		}
		if length = binary.LittleEndian.Uint32(word[:]); length != 1<<32-1 {
			break
		}
	}
	if int64(length) > min(in.Size(), maxArrowHead) {
		return fmt.Errorf("damaged Arrow file: it declares a head of %d bytes", length)
	}
	head := make([]byte, length)
	if _, err := io.ReadFull(&in, head); err != nil {
		return fmt.Errorf("damaged Arrow file, fetch it again: %w", err)
	}
	left := len(head) / bytesOfAReference // references to what is in a vector that the head has room for
	vector := func(t flatbuffers.Table, slot flatbuffers.VOffsetT) (elements []flatbuffers.Table, err error) {
		at := flatbuffers.UOffsetT(t.Offset(slot))
		if at == 0 {
			return nil, nil
		}
		n := t.VectorLen(at)
		if left -= n; n < 0 || left < 0 {
			return nil, fmt.Errorf("damaged Arrow file: it declares more fields than its head of %d bytes has room for", len(head))
		}
		for i := range n {
			at := t.Vector(at) + flatbuffers.UOffsetT(i*bytesOfAReference)
			elements = append(elements, flatbuffers.Table{Bytes: head, Pos: t.Indirect(at)})
		}
		return elements, nil
	}
	var check func(t flatbuffers.Table, children, metadata flatbuffers.VOffsetT, depth int) error
	check = func(t flatbuffers.Table, children, metadata flatbuffers.VOffsetT, depth int) error {
		if depth > fieldDepth {
			return fmt.Errorf("damaged Arrow file: fields within fields, %d deep", depth)
		}
		if _, err := vector(t, metadata); err != nil {
			return err
		}
		fields, err := vector(t, children)
		for i := 0; err == nil && i < len(fields); i++ {
			err = check(fields[i], fieldChildren, fieldMetadata, depth+1)
		}
		return err
	}
	message := flatbuffers.Table{Bytes: head, Pos: flatbuffers.GetUOffsetT(head)}
	at := flatbuffers.UOffsetT(message.Offset(messageHeader))
	if at == 0 {
		return nil // the decoder says what is wrong
	}
	schema := flatbuffers.Table{Bytes: head, Pos: message.Indirect(message.Pos + at)}
	return check(schema, schemaFields, schemaMetadata, 0)
}
