//go:build xla

package pjrt

import (
	"encoding/binary"
	"maps"
	"math"
	"slices"
)

// Options of a compilation.
type Options struct {
	// Replicas is the number of devices that run the program together, each on its part of the batch; 0 means 1.
	Replicas int
	// Flags are XLA's, without the dashes (xla_gpu_enable_fast_min_max, say): values are strings, bools, ints or float64s. A plugin
	// refuses those it does not know.
	Flags map[string]any
}

// encode is the serialised message xla.CompileOptionsProto (xla/pjrt/proto/compile_options.proto) in the wire format of protocol
// buffers: fields of a number and a type, varints for whole numbers, a length before everything else.
func (o Options) encode() []byte {
	const unset = math.MaxUint64 // -1
	replicas := uint64(max(o.Replicas, 1))
	var build []byte
	build = varint(build, 1, unset) // device_ordinal
	build = varint(build, 4, replicas)
	build = varint(build, 5, 1) // num_partitions
	var all []byte
	all = bytes(all, 3, build)
	for _, name := range slices.Sorted(maps.Keys(o.Flags)) {
		all = bytes(all, 7, bytes(bytes(nil, 1, []byte(name)), 2, flag(o.Flags[name])))
	}
	return all
}

// flag is the message OptionOverrideProto.
func flag(v any) []byte {
	switch v := v.(type) {
	case string:
		return bytes(nil, 1, []byte(v))
	case bool:
		if v {
			return varint(nil, 2, 1)
		}
		return varint(nil, 2, 0)
	case int:
		return varint(nil, 3, uint64(v))
	case float64:
		return binary.LittleEndian.AppendUint64(binary.AppendUvarint(nil, 4<<3|1), math.Float64bits(v))
	}
	return nil
}

// varint appends a field of a whole number.
func varint(b []byte, field int, v uint64) []byte {
	return binary.AppendUvarint(binary.AppendUvarint(b, uint64(field)<<3), v)
}

// bytes appends a field of a string or a message.
func bytes(b []byte, field int, v []byte) []byte {
	b = binary.AppendUvarint(b, uint64(field)<<3|2)
	return append(binary.AppendUvarint(b, uint64(len(v))), v...)
}
