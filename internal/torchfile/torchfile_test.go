package torchfile_test

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/joule-ebm/joule/internal/safetensors"
	"github.com/joule-ebm/joule/internal/torchfile"
)

// Both formats, with every kind of tensor that testdata/make_files.py saved.
func TestReadsWhatTorchSaved(t *testing.T) {
	for _, name := range []string{"testdata/zip.pth", "testdata/legacy.pth"} {
		file, err := torchfile.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var order []string
		for _, tensor := range file.Tensors {
			order = append(order, tensor.Name)
		}
		if want := []string{"0.weight", "0.bias", "1.weight", "1.bias", "1.running_mean", "1.running_var", "1.num_batches_tracked",
			"shared.tail", "half", "parameter"}; !slices.Equal(order, want) {
			t.Errorf("%s: tensors %q, want %q", name, order, want)
		}
		check := func(tensor string, shape []int, want ...float32) {
			t.Helper()
			got, ok := file.Lookup(tensor)
			if !ok {
				t.Fatalf("%s: no %s", name, tensor)
			}
			values, err := got.Float32s()
			if err != nil || !slices.Equal(got.Shape, shape) || !slices.Equal(values, want) {
				t.Errorf("%s: %s is %v of shape %v, %v; want %v of %v", name, tensor, values, got.Shape, err, want, shape)
			}
		}
		check("0.weight", []int{3, 2, 1, 2}, 0, 0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875, 1, 1.125, 1.25, 1.375)
		check("1.running_var", []int{3}, 62.5, 62.625, 62.75)
		check("shared.tail", []int{2, 3}, 4, 5, 6, 7, 8, 9)
		check("half", []int{2}, 1, -2.5)
		check("parameter", []int{1}, 0.25)
		tracked, _ := file.Lookup("1.num_batches_tracked")
		if n, err := tracked.Int64s(); err != nil || len(tracked.Shape) != 0 || !slices.Equal(n, []int64{600}) {
			t.Errorf("%s: an integer is %v, %v", name, n, err)
		}
		// What was read can be written as safetensors.
		if err := safetensors.Write(new(bytes.Buffer), file.Tensors, nil); err != nil {
			t.Error(err)
		}
	}
	file, err := torchfile.ReadFile("testdata/checkpoint.pth")
	if err != nil || len(file.Tensors) != 1 || file.Tensors[0].Name != "w" {
		t.Errorf("the state_dict in a checkpoint: %v, %v", file, err)
	}
}

// Tensors that do not lie in memory row by row are read as if they did; one that repeats its numbers has none.
func TestStrides(t *testing.T) {
	file, err := torchfile.ReadFile("testdata/strided.pth")
	if err != nil {
		t.Fatal(err)
	}
	var counted []float32
	for i := range 24 {
		counted = append(counted, float32(i))
	}
	for name, want := range map[string][]float32{"w": {0, 3, 1, 4, 2, 5}, "last": counted} {
		tensor, _ := file.Lookup(name)
		if values, err := tensor.Float32s(); err != nil || !slices.Equal(values, want) {
			t.Errorf("%s is %v, %v; want %v", name, values, err, want)
		}
	}
	repeated, _ := file.Lookup("repeated")
	if _, err := repeated.Float32s(); err == nil || !slices.Equal(repeated.Shape, []int{1000, 3}) || repeated.Data != nil {
		t.Errorf("repeated numbers: %v, %d bytes, error %v", repeated.Shape, len(repeated.Data), err)
	}
}

// Options of a script are read whether they are a dictionary or a namespace, with NumPy's numbers among them.
func TestOptions(t *testing.T) {
	c, err := torchfile.ReadCheckpoint("testdata/options.pth")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"steps": int64(40), "rate": 0.1, "wide": true, "seed": int64(-7), "name": "x"}
	if got := c.Settings["FLAGS"]; !maps.Equal(got, want) || c.Settings[""]["best"] != 1.5 {
		t.Errorf("options %v, want %v; %v", got, want, c.Settings[""])
	}
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestRefuses(t *testing.T) {
	for name, words := range map[string]string{
		"module.pth":  `"torch.nn.modules.linear.Linear", which no data need`,
		"list.pth":    "no dictionary of tensors",
		"missing.pth": "no such file",
	} {
		_, err := torchfile.ReadFile("testdata/" + name)
		if err == nil || !strings.Contains(err.Error(), words) || !strings.HasPrefix(err.Error(), "testdata/"+name+": ") ||
			strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: error %v, want one line with %q", name, err, words)
		}
	}
	legacy := read(t, "legacy.pth")
	for what, c := range map[string]struct {
		data  []byte
		words string
	}{
		"nothing":        {nil, "no file of torch.save"},
		"text":           {[]byte("hello"), "no file of torch.save"},
		"cut short":      {legacy[:len(legacy)-1], "cut short"},
		"cut shorter":    {legacy[:300], "cut short"},
		"a zip, cut":     {read(t, "zip.pth")[:700], "damaged zip"},
		"a zip of other": {zipped(t, zip.Store, "a/b.txt", "c"), "lacks data.pkl"},
		"compressed":     {zipped(t, zip.Deflate, "a/data.pkl", strings.Repeat("c", 99)), "compressed"},
		"big-endian":     {bytes.Replace(legacy, []byte("little_endianq\x02\x88"), []byte("little_endianq\x02\x89"), 1), "byte order"},
	} {
		if _, err := torchfile.Read(c.data); err == nil || !strings.Contains(err.Error(), c.words) {
			t.Errorf("%s: error %v, want one with %q", what, err, c.words)
		}
	}
}

// A small file does not become large, however often it refers to the same object.
func TestSmallStaysSmall(t *testing.T) {
	const most = 256 << 20 // bytes taken; each took more than that for every copy
	text := "X" + string(binary.LittleEndian.AppendUint32(nil, 100_000)) + strings.Repeat("x", 100_000) + "q\x00"
	numbered := func(n int, more string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "U\x05%05d%s", i, more)
		}
		return b.String()
	}
	for what, c := range map[string]struct{ pickle, words string }{
		"a text decoded":         {"](" + text + strings.Repeat("c_codecs\nencode\nh\x00U\x06latin1\x86R", 4000) + "e.", "over and over"},
		"a text as settings":     {"}(U\x01a" + text + numbered(10_000, "h\x00") + "u.", ""},
		"a text as keys":         {"](" + text + strings.Repeat("}h\x00Ns", 10_000) + "e.", "no dictionary"},
		"a text as types":        {"](" + text + strings.Repeat("cnumpy\ndtype\nh\x00\x85R", 10_000) + "e.", "no data need"},
		"a dictionary":           {"}(U\x01a}(" + numbered(5000, "K\x01") + "uq\x00" + numbered(5000, "h\x00") + "u.", "entries in all"},
		"a shape":                {"](" + "(U\x07storagectorch\nFloatStorage\nU\x010U\x03cpuK\x01tQq\x01(" + strings.Repeat("K\x01", 20_000) + "tq\x02" + strings.Repeat("ctorch._utils\n_rebuild_tensor_v2\n(h\x01K\x00h\x02h\x02tR", 2000) + "e.", "no data need"},
		"text that is no latin1": {"c_codecs\nencode\nX\x02\x00\x00\x00\u0100U\x06latin1\x86R.", "should be bytes"},
	} {
		path := filepath.Join(t.TempDir(), "a.pth")
		if err := os.WriteFile(path, zipped(t, zip.Store, "a/data.pkl", "\x80\x02"+c.pickle), 0o600); err != nil {
			t.Fatal(err)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := torchfile.ReadCheckpoint(path)
		runtime.ReadMemStats(&after)
		if taken := after.TotalAlloc - before.TotalAlloc; taken > most {
			t.Errorf("%s: %d MB taken", what, taken>>20)
		}
		if (err == nil) != (c.words == "") || err != nil && !strings.Contains(err.Error(), c.words) {
			t.Errorf("%s: error %v, want one with %q", what, err, c.words)
		}
	}
}

func zipped(t *testing.T, method uint16, name, content string) []byte {
	t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	f, err := w.CreateHeader(&zip.FileHeader{Name: name, Method: method})
	if err == nil {
		_, err = f.Write([]byte(content))
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// Nothing that Read accepts is larger than it is.
func FuzzRead(f *testing.F) {
	for _, name := range []string{"zip.pth", "legacy.pth", "checkpoint.pth", "strided.pth", "options.pth"} {
		data, err := os.ReadFile("testdata/" + name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := torchfile.Read(data)
		if err != nil {
			return
		}
		for _, tensor := range file.Tensors {
			if len(tensor.Data) > len(data) {
				t.Errorf("%d bytes of %s in a file of %d", len(tensor.Data), tensor.Name, len(data))
			}
		}
	})
}

// A checkpoint is read with all its parts, whatever else it holds.
func TestCheckpoint(t *testing.T) {
	c, err := torchfile.ReadCheckpoint("../authors/testdata/model_1000.pth")
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"optimizer_state_dict", "FLAGS", "best_inception", "model_state_dict_0", "ema_model_state_dict_0"}; !slices.Equal(c.Keys, want) {
		t.Errorf("keys %q, want %q", c.Keys, want)
	}
	if f := c.Settings["FLAGS"]; f["num_steps"] != int64(40) || f["step_lr"] != 100. || f["self_attn"] != true || f["dataset"] != "mnist" {
		t.Errorf("settings %v", f)
	}
	w, ok := c.States["ema_model_state_dict_0"].Lookup("res1.conv1.weight")
	if !ok || !slices.Equal(w.Shape, []int{4, 4, 3, 3}) || len(c.States) != 2 {
		t.Errorf("%d states, a kernel of shape %v", len(c.States), w.Shape)
	}
}
