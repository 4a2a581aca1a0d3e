package safetensors_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"log"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/joule-ebm/joule/internal/safetensors"
)

func Example() {
	weight := safetensors.FromFloat32s("conv.weight", []int{2, 2}, []float32{0.5, -1, 2, 0})
	var file bytes.Buffer
	if err := safetensors.Write(&file, []safetensors.Tensor{weight}, map[string]string{"iteration": "120"}); err != nil {
		log.Fatal(err)
	}

	content, err := safetensors.Read(bytes.NewReader(file.Bytes()), int64(file.Len()))
	if err != nil {
		log.Fatal(err)
	}
	for _, t := range content.Tensors {
		values, err := t.Float32s()
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(t.Name, t.DType, t.Shape, values, content.Metadata)
	}
	// Output: conv.weight F32 [2 2] [0.5 -1 2 0] map[iteration:120]
}

// testdata/python.safetensors was written by the Python library, safetensors 0.8.0:
//
//	import numpy as np
//	from safetensors import TensorSpec, serialize_file
//	t = {
//	    "weight": np.arange(6, dtype=np.float32).reshape(2, 3) / 4 - 0.5,
//	    "double": np.array([1/3, -1e300, np.nan]),
//	    "half": np.array([0, -0.0, 1, -2.5, 65504, 2**-24, -2**-14, np.inf, np.nan], dtype=np.float16),
//	    "long": np.array([-(2**62), 7]),
//	    "int": np.array([[-5], [2**31-1]], dtype=np.int32),
//	    "byte": np.array([0, 128, 255], dtype=np.uint8),
//	    "flag": np.array([True, False]),
//	    "scalar": np.array(3.5, dtype=np.float32),
//	    "empty": np.zeros((0, 4), dtype=np.float32),
//	    "größe \"<&>\"": np.array([2], dtype=np.int16),
//	}
//	bf = (np.array([1, -2.5, 3.140625, np.inf], dtype=np.float32).view(np.uint32) >> 16).astype(np.uint16)
//	d = {k: TensorSpec(dtype=v.dtype.name, shape=v.shape, data_ptr=v.ctypes.data, data_len=v.nbytes) for k, v in t.items()}
//	d["brain"] = TensorSpec(dtype="bfloat16", shape=(4,), data_ptr=bf.ctypes.data, data_len=bf.nbytes)
//	serialize_file(d, "python.safetensors", {"iteration": "120"})
const fromPython = "testdata/python.safetensors"

func TestReadsWhatPythonWrote(t *testing.T) {
	file, err := safetensors.ReadFile(fromPython)
	if err != nil {
		t.Fatal(err)
	}
	if want := map[string]string{"iteration": "120"}; !reflect.DeepEqual(file.Metadata, want) {
		t.Errorf("metadata %v, want %v", file.Metadata, want)
	}
	inf, nan, zero := float32(math.Inf(1)), float32(math.NaN()), float32(0)
	want := []struct {
		name, dtype string
		shape       []int
		floats      []float32
		ints        []int64
	}{
		{"weight", "F32", []int{2, 3}, []float32{-0.5, -0.25, 0, 0.25, 0.5, 0.75}, nil},
		{"double", "F64", []int{3}, []float32{1. / 3, -inf, nan}, nil},
		{"half", "F16", []int{9}, []float32{0, -zero, 1, -2.5, 65504, 0x1p-24, -0x1p-14, inf, nan}, nil},
		{"brain", "BF16", []int{4}, []float32{1, -2.5, 3.140625, inf}, nil},
		{"scalar", "F32", []int{}, []float32{3.5}, nil},
		{"empty", "F32", []int{0, 4}, []float32{}, nil},
		{"long", "I64", []int{2}, nil, []int64{-(1 << 62), 7}},
		{"int", "I32", []int{2, 1}, nil, []int64{-5, math.MaxInt32}},
		{"byte", "U8", []int{3}, nil, []int64{0, 128, 255}},
		{"flag", "BOOL", []int{2}, nil, nil},
		{`größe "<&>"`, "I16", []int{1}, nil, nil},
	}
	if len(file.Tensors) != len(want) {
		t.Errorf("%d tensors, want %d", len(file.Tensors), len(want))
	}
	for _, w := range want {
		got, ok := file.Lookup(w.name)
		if !ok {
			t.Errorf("no tensor %q", w.name)
			continue
		}
		if got.DType != w.dtype || !reflect.DeepEqual(got.Shape, w.shape) {
			t.Errorf("%s: %s %v, want %s %v", w.name, got.DType, got.Shape, w.dtype, w.shape)
		}
		floats, err := got.Float32s()
		if (err == nil) != (w.floats != nil) || fmt.Sprint(floats) != fmt.Sprint(w.floats) { // printed, NaN equals NaN
			t.Errorf("%s: floats %v, %v, want %v", w.name, floats, err, w.floats)
		}
		ints, err := got.Int64s()
		if (err == nil) != (w.ints != nil) || !reflect.DeepEqual(ints, w.ints) {
			t.Errorf("%s: integers %v, %v, want %v", w.name, ints, err, w.ints)
		}
	}
	half, _ := file.Lookup("half")
	if values, _ := half.Float32s(); math.Float32bits(values[1]) != 1<<31 {
		t.Errorf("half-precision -0 lost its sign: %v", values[1])
	}
	if _, ok := file.Lookup("bias"); ok {
		t.Error("found a tensor that is not there")
	}
}

// The Python library writes tensors by width and name; read and written again in that order the bytes are the same.
func TestWritesWhatPythonWrote(t *testing.T) {
	want, err := os.ReadFile(fromPython)
	if err != nil {
		t.Fatal(err)
	}
	file, err := safetensors.ReadFile(fromPython)
	if err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	if err := safetensors.Write(&got, file.Tensors, file.Metadata); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), want) {
		t.Errorf("wrote\n%q, want\n%q", got.Bytes(), want)
	}
}

func TestWriteIsDeterministicAndAligned(t *testing.T) {
	metadata := map[string]string{}
	for i := range 20 {
		metadata[fmt.Sprint("key", i)] = fmt.Sprint(i)
	}
	for names := range 9 { // of growing length, for every need of padding
		tensors := []safetensors.Tensor{
			safetensors.FromFloat32s("z"+strings.Repeat("n", names), []int{1}, []float32{1}),
			safetensors.FromFloat32s("a", nil, []float32{2}),
		}
		var first, second bytes.Buffer
		if err := errors.Join(safetensors.Write(&first, tensors, metadata), safetensors.Write(&second, tensors, metadata)); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(first.Bytes(), second.Bytes()) {
			t.Error("the same arguments gave different bytes")
		}
		if n := binary.LittleEndian.Uint64(first.Bytes()); n%8 != 0 {
			t.Errorf("a header of %d bytes leaves the data misaligned", n)
		}
		file, err := safetensors.Read(bytes.NewReader(first.Bytes()), int64(first.Len()))
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(file.Metadata, metadata) || file.Tensors[0].Name != tensors[0].Name || file.Tensors[1].Name != "a" {
			t.Errorf("read %v", file)
		}
	}
}

func TestWriteRefuses(t *testing.T) {
	ok := safetensors.FromFloat32s("a", []int{2}, []float32{1, 2})
	tests := map[string]struct {
		tensors  []safetensors.Tensor
		metadata map[string]string
		want     string
	}{
		"duplicate":      {[]safetensors.Tensor{ok, ok}, nil, `"a" is taken`},
		"reserved":       {[]safetensors.Tensor{{Name: "__metadata__", DType: "U8"}}, nil, "is taken"},
		"shape":          {[]safetensors.Tensor{safetensors.FromFloat32s("a", []int{3}, []float32{1, 2})}, nil, "8 bytes, but F32 [3] takes 12"},
		"negative":       {[]safetensors.Tensor{{Name: "a", DType: "U8", Shape: []int{-1, -1}, Data: []byte{1}}}, nil, "negative"},
		"overflow":       {[]safetensors.Tensor{{Name: "a", DType: "U8", Shape: []int{math.MaxInt, math.MaxInt}}}, nil, "too many"},
		"dtype":          {[]safetensors.Tensor{{Name: "a", DType: "F33"}}, nil, `unknown dtype "F33"`},
		"odd bits":       {[]safetensors.Tensor{{Name: "a", DType: "F4", Shape: []int{1}}}, nil, "no number of bytes"},
		"name":           {[]safetensors.Tensor{{Name: "\xff", DType: "U8", Data: []byte{1}}}, nil, "UTF-8"},
		"metadata key":   {nil, map[string]string{"\xff": ""}, "UTF-8"},
		"metadata value": {nil, map[string]string{"a": "\xff"}, "UTF-8"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			checkError(t, safetensors.Write(&out, test.tensors, test.metadata), test.want)
			if out.Len() > 0 {
				t.Error("wrote something before it refused")
			}
		})
	}
}

// file is a safetensors file with this header and n bytes of data.
func file(header string, n int) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(b, header...), make([]byte, n)...)
}

var damaged = map[string]struct {
	content []byte
	want    string
}{
	"empty":              {nil, "too few"},
	"short":              {[]byte("1234567"), "too few"},
	"huge header":        {binary.LittleEndian.AppendUint64(nil, math.MaxUint64), "the format allows 100000000"},
	"header past end":    {binary.LittleEndian.AppendUint64(nil, 100), "truncated"},
	"not JSON":           {file(`{"a"`, 0), "header"},
	"leading space":      {file(` {}`, 0), "start with {"},
	"array":              {file(`[]`, 0), "start with {"},
	"trailing text":      {file(`{} {}`, 0), "follows"},
	"not UTF-8":          {file("{\"\xff\":{}}", 0), "UTF-8"},
	"metadata number":    {file(`{"__metadata__":{"a":1}}`, 0), "metadata must be strings"},
	"metadata null":      {file(`{"__metadata__":{"a":null}}`, 0), "metadata must be strings"},
	"metadata twice":     {file(`{"__metadata__":{},"__metadata__":{}}`, 0), "twice"},
	"name twice":         {file(`{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}`, 2), `"a" appears twice`},
	"escaped name twice": {file(`{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"\u0061":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}`, 2), `"a" appears twice`},
	"field twice":        {file(`{"a":{"dtype":"U8","dtype":"U8","shape":[1],"data_offsets":[0,1]}}`, 1), "twice"},
	"unknown field":      {file(`{"a":{"Dtype":"U8","shape":[1],"data_offsets":[0,1]}}`, 1), `unknown field "Dtype"`},
	"no dtype":           {file(`{"a":{"shape":[1],"data_offsets":[0,1]}}`, 1), "unknown dtype"},
	"no shape":           {file(`{"a":{"dtype":"U8","data_offsets":[0,1]}}`, 1), "no shape"},
	"null shape":         {file(`{"a":{"dtype":"U8","shape":null,"data_offsets":[0,1]}}`, 1), "no shape"},
	"null dimension":     {file(`{"a":{"dtype":"U8","shape":[null],"data_offsets":[0,0]}}`, 0), "whole number"},
	"fraction":           {file(`{"a":{"dtype":"U8","shape":[1.5],"data_offsets":[0,1]}}`, 1), "whole number"},
	"negative shape":     {file(`{"a":{"dtype":"U8","shape":[-1,-1],"data_offsets":[0,1]}}`, 1), "negative"},
	"negative offset":    {file(`{"a":{"dtype":"U8","shape":[1],"data_offsets":[-1,0]}}`, 1), "whole number"},
	"three offsets":      {file(`{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1,2]}}`, 1), "two numbers"},
	"backwards":          {file(`{"a":{"dtype":"U8","shape":[1],"data_offsets":[1,0]}}`, 1), "bytes 1 to 0"},
	"wrong span":         {file(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,3]}}`, 3), "takes 4"},
	"product overflow":   {file(`{"a":{"dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,0]}}`, 0), "too many"},
	"size overflow":      {file(`{"a":{"dtype":"F64","shape":[2305843009213693952],"data_offsets":[0,0]}}`, 0), "too many"},
	"many dimensions":    {file(`{"a":{"dtype":"U8","shape":[1`+strings.Repeat(",1", 64)+`],"data_offsets":[0,1]}}`, 1), "65 dimensions"},
	"gap":                {file(`{"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}`, 2), "gaps"},
	"overlap":            {file(`{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}}`, 3), "gaps"},
	"truncated data":     {file(`{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}`, 1), "truncated"},
	"overlong data":      {file(`{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}`, 3), "overlong"},
	"terabytes":          {file(`{"a":{"dtype":"U8","shape":[1099511627776],"data_offsets":[0,1099511627776]}}`, 1), "truncated"},
	"long name":          {file(`{"`+strings.Repeat("n", 1000)+`":{"dtype":"?"}}`, 0), "no shape"},
	"a newline's name":   {file(`{"a\nb":{"dtype":"?","shape":[],"data_offsets":[0,0]}}`, 0), "unknown dtype"},
}

func TestReadRefuses(t *testing.T) {
	for name, test := range damaged {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "a.safetensors")
			if err := os.WriteFile(path, test.content, 0o666); err != nil {
				t.Fatal(err)
			}
			_, err := safetensors.ReadFile(path)
			checkError(t, err, test.want)
			checkError(t, err, path)
		})
	}
	whole, err := os.ReadFile(fromPython)
	if err != nil {
		t.Fatal(err)
	}
	for n := range whole {
		if _, err := safetensors.Read(bytes.NewReader(whole[:n]), int64(n)); err == nil {
			t.Errorf("read a file cut to %d of %d bytes", n, len(whole))
		}
	}
}

func checkError(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want %q", want)
	}
	if message := err.Error(); !strings.Contains(message, want) || strings.Contains(message, "\n") || len(message) > 400 {
		t.Errorf("error %q, want one short line with %q", message, want)
	}
}

// Whatever Read accepts can be written again, and reads the same.
func FuzzRead(f *testing.F) {
	whole, err := os.ReadFile(fromPython)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add(file(`{}`, 0))
	f.Add(file(`{"b":{"dtype":"F4","shape":[2,3],"data_offsets":[0,3]}}   `, 3))
	for _, test := range damaged {
		f.Add(test.content)
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		first, err := safetensors.Read(bytes.NewReader(content), int64(len(content)))
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("an error of more than one line: %q", err)
			}
			return
		}
		for _, tensor := range first.Tensors {
			_, _ = tensor.Float32s()
			_, _ = tensor.Int64s()
		}
		if len(first.Metadata) == 0 {
			first.Metadata = nil // {} and nothing are written alike
		}
		var out bytes.Buffer
		if err := safetensors.Write(&out, first.Tensors, first.Metadata); err != nil {
			t.Fatalf("cannot write what was read: %v", err)
		}
		second, err := safetensors.Read(bytes.NewReader(out.Bytes()), int64(out.Len()))
		if err != nil {
			t.Fatalf("cannot read what was written: %v", err)
		}
		if !reflect.DeepEqual(first, second) {
			t.Errorf("read %v, then wrote and read %v", first, second)
		}
	})
}
