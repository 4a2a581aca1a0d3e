package tensorboard

// This file encodes the few Protocol Buffers messages that are needed, by hand: the schema has not changed in ten years and the
// encoding is a page, where the library would be the project's largest dependency.
//
// Sources: TensorFlow, core/util/event.proto and core/framework/summary.proto; protobuf.dev, "Encoding".

import (
	"encoding/binary"
	"math"
	"time"
)

// Field numbers.
const (
	eventWallTime    = 1 // double, seconds since 1970
	eventStep        = 2 // int64
	eventFileVersion = 3 // string
	eventSummary     = 5 // Summary
	eventSessionLog  = 7 // SessionLog

	sessionStatus      = 1 // enum
	sessionStatusStart = 1

	summaryValue = 1 // repeated Value

	valueTag    = 1 // string
	valueScalar = 2 // float, "simple_value"
	valueImage  = 4 // Image

	imageHeight     = 1 // int32
	imageWidth      = 2 // int32
	imageColorspace = 3 // int32: the number of channels
	imageEncoded    = 4 // bytes
)

// versionEvent must be a file's first.
func versionEvent(at time.Time) message {
	return newEvent(at).bytes(eventFileVersion, []byte("brain.Event:2"))
}

// startEvent says that a process starts to write at step.
func startEvent(at time.Time, step int) message {
	return newEvent(at).varint(eventStep, step).embed(eventSessionLog, message(nil).varint(sessionStatus, sessionStatusStart))
}

func summaryEvent(at time.Time, step int, summary message) message {
	return newEvent(at).varint(eventStep, step).embed(eventSummary, summary)
}

func newEvent(at time.Time) message {
	seconds := float64(at.Unix()) + float64(at.Nanosecond())/1e9
	m := message(nil).key(eventWallTime, wireFixed64)
	return binary.LittleEndian.AppendUint64(m, math.Float64bits(seconds))
}

func scalarValue(tag string, value float32) message {
	m := message(nil).bytes(valueTag, []byte(tag)).key(valueScalar, wireFixed32)
	return binary.LittleEndian.AppendUint32(m, math.Float32bits(value))
}

func imageValue(tag string, png []byte, width, height, channels int) message {
	image := message(nil).varint(imageHeight, height).varint(imageWidth, width).varint(imageColorspace, channels).bytes(imageEncoded, png)
	return message(nil).bytes(valueTag, []byte(tag)).embed(valueImage, image)
}

// Wire types: how long a field is.
const (
	wireVarint  = 0
	wireFixed64 = 1
	wireBytes   = 2
	wireFixed32 = 5
)

// message is a message's encoding so far; its methods append a field.
type message []byte

func (m message) key(field, wire int) message {
	return binary.AppendUvarint(m, uint64(field<<3|wire))
}

func (m message) varint(field, value int) message {
	return binary.AppendUvarint(m.key(field, wireVarint), uint64(value))
}

func (m message) bytes(field int, value []byte) message {
	return append(binary.AppendUvarint(m.key(field, wireBytes), uint64(len(value))), value...)
}

func (m message) embed(field int, value message) message {
	return m.bytes(field, value)
}
