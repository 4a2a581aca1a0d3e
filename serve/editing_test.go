package serve_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"image/png"
	"mime/multipart"
	"slices"
	"strings"
	"testing"

	"github.com/joule-ebm/joule/engine/cpu"
	"github.com/joule-ebm/joule/model"
)

// Edits are those that the library makes, however pictures and mask are sent.
func TestEdit(t *testing.T) {
	h, _, m := start(t, nil)
	p, hole := pixels(5, 1), make([]uint8, side*side)
	for i := range 3 * side {
		hole[i] = 255
	}
	missing, err := model.Missing(hole)
	if err != nil {
		t.Fatal(err)
	}
	want, err := m.Edit(t.Context(), &cpu.Engine{Threads: 1}, p, 2, model.Edit{Missing: missing, Away: model.UsualAway, Steps: 4, Seed: 3})
	if err != nil {
		t.Fatal(err)
	}
	var form bytes.Buffer
	w := multipart.NewWriter(&form)
	for name, data := range map[string][]byte{"image": picture(p), "mask": picture(hole)} {
		f, _ := w.CreateFormFile(name, name+".png")
		_, _ = f.Write(data)
	}
	w.Close()
	text := base64.StdEncoding.EncodeToString
	body := fmt.Sprintf(`{"images":[{"data":%q}],"mask":%q}`, text(picture(p)), text(picture(hole)))
	url := h.URL + "/v1/models/digits/edit"
	for kind, data := range map[string][]byte{w.FormDataContentType(): form.Bytes(), "application/json": []byte(body)} {
		code, answer, _ := ask(t, "POST", url+"?number=2&steps=4&seed=3", kind, data)
		var got struct{ Images []struct{ Edits [][]byte } }
		if err := json.Unmarshal([]byte(answer), &got); err != nil || code != 200 || len(got.Images) != 1 || len(got.Images[0].Edits) != 2 {
			t.Fatalf("status %d, %.300s", code, answer)
		}
		for i, edit := range got.Images[0].Edits {
			img, err := png.Decode(bytes.NewReader(edit))
			if err != nil {
				t.Fatal(err)
			}
			var values []uint8
			for at := range side * side {
				r, _, _, _ := img.At(at%side, at/side).RGBA()
				values = append(values, uint8(r>>8))
			}
			if !slices.Equal(values, want[i*side*side:][:side*side]) {
				t.Errorf("edit %d is another than the library's", i)
			}
		}
	}
	for query, want := range map[string]string{"": "what is to be done", "?upscale=3": "upscale", "?denoise=2": "denoise", "?number=65&denoise=.1": "number", "?to=1": "unconditional",
		"?denoise=.1&steps=20000": "steps"} {
		if code, answer, _ := ask(t, "POST", url+query, "image/png", picture(p)); code/100 != 4 || !strings.Contains(answer, want) {
			t.Errorf("%s: status %d, %s", query, code, answer)
		}
	}
	conditional := h.URL + "/v1/models/classes/edit"
	if code, answer, _ := ask(t, "POST", conditional+"?from=off&to=on&steps=2", "image/png", picture(p)); code != 200 {
		t.Errorf("to another class: status %d, %s", code, answer)
	}
	if code, answer, _ := ask(t, "POST", conditional+"?denoise=0.1", "image/png", picture(p)); code != 400 || !strings.Contains(answer, "conditional") {
		t.Errorf("no class: status %d, %s", code, answer)
	}
	white := fmt.Sprintf(`{"images":[{"data":%q}],"mask":%q}`, text(picture(p)), text(picture(bytes.Repeat([]byte{255}, side*side))))
	if code, answer, _ := ask(t, "POST", url, "application/json", []byte(white)); code != 422 || !strings.Contains(answer, "all white") {
		t.Errorf("a white mask: status %d, %s", code, answer)
	}
	small := fmt.Sprintf(`{"images":[{"data":%q}],"mask":%q}`, text(picture(p)), text([]byte("P2 2 2 255 0 255 0 255\n")))
	if code, answer, _ := ask(t, "POST", url, "application/json", []byte(small)); code != 422 || !strings.Contains(answer, "it is 2x2, and") {
		t.Errorf("a mask of another size: status %d, %s", code, answer)
	}
	if code, answer, _ := ask(t, "POST", h.URL+"/v1/models/digits/score", "application/json", []byte(body)); code != 400 || !strings.Contains(answer, "a mask is for edits") {
		t.Errorf("a mask to score: status %d, %s", code, answer)
	}
}
