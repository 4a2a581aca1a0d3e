package joule_test

// This file holds what the documentation says about defaults to the defaults.

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/joule-ebm/joule/energy"
	"github.com/joule-ebm/joule/internal/settings"
	"github.com/joule-ebm/joule/run"
)

func preset(t *testing.T, name string) (run.Config, map[string]string) {
	t.Helper()
	c, err := run.PresetConfig(name)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := settings.Keys(&c)
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]string{}
	for _, k := range keys {
		values[k.Name] = k.Value
	}
	return c, values
}

func document(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// The table of constants has every setting of training that is a number, as the presets have it.
func TestDocumentedConstants(t *testing.T) {
	_, paper := preset(t, "cifar10")
	_, small := preset(t, run.DefaultPreset)
	row := regexp.MustCompile("(?m)^\\| .* \\| `([a-z0-9_.]+)` \\| (\\S+) \\| (\\S+) \\|$")
	documented := map[string]bool{}
	for _, m := range row.FindAllStringSubmatch(document(t, "docs/method.md"), -1) {
		key := m[1]
		documented[key] = true
		if paper[key] != m[2] || small[key] != m[3] {
			t.Errorf("docs/method.md says that %s is %s and %s; the presets say %s and %s", key, m[2], m[3], paper[key], small[key])
		}
	}
	elsewhere := "optimiser.warmup" // 0 in all
	for key := range paper {
		group, _, _ := strings.Cut(key, ".")
		if (group == "loss" || group == "optimiser" || group == "buffer") && !documented[key] && key != elsewhere {
			t.Errorf("docs/method.md does not say what %s is", key)
		}
	}
}

// Sentences that name a default.
func TestDocumentedDefaults(t *testing.T) {
	paper, _ := preset(t, "cifar10")
	paper128, _ := preset(t, "celeba128")
	c, _ := preset(t, run.DefaultPreset)
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	quick, err := energy.New(c.Network.Name, energy.Options{})
	if err != nil {
		t.Fatal(err)
	}
	params, err := quick.Params()
	if err != nil {
		t.Fatal(err)
	}
	for path, phrases := range map[string][]string{
		"README.md": {
			fmt.Sprintf("| iterations, time | %s of %d images,", thousands(c.Limits.Iterations), c.Optimiser.Batch),
			fmt.Sprintf("| network | `%s`, %s parameters |", c.Network.Name, thousands(int64(energy.Numbers(params.Specs())))),
		},
		"docs/evaluation.md": {
			fmt.Sprintf("Network %s, %d filters, %d parameters, trained on %s for %d iterations of %d images (seed %d).", c.Network.Name,
				c.Network.Filters, energy.Numbers(params.Specs()), c.Data, c.Limits.Iterations, c.Optimiser.Batch, c.Seed),
		},
		"docs/method.md": {
			fmt.Sprintf("replay buffer: %s images of 8 bits", thousands(int64(paper.Buffer.Size))),
			fmt.Sprintf("g ← g·min(1, %v/‖g‖)", paper.Optimiser.Clip),
			fmt.Sprintf("β = (%v, %v)", paper.Optimiser.Beta1, paper.Optimiser.Beta2),
			fmt.Sprintf("decay %v", paper.Optimiser.Average),
			fmt.Sprintf("σ = %v, whatever λ", paper.Sampler.Noise),
			fmt.Sprintf("squared energies, coefficient %v", paper.Loss.Weight("reg")),
			fmt.Sprintf("nearest of %d reference images", paper.Loss.References),
			fmt.Sprintf("once the buffer holds more than %s images", thousands(int64(paper.Loss.EntropyAfter))),
			fmt.Sprintf("λ (%v for images of 128×128)", paper128.Sampler.StepSize),
		},
	} {
		text := strings.Join(strings.Fields(document(t, path)), " ")
		for _, phrase := range phrases {
			if !strings.Contains(text, strings.Join(strings.Fields(phrase), " ")) {
				t.Errorf("%s does not say %q", path, phrase)
			}
		}
	}
}

// thousands writes 1,000.
func thousands(n int64) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%s,%03d", thousands(n/1000), n%1000)
}
