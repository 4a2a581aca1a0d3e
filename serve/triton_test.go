package serve_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/joule-ebm/joule/engine/cpu"
	"github.com/joule-ebm/joule/model"
)

// tritonProgram asks the server at argv[1] about the images in the file argv[2], as Triton's own client does.
const tritonProgram = `
import json, sys, numpy, tritonclient.http as triton
client = triton.InferenceServerClient(sys.argv[1])
assert client.is_server_live() and client.is_server_ready() and client.is_model_ready("digits") and not client.is_model_ready("cats")
assert "binary_tensor_data" in client.get_server_metadata()["extensions"]
about = client.get_model_metadata("digits")
pixels = numpy.fromfile(sys.argv[2], numpy.uint8).reshape([-1] + about["inputs"][0]["shape"][1:])
answers = []
for values, kind in ((pixels, "UINT8"), ((pixels + numpy.float32(0.5)) / 256, "FP32"), (pixels / numpy.float32(255), "FP32")):
    for binary in (True, False):
        image = triton.InferInput("image", list(values.shape), kind)
        image.set_data_from_numpy(values, binary_data=binary)
        outputs = [triton.InferRequestedOutput(o["name"], binary_data=binary) for o in about["outputs"]]
        answer = client.infer("digits", [image], outputs=outputs, request_id="7")
        answers.append([answer.as_numpy(o["name"]).tolist() for o in about["outputs"]])
        assert all(answer.as_numpy(o["name"]).dtype == numpy.float64 for o in about["outputs"])
try:
    client.infer("digits", [triton.InferInput("image", [1, 1, 1, 1], "UINT8").set_data_from_numpy(numpy.zeros((1, 1, 1, 1), "u1"))])
except triton.InferenceServerException as error:
    refused = str(error)
print(json.dumps({"outputs": [o["name"] for o in about["outputs"]], "answers": answers, "refused": refused}))
`

// Triton's client gets the energies of the library, in each type and form.
func TestTritonClient(t *testing.T) {
	python := os.Getenv("JOULE_PYTHON")
	if python == "" {
		python = "python3"
	}
	if err := exec.Command(python, "-c", "import tritonclient.http, numpy").Run(); err != nil {
		t.Skip("there is no Python with Triton's client: pip install tritonclient[http], and name it in JOULE_PYTHON")
	}
	h, _, m := start(t, nil)
	p := pixels(6, 3)
	energies, err := m.Energies(t.Context(), &cpu.Engine{Threads: 1}, p, model.AnyLabel)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "pixels")
	writeFile(t, file, string(p))
	out, err := exec.Command(python, "-c", tritonProgram, strings.TrimPrefix(h.URL, "http://"), file).Output()
	if err != nil {
		t.Fatalf("%v: %s", err, err.(*exec.ExitError).Stderr)
	}
	var got struct {
		Outputs []string
		Answers [][][]float64
		Refused string
	}
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatal(err)
	}
	if strings.Join(got.Outputs, " ") != "energy p_value" || len(got.Answers) != 6 || !strings.Contains(got.Refused, "want [N,12,12,1]") {
		t.Errorf("%s", out)
	}
	for _, answer := range got.Answers {
		for i, e := range answer[0] {
			if e != energies[i] || !(answer[1][i] > 0 && answer[1][i] <= 1) {
				t.Errorf("energies %v, want %v; p-values %v", answer[0], energies, answer[1])
				break
			}
		}
	}
}
