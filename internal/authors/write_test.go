package authors_test

// This file writes checkpoints as the authors' script does, in torch.save's format: a zip archive with a pickle of protocol 2 and the bytes
// of each tensor.

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/joule-ebm/joule/internal/safetensors"
)

// entry is one of a dictionary.
type entry struct {
	key   string
	value any // bool, int, float64, string, safetensors.Tensor, dict, or easyDict
}

type (
	dict     []entry // OrderedDict
	easyDict []entry // easydict.EasyDict, which pickles its entries twice: as entries and as attributes
	evil     struct{ module, name, argument string }
)

type pickler struct {
	bytes.Buffer
	storages [][]byte
}

func (p *pickler) text(s string) {
	p.WriteByte('X')
	_ = binary.Write(p, binary.LittleEndian, uint32(len(s)))
	p.WriteString(s)
}

func (p *pickler) integer(n int) {
	p.WriteByte('J')
	_ = binary.Write(p, binary.LittleEndian, int32(n))
}

func (p *pickler) entries(entries []entry) {
	p.WriteByte('(')
	for _, e := range entries {
		p.text(e.key)
		p.value(e.value)
	}
	p.WriteByte('u')
}

func (p *pickler) value(v any) {
	switch v := v.(type) {
	case bool:
		p.WriteByte(map[bool]byte{true: 0x88, false: 0x89}[v])
	case int:
		p.integer(v)
	case float64:
		p.WriteByte('G')
		_ = binary.Write(p, binary.BigEndian, math.Float64bits(v))
	case string:
		p.text(v)
	case dict:
		p.WriteString("ccollections\nOrderedDict\n)R")
		p.entries(v)
		p.WriteByte('}') // attributes, as a state_dict has _metadata
		p.entries([]entry{{"_metadata", "m"}})
		p.WriteByte('b')
	case easyDict:
		p.WriteString("ceasydict\nEasyDict\n)\x81")
		p.entries(v)
		p.WriteByte('}')
		p.entries(v)
		p.WriteByte('b')
	case evil:
		fmt.Fprintf(p, "c%s\n%s\n", v.module, v.name)
		p.text(v.argument)
		p.WriteString("\x85R")
	case safetensors.Tensor:
		p.WriteString("ctorch._utils\n_rebuild_tensor_v2\n((")
		p.text("storage")
		p.WriteString("ctorch\nFloatStorage\n")
		p.text(fmt.Sprint(len(p.storages)))
		p.text("cpu")
		p.integer(len(v.Data) / 4)
		p.WriteString("tQ")
		p.storages = append(p.storages, v.Data)
		p.integer(0)
		p.WriteByte('(')
		stride := make([]int, len(v.Shape))
		for i, step := len(v.Shape)-1, 1; i >= 0; i-- {
			stride[i] = step
			step *= v.Shape[i]
		}
		for _, n := range v.Shape {
			p.integer(n)
		}
		p.WriteString("t(")
		for _, n := range stride {
			p.integer(n)
		}
		p.WriteByte('t')
		p.WriteString("\x89") // requires_grad
		p.WriteString("ccollections\nOrderedDict\n)RtR")
	default:
		panic(fmt.Sprintf("no pickle of a %T", v))
	}
}

// save writes an object as torch.save does.
func save(t *testing.T, name string, object any) string {
	t.Helper()
	p := &pickler{}
	p.WriteString("\x80\x02")
	p.value(object)
	p.WriteByte('.')
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	put := func(name string, content []byte) {
		f, err := w.CreateHeader(&zip.FileHeader{Name: "archive/" + name, Method: zip.Store})
		if err == nil {
			_, err = f.Write(content)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	put("data.pkl", p.Bytes())
	put("byteorder", []byte("little"))
	for i, s := range p.storages {
		put(fmt.Sprintf("data/%d", i), s)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, out.Bytes(), 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}
