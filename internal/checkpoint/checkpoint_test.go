package checkpoint_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"log"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/joule-ebm/joule/internal/checkpoint"
)

func Example() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "checkpoint")

	for iteration := range byte(3) {
		sections := []checkpoint.Section{{Name: "iteration", Data: []byte{iteration}}, {Name: "weights", Data: []byte("...")}}
		if err := checkpoint.Save(path, sections); err != nil {
			log.Fatal(err)
		}
	}
	if err := os.Truncate(path, 20); err != nil { // the disk loses its end
		log.Fatal(err)
	}

	c, err := checkpoint.Load(path)
	if err != nil {
		log.Fatal(err)
	}
	iteration, err := c.Section("iteration")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(filepath.Base(c.Path), iteration, c.Fallback != nil)
	// Output: checkpoint.previous [1] true
}

var sections = []checkpoint.Section{{Name: "a", Data: []byte("first")}, {Name: "empty", Data: []byte{}}, {Name: "ü", Data: []byte{0, 255, 10, 13}}}

func encode(t testing.TB, sections []checkpoint.Section) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := checkpoint.Write(&b, sections); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestReadsWhatItWrites(t *testing.T) {
	for _, want := range [][]checkpoint.Section{{}, sections} {
		content := encode(t, want)
		got, err := checkpoint.Read(bytes.NewReader(content), int64(len(content)))
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("read %q, want %q", got, want)
		}
	}
}

// pieces writes its pieces one by one, and then fails with err.
type pieces struct {
	list []string
	err  error
}

func (p pieces) WriteTo(w io.Writer) (written int64, err error) {
	for _, piece := range p.list {
		n, err := io.WriteString(w, piece)
		if written += int64(n); err != nil {
			return written, err
		}
	}
	return written, p.err
}

// A section that writes itself gives the bytes of one with the same data, and its error before there is a file.
func TestSource(t *testing.T) {
	written := encode(t, []checkpoint.Section{{Name: "a", Data: []byte("first")}, {Name: "b", Source: pieces{list: []string{"sec", "", "ond"}}}})
	if want := encode(t, []checkpoint.Section{{Name: "a", Data: []byte("first")}, {Name: "b", Data: []byte("second")}}); !bytes.Equal(written, want) {
		t.Errorf("wrote %q, want %q", written, want)
	}
	var out bytes.Buffer
	broken := errors.New("no more")
	if err := checkpoint.Write(&out, []checkpoint.Section{{Name: "b", Source: pieces{[]string{"sec"}, broken}}}); !errors.Is(err, broken) || out.Len() > 0 {
		t.Errorf("error %v after %d bytes, want %v after 0", err, out.Len(), broken)
	}
}

// The bytes are a promise to the checkpoints that exist.
func TestFormat(t *testing.T) {
	got := encode(t, []checkpoint.Section{{Name: "it", Data: []byte("123456789")}})
	want := "\x89Joule\r\n" + "\x01\x00\x00\x00" + "\x10\x00\x00\x00" +
		"\x02\x00it" + "\x09\x00\x00\x00\x00\x00\x00\x00" + "\x83\x92\x06\xe3" + // the check value of CRC-32C, 0xe3069283
		"A\xc0Q]" + "123456789"
	if string(got) != want {
		t.Errorf("wrote %q, want %q", got, want)
	}
}

func TestWriteRefuses(t *testing.T) {
	long := strings.Repeat("n", math.MaxUint16-20)
	var many []checkpoint.Section
	for i := range 17 {
		many = append(many, checkpoint.Section{Name: fmt.Sprint(i, long)})
	}
	for name, bad := range map[string][]checkpoint.Section{
		"twice":     {sections[0], sections[0]},
		"long name": {{Name: strings.Repeat("n", math.MaxUint16+1)}},
		"many":      many,
	} {
		var out bytes.Buffer
		if err := checkpoint.Write(&out, bad); err == nil || out.Len() > 0 {
			t.Errorf("%s: error %v after %d bytes", name, err, out.Len())
		}
		path := filepath.Join(t.TempDir(), "checkpoint")
		if err := checkpoint.Save(path, bad); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: saving: %v, want an error with the path", name, err)
		}
	}
}

// withTable is a checkpoint with this table and right checksums.
func withTable(table string, data int) []byte {
	b := binary.LittleEndian.AppendUint32([]byte("\x89Joule\r\n"), 1)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(table)))
	b = append(b, table...)
	b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)))
	return append(b, make([]byte, data)...)
}

func foreign(t testing.TB) map[string]struct {
	content []byte
	want    string
} {
	whole := encode(t, sections)
	flip := func(at int) []byte {
		b := bytes.Clone(whole)
		b[at] ^= 4
		return b
	}
	return map[string]struct {
		content []byte
		want    string
	}{
		"empty":          {nil, "empty"},
		"short":          {whole[:10], "truncated"},
		"cut table":      {whole[:30], "truncated"},
		"cut data":       {whole[:len(whole)-1], "truncated"},
		"too long":       {append(bytes.Clone(whole), 0), "only 9"},
		"foreign":        {[]byte("%PDF-1.7 and more of it than twenty bytes"), "not a checkpoint"},
		"version":        {flip(8), "format 5"},
		"table length":   {flip(15), "damaged"},
		"table":          {flip(20), "table of sections"},
		"data":           {flip(len(whole) - 1), `section "ü"`},
		"name past end":  {withTable("\x05\x00ab", 0), "no sense"},
		"half a length":  {withTable("\x05", 0), "no sense"},
		"length too big": {withTable("\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00", 0), "no sense"},
		"sum too big":    {withTable(strings.Repeat("\x00\x00\xff\xff\xff\xff\xff\xff\xff\x7f\x00\x00\x00\x00", 2), 0), "no sense"},
		"exabytes":       {withTable("\x00\x00\xff\xff\xff\xff\xff\xff\xff\x7f\x00\x00\x00\x00", 0), "truncated"},
		"section twice":  {withTable(strings.Repeat("\x01\x00a\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", 2), 0), "no sense"},
	}
}

func TestLoadRefuses(t *testing.T) {
	for name, test := range foreign(t) {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "checkpoint")
			if err := os.WriteFile(path, test.content, 0o666); err != nil {
				t.Fatal(err)
			}
			_, err := checkpoint.Load(path)
			checkError(t, err, path, test.want)
			checkError(t, err, path, "start the run anew")
			if errors.Is(err, fs.ErrNotExist) {
				t.Error("a damaged checkpoint passes for none at all")
			}

			if err := os.Rename(path, path+".previous"); err != nil {
				t.Fatal(err)
			}
			_, err = checkpoint.Load(path)
			checkError(t, err, path+".previous", test.want)
			if errors.Is(err, fs.ErrNotExist) {
				t.Error("a damaged previous checkpoint passes for none at all")
			}
		})
	}
}

func checkError(t *testing.T, err error, path, want string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want %q", want)
	}
	if message := err.Error(); !strings.Contains(message, path) || !strings.Contains(message, want) || strings.Contains(message, "\n") {
		t.Errorf("error %q, want one line with %q and %q", message, path, want)
	}
}

func TestNothingThere(t *testing.T) {
	path := filepath.Join(t.TempDir(), "checkpoint")
	if _, err := checkpoint.Load(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("loading what was never saved: %v", err)
	}
}

func TestMissingSection(t *testing.T) {
	path := filepath.Join(t.TempDir(), "checkpoint")
	if err := checkpoint.Save(path, sections); err != nil {
		t.Fatal(err)
	}
	c, err := checkpoint.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Section("weights")
	checkError(t, err, path, `no section "weights"`)
}

// Whatever Read accepts it accepts for its bytes: written again they are the same.
func FuzzRead(f *testing.F) {
	f.Add(encode(f, nil))
	f.Add(encode(f, sections))
	for _, test := range foreign(f) {
		f.Add(test.content)
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		got, err := checkpoint.Read(bytes.NewReader(content), int64(len(content)))
		if err != nil {
			return
		}
		if again := encode(t, got); !bytes.Equal(again, content) {
			t.Errorf("read %q as %q, which is written as %q", content, got, again)
		}
	})
}
