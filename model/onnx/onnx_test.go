package onnx_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/joule-ebm/joule/energy"
	"github.com/joule-ebm/joule/engine/cpu"
	"github.com/joule-ebm/joule/engine/rng"
	"github.com/joule-ebm/joule/model"
	"github.com/joule-ebm/joule/model/onnx"
)

// newModel is a model with random parameters, attention's γ and the gains of labels among them.
func newModel(t *testing.T, classes []string, change func(n *model.Network)) *model.Model {
	t.Helper()
	c := model.Paper()
	c.Network.Filters, c.Network.Conditional = 8, len(classes) > 0
	change(&c.Network)
	e, err := c.NewEnergy(len(classes))
	if err != nil {
		t.Fatal(err)
	}
	p, err := e.Params()
	if err != nil {
		t.Fatal(err)
	}
	params, s := energy.InitialValues(p.Specs(), 1), rng.New(2)
	for _, spec := range p.Specs() {
		for i := range params[spec.Name] {
			params[spec.Name][i] += 0.2 * (s.Float32() - 0.5)
		}
	}
	m, err := model.New(c, classes, params)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// images are how many are measured.
const images = 3

type testCase struct {
	m       *model.Model
	options onnx.Options
	label   int // of all images
}

func cases(t *testing.T) map[string]testCase {
	digits := []string{"zero", "one", "two"}
	network := func(name string, multiScale, attention bool, image ...int) func(*model.Network) {
		return func(n *model.Network) {
			n.Name, n.MultiScale, n.Attention, n.Image = name, multiScale, attention, image
		}
	}
	kernel := func(kernel, norm string) func(*model.Network) {
		return func(n *model.Network) { n.Image, n.Kernel, n.Norm = []int{13, 10, 3}, kernel, norm }
	}
	conditional := newModel(t, digits, network("celeba128", true, true, 64, 64, 3))
	quick := newModel(t, nil, network("quick", false, false, 16, 16, 3))
	classes := newModel(t, digits, network("quick", false, false, 16, 16, 3))
	composed, err := model.Compose("a & 0.5*b:one | !b:two", model.DefaultMixture, map[string]*model.Model{"a": quick, "b": classes})
	if err != nil {
		t.Fatal(err)
	}
	const any = model.AnyLabel
	return map[string]testCase{
		"mnist":      {newModel(t, nil, network("mnist", false, true, 28, 28, 1)), onnx.Options{}, any},
		"cifar10":    {newModel(t, nil, network("cifar10", true, true, 32, 32, 3)), onnx.Options{}, any},
		"groups":     {newModel(t, nil, func(n *model.Network) { n.Name, n.Filters, n.Image = "cifar10", 64, []int{9, 9, 3} }), onnx.Options{}, any},
		"input":      {conditional, onnx.Options{}, 1},
		"given":      {conditional, onnx.Options{Label: "two"}, 2},
		"mixture":    {classes, onnx.Options{Mixture: true}, any},
		"composed":   {composed, onnx.Options{}, any},
		"spectral":   {newModel(t, nil, kernel("spectral", "none")), onnx.Options{}, any},
		"layer norm": {newModel(t, nil, kernel("plain", "layer")), onnx.Options{}, any},
	}
}

func write(t *testing.T, c testCase) []byte {
	t.Helper()
	var file bytes.Buffer
	if err := onnx.Write(t.Context(), &file, &cpu.Engine{Threads: 1}, c.m, c.options); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

// runtimes is a program that has ONNX Runtime, and OpenVINO where there is one, run files: a folder for each, with model.onnx, the inputs as
// float32, and their shapes.
const runtimes = `
import json, pathlib, sys, numpy, onnxruntime
try:
    import openvino
except ImportError:
    openvino = None
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
for folder in map(pathlib.Path, sys.argv[1:]):
    session = onnxruntime.InferenceSession(folder / "model.onnx", options, providers=["CPUExecutionProvider"])
    metadata = session.get_modelmeta().custom_metadata_map
    inputs = {i.name: numpy.fromfile(folder / i.name, numpy.float32).reshape([-1, *i.shape[1:]]) for i in session.get_inputs()}
    names = [o.name for o in session.get_outputs()]
    for n in (slice(None), slice(0, 1)):
        for name, values in zip(names, session.run(names, {k: v[n] for k, v in inputs.items()})):
            values.tofile(folder / f"{name}.onnxruntime{'' if n.stop is None else '.one'}")
    if openvino:
        for name, values in zip(names, openvino.compile_model(folder / "model.onnx", "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(inputs).values()):
            values.tofile(folder / f"{name}.openvino")
    (folder / "about.json").write_text(json.dumps({"names": names, "metadata": metadata, "openvino": bool(openvino)}))
`

// python is one that has ONNX Runtime.
func python(t *testing.T) string {
	t.Helper()
	name := os.Getenv("JOULE_PYTHON")
	if name == "" {
		name = "python3"
	}
	if err := exec.Command(name, "-c", "import onnxruntime, numpy").Run(); err != nil {
		t.Skip("there is no Python with ONNX Runtime: pip install onnxruntime, and name it in JOULE_PYTHON")
	}
	return name
}

// Runtimes compute what Joule computes, for one image and for several.
func TestRuntimes(t *testing.T) {
	python, all := python(t), cases(t)
	folders := map[string]string{}
	args := []string{"-c", runtimes}
	pixels := map[string][]uint8{}
	for name, c := range all {
		folder := t.TempDir()
		folders[name], args = folder, append(args, folder)
		s := rng.New(3)
		var intensities []float32
		for range images * c.m.Energy.Image.Size() {
			u := uint8(s.IntN(256))
			pixels[name] = append(pixels[name], u)
			intensities = append(intensities, (float32(u)+0.5)/256)
		}
		save(t, filepath.Join(folder, "model.onnx"), write(t, c))
		save(t, filepath.Join(folder, "image"), float32s(intensities))
		if c.label >= 0 {
			save(t, filepath.Join(folder, "label"), float32s(c.m.Conditions([]int32{int32(c.label), int32(c.label), int32(c.label)})))
		}
	}
	if out, err := exec.Command(python, args...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for name, c := range all {
		var about struct {
			Names    []string
			Metadata map[string]string
			OpenVINO bool
		}
		if err := json.Unmarshal(load(t, filepath.Join(folders[name], "about.json")), &about); err != nil {
			t.Fatal(err)
		}
		if strings.Join(about.Names, " ") != "energy gradient" || !strings.Contains(about.Metadata["config"], "network:") || about.Metadata["iterations"] != "0" {
			t.Errorf("%s: %+v", name, about)
		}
		energies, err := c.m.Energies(t.Context(), &cpu.Engine{Threads: 1}, pixels[name], c.label)
		if err != nil {
			t.Fatal(err)
		}
		scales, err := c.m.Gradients(t.Context(), &cpu.Engine{Threads: 1}, pixels[name], c.label)
		if err != nil {
			t.Fatal(err)
		}
		gradient := make([]float64, len(scales[0]))
		for _, scale := range scales {
			for i, g := range scale {
				gradient[i] += float64(g)
			}
		}
		for _, runtime := range []string{".onnxruntime", ".onnxruntime.one", ".openvino"} {
			if runtime == ".openvino" && !about.OpenVINO {
				continue
			}
			n := images
			if strings.HasSuffix(runtime, "one") {
				n = 1
			}
			for what, want := range map[string][]float64{"energy": energies[:n], "gradient": gradient[:n*c.m.Energy.Image.Size()]} {
				off := distance(t, load(t, filepath.Join(folders[name], what+runtime)), want)
				if !(off < 1e-5) {
					t.Errorf("%s: %s: the %s is off by %.2g", name, runtime, what, off)
				}
				t.Logf("%s: %s: the %s is off by %.2g", name, runtime, what, off)
			}
		}
	}
}

// distance is that of float32 numbers from those wanted, relative to how large these are.
func distance(t *testing.T, got []byte, want []float64) float64 {
	t.Helper()
	if len(got) != 4*len(want) {
		t.Fatalf("%d bytes, want %d", len(got), 4*len(want))
	}
	var off, size float64
	for i, w := range want {
		g := float64(math.Float32frombits(binary.LittleEndian.Uint32(got[4*i:])))
		off += (g - w) * (g - w)
		size += w * w
	}
	if len(want) <= images { // energies: they have no unit and no zero
		size = max(size, float64(len(want)))
	}
	return math.Sqrt(off / size)
}

func float32s(values []float32) (data []byte) {
	for _, v := range values {
		data = binary.LittleEndian.AppendUint32(data, math.Float32bits(v))
	}
	return data
}

func save(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o666); err != nil {
		t.Fatal(err)
	}
}

func load(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// fields are those of a message, by number.
func fields(t *testing.T, m []byte) map[protowire.Number][][]byte {
	t.Helper()
	all := map[protowire.Number][][]byte{}
	for len(m) > 0 {
		field, kind, n := protowire.ConsumeTag(m)
		if n < 0 {
			t.Fatal(protowire.ParseError(n))
		}
		m = m[n:]
		n = protowire.ConsumeFieldValue(field, kind, m)
		if n < 0 {
			t.Fatal(protowire.ParseError(n))
		}
		value := m[:n]
		if kind == protowire.BytesType {
			value, _ = protowire.ConsumeBytes(m)
		}
		all[field] = append(all[field], value)
		m = m[n:]
	}
	return all
}

// A file is a graph in order: each value has one name, is made before it is used, and is used; constants are as long as they say. No weight is
// there twice.
func TestStructure(t *testing.T) {
	for name, c := range cases(t) {
		file := fields(t, write(t, c))
		graph := fields(t, file[7][0])
		made, used := map[string]int{}, map[string]bool{}
		weights := 0
		for _, constant := range graph[5] {
			f := fields(t, constant)
			n := uint64(1)
			for _, dim := range f[1] {
				size, _ := protowire.ConsumeVarint(dim)
				n *= size
			}
			kind, _ := protowire.ConsumeVarint(f[2][0])
			if want := n * map[uint64]uint64{1: 4, 7: 8}[kind]; uint64(len(f[9][0])) != want || want == 0 {
				t.Errorf("%s: the constant %s of %d numbers has %d bytes", name, f[8][0], n, len(f[9][0]))
			}
			made[string(f[8][0])]++
			weights += len(f[9][0])
		}
		for _, input := range graph[11] {
			made[string(fields(t, input)[1][0])]++
		}
		for _, node := range graph[1] {
			f := fields(t, node)
			for _, in := range f[1] {
				if used[string(in)] = true; made[string(in)] == 0 {
					t.Errorf("%s: %s uses %s, which is not yet made", name, f[3][0], in)
				}
			}
			made[string(f[2][0])]++
		}
		for _, output := range graph[12] {
			used[string(fields(t, output)[1][0])] = true
		}
		for value, times := range made {
			if times != 1 || !used[value] {
				t.Errorf("%s: %s is made %d times, used: %v", name, value, times, used[value])
			}
		}
		if most := 4*c.m.Parameters() + 4*1024; weights > most {
			t.Errorf("%s: constants of %d bytes for %d parameters", name, weights, c.m.Parameters())
		}
	}
}

func TestRefuses(t *testing.T) {
	conditional := newModel(t, []string{"a", "b"}, func(n *model.Network) { n.Image = []int{16, 16, 1} })
	plain := newModel(t, nil, func(n *model.Network) { n.Image = []int{16, 16, 1} })
	for want, c := range map[string]testCase{
		"no class":            {conditional, onnx.Options{Label: "c"}, 0},
		"want one of them":    {conditional, onnx.Options{Label: "a", Mixture: true}, 0},
		"not conditional":     {plain, onnx.Options{Label: "a"}, 0},
		"is not conditional:": {plain, onnx.Options{Mixture: true}, 0},
	} {
		if err := onnx.Write(t.Context(), io.Discard, &cpu.Engine{Threads: 1}, c.m, c.options); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
	full := errors.New("full")
	if err := onnx.Write(t.Context(), failing{full}, &cpu.Engine{Threads: 1}, plain, onnx.Options{}); !errors.Is(err, full) {
		t.Errorf("error %v", err)
	}
	if n := len(write(t, testCase{m: plain, options: onnx.Options{NoGradient: true}})); n >= len(write(t, testCase{m: plain})) {
		t.Error("the energy alone is no smaller: " + strconv.Itoa(n))
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }
