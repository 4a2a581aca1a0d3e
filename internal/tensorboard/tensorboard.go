// Package tensorboard writes event files, which TensorBoard shows as curves and pictures.
//
// A directory is one run to TensorBoard, and each process that works on the run adds a file of its own, named by [FileName]: a
// resumed run starts a new file and leaves the old ones alone.
package tensorboard

// This file frames events as records (TFRecord) and keeps the order of fields. A record is
//
//	uint64   length of the data, little-endian
//	uint32   masked CRC-32C of the length
//	bytes    data, an Event (event.go)
//	uint32   masked CRC-32C of the data
//
// where masked(c) = rotate right(c, 15) + 0xa282ead8, so that checksums of what holds checksums stay sound.
//
// Source: TensorFlow, tsl/lib/io/record_writer.h and tsl/lib/hash/crc32c.h.

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"math/bits"
	"slices"
	"time"
)

// FileName is the name of the event file of a process that started at start. TensorBoard looks for "tfevents" in names and reads
// the files of a directory in the names' order, which is the order of their starts.
func FileName(start time.Time) string {
	return fmt.Sprintf("events.out.tfevents.%010d.%09d", start.Unix(), start.Nanosecond())
}

// Writer writes one event file. It is not safe for concurrent use. Each call makes one Write of whole events, so nothing needs
// flushing and TensorBoard can follow while the run goes on.
type Writer struct {
	w io.Writer
}

// NewWriter starts an event file whose steps begin at firstStep. TensorBoard drops what earlier files of the directory say about
// firstStep and later: the steps that a resumed run repeats.
func NewWriter(w io.Writer, start time.Time, firstStep int) (*Writer, error) {
	// A session's start drops nothing if it is the first that TensorBoard sees, so every file needs one.
	return &Writer{w}, write(w, record(record(nil, versionEvent(start)), startEvent(start, firstStep)))
}

// Scalar adds a point at step to the curve of each name in values, in the order of the names. TensorBoard groups curves by what
// comes before the first slash of a name and keeps float32 precision.
func (w *Writer) Scalar(step int, at time.Time, values map[string]float64) error {
	var summary message
	for _, name := range slices.Sorted(maps.Keys(values)) {
		summary = summary.embed(summaryValue, scalarValue(name, float32(values[name])))
	}
	return write(w.w, record(nil, summaryEvent(at, step, summary)))
}

// Image shows a PNG of the given width and height in pixels under tag. Channels is 1 for grey, 3 for RGB, 4 for RGBA.
func (w *Writer) Image(step int, at time.Time, tag string, png []byte, width, height, channels int) error {
	summary := message(nil).embed(summaryValue, imageValue(tag, png, width, height, channels))
	return write(w.w, record(nil, summaryEvent(at, step, summary)))
}

func write(w io.Writer, records []byte) error {
	if _, err := w.Write(records); err != nil {
		return fmt.Errorf("writing TensorBoard events: %w", err)
	}
	return nil
}

// record appends data as a record to records.
func record(records, data []byte) []byte {
	length := binary.LittleEndian.AppendUint64(nil, uint64(len(data)))
	records = append(records, length...)
	records = binary.LittleEndian.AppendUint32(records, masked(length))
	records = append(records, data...)
	return binary.LittleEndian.AppendUint32(records, masked(data))
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func masked(data []byte) uint32 {
	return bits.RotateLeft32(crc32.Checksum(data, castagnoli), -15) + 0xa282ead8
}
