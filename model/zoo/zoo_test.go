package zoo_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/joule-ebm/joule/engine/cpu"
	"github.com/joule-ebm/joule/internal/kernels"
	"github.com/joule-ebm/joule/model"
	"github.com/joule-ebm/joule/model/zoo"
)

var update = flag.Bool("update", false, "record what the models do now")

// golden is what a model did when it was added: images after a few steps from noise, and their energies.
type golden struct {
	Images   []byte    `json:"images"`
	Energies []float64 `json:"energies"`
}

const (
	chains = 4
	steps  = 40
)

func cards(t *testing.T) []zoo.Card {
	t.Helper()
	all, err := zoo.Default().Cards()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// A model that was published goes on to do what it did: its chains come to the same images, and these have the same energies.
func TestGolden(t *testing.T) {
	ctx := context.Background()
	for _, card := range cards(t) {
		if card.URL != "" {
			continue
		}
		t.Run(card.Name, func(t *testing.T) {
			m, err := model.Open("zoo:" + card.Name)
			if err != nil {
				t.Fatal(err)
			}
			at := filepath.Join("testdata", card.Name+".json")
			var want golden
			if !*update {
				content, err := os.ReadFile(at)
				if err != nil {
					t.Fatal(err)
				}
				if err := json.Unmarshal(content, &want); err != nil {
					t.Fatal(err)
				}
			}
			for _, set := range kernels.All() {
				e := &cpu.Engine{Kernels: set}
				images, err := m.Sample(ctx, e, model.Sampling{Images: chains, Steps: steps, Seed: 1})
				if err != nil {
					t.Fatal(err)
				}
				if *update && want.Images == nil {
					want.Images = images
				}
				energies, err := m.Energies(ctx, e, want.Images, model.AnyLabel)
				if err != nil {
					t.Fatal(err)
				}
				if *update && want.Energies == nil {
					want.Energies = energies
				}
				off, most := 0.0, 0
				for i, u := range images {
					d := int(u) - int(want.Images[i])
					off, most = off+math.Abs(float64(d))/float64(len(images)), max(most, d, -d)
				}
				if off > 0.05 || most > 16 {
					t.Errorf("%s: pixels after %d steps are off by %.3f of 255 on average, by %d at most", set.Name, steps, off, most)
				}
				spread := slices.Max(want.Energies) - slices.Min(want.Energies)
				for i, v := range energies {
					if math.Abs(v-want.Energies[i]) > 1e-3*spread+1e-6 {
						t.Errorf("%s: energy of image %d is %v, was %v", set.Name, i, v, want.Energies[i])
					}
				}
			}
			if *update {
				content, err := json.Marshal(want)
				if err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(at, append(content, '\n'), 0o666); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// Each card says all there is to say, and its model is calibrated.
func TestCards(t *testing.T) {
	all := cards(t)
	if len(all) == 0 {
		t.Fatal("no models")
	}
	manual, err := os.ReadFile("../../docs/zoo.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, card := range all {
		if card.About == "" || card.Data == "" || card.Licence == "" || len(card.Recipe) == 0 || len(card.Figures) == 0 || len(card.Limits) == 0 {
			t.Errorf("%s: the card is not whole: %+v", card.Name, card)
		}
		for _, f := range card.Figures {
			if f.Name == "" || !strings.HasPrefix(f.By, "joule ") || (f.Low == nil) != (f.High == nil) || f.Low != nil && !(*f.Low <= f.Value && f.Value <= *f.High) {
				t.Errorf("%s: figure %+v", card.Name, f)
			}
		}
		for _, command := range card.Recipe {
			if !strings.HasPrefix(command, "joule ") {
				t.Errorf("%s: %q is no command of joule", card.Name, command)
			}
		}
		if !strings.Contains(string(manual), "`zoo:"+card.Name+"`") {
			t.Errorf("docs/zoo.md does not name %s", card.Name)
		}
		if text := card.String(); !strings.Contains(text, card.Recipe[0]) || !strings.Contains(text, card.Figures[0].By) || !strings.Contains(text, card.Limits[0]) {
			t.Errorf("%s prints as\n%s", card.Name, text)
		}
		if card.URL != "" {
			continue
		}
		m, err := model.Open("zoo:" + card.Name)
		if err != nil {
			t.Fatal(err)
		}
		content, _ := zoo.Default().Read(card.Name)
		if m.Calibration == nil || int64(len(content)) != card.Size || card.Size > 5e6 || m.Path != "zoo:"+card.Name {
			t.Errorf("%s: calibrated %v, %d bytes (the card says %d), path %s", card.Name, m.Calibration != nil, len(content), card.Size, m.Path)
		}
		if err := m.SaveCalibration(m.Calibration); err == nil || !strings.Contains(err.Error(), "joule zoo copy "+card.Name) {
			t.Errorf("calibrating a model of the zoo: %v", err)
		}
	}
}

// A model that is published elsewhere is fetched, once, into the cache, and used if it is what its card says.
func TestFetch(t *testing.T) {
	ctx := context.Background()
	content, err := zoo.Default().Read(cards(t)[0].Name)
	if err != nil {
		t.Fatal(err)
	}
	asked, served := 0, content
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked++
		w.Write(served)
	}))
	defer server.Close()
	sum := sha256.Sum256(content)
	card := fmt.Sprintf(`{"about": "a model elsewhere", "url": %q, "size": %d, "sha256": %q}`, server.URL+"/far.safetensors", len(content), hex.EncodeToString(sum[:]))
	c := zoo.Catalogue{Files: fstest.MapFS{"far.json": {Data: []byte(card)}}, Cache: filepath.Join(t.TempDir(), "cache")}
	if _, err := c.Read("far"); err == nil || !strings.Contains(err.Error(), "joule zoo fetch far") {
		t.Errorf("before it is fetched: %v", err)
	}
	served = []byte("something else")
	if err := c.Fetch(ctx, server.Client(), "far", func(int) {}); err == nil || !strings.Contains(err.Error(), "nothing is kept") {
		t.Errorf("another file: %v", err)
	}
	served = content
	for range 2 {
		if err := c.Fetch(ctx, server.Client(), "far", func(int) {}); err != nil {
			t.Fatal(err)
		}
	}
	if asked != 2 {
		t.Errorf("asked %d times, want 2: what is there need not come again", asked)
	}
	if got, err := c.Read("far"); err != nil || !slices.Equal(got, content) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if err := os.WriteFile(filepath.Join(c.Cache, "far.safetensors"), []byte("spoilt"), 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read("far"); err == nil || !strings.Contains(err.Error(), "SHA-256") {
		t.Errorf("a spoilt file: %v", err)
	}
	if _, err := c.Read("near"); err == nil || !strings.Contains(err.Error(), "want one of far") {
		t.Errorf("no such model: %v", err)
	}
}
