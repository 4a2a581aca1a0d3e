package run_test

// This file tries every setting.

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/joule-ebm/joule/internal/metrics"
	"github.com/joule-ebm/joule/internal/settings"
	"github.com/joule-ebm/joule/mcmc"
	"github.com/joule-ebm/joule/model"
	"github.com/joule-ebm/joule/run"
)

const (
	hmc  = "sampler.kind=hmc sampler.step_size=0.01"
	mala = "sampler.kind=mala sampler.step_size=0.0001"
)

// settingsToTry are values for every setting, alone and together; each must make a difference to the run before it in its line.
// TAUGHT is a run.
var settingsToTry = [][]string{
	{"data=mnist:test"}, {"from=TAUGHT"}, {"held_out=2"}, {"seed=2"}, {"exclude=class=1"},
	{"tiles.side=10 network.image=10,10,1", "tiles.stride=1", "tiles.picture=14,16"},
	{"network.name=mnist"}, {"network.filters=3"}, {"network.image=16,14,1"}, {"network.image=12,12,3"},
	{"network.norm=layer"}, {"network.norm=none"}, {"network.kernel=spectral"}, {"network.kernel=plain"},
	{"network.conditional=true"}, {"network.attention=true network.filters=4"},
	{"network.name=cifar10 network.filters=4 network.image=16,16,3", "network.multi_scale=true", "network.attention=true", "network.conditional=true",
		"network.norm=none network.kernel=spectral", "augmentation=cifar10"},
	{"network.name=celeba128 network.filters=8 network.image=64,64,3 network.multi_scale=true network.attention=true"},
	{"sampler.steps=1"}, {"sampler.step_size=10"}, {"sampler.noise=0.1"}, {"sampler.anneal=true"}, {"sampler.precision=bf16"},
	{"sampler.coarse=2", "sampler.all_steps=true"}, {"sampler.hot=100", "sampler.cooling=0.5"},
	{"sampler.all_steps=true", "sampler.anneal=true", "network.conditional=true"},
	{hmc, "sampler.leapfrogs=1", "sampler.temperature=0.001", "sampler.all_steps=true", "network.conditional=true"},
	{mala, "sampler.temperature=0.001", "sampler.all_steps=true", "network.conditional=true"},
	{"buffer.size=13"}, {"buffer.restart=1"}, {"loss.flow=0 buffer.restart=1", "noise=spectrum"}, {"network.conditional=true", "buffer.relabel=0.5"},
	{"augmentation=cifar10"}, {"augmentation=large"}, {"augmentation=imagenet"},
	{"loss.cd=0"}, {"loss.cd=2"},
	{"loss.reg=0"}, {"loss.opt=0"}, {"loss.ent=0"}, {"loss.reg=0", "loss.opt=0", "loss.ent=0"}, {"loss.opt=0", "sampler.all_steps=true", "loss.ent=0"},
	{"loss.reg=2"}, {"loss.opt=2"}, {"loss.ent=2"}, {"loss.neighbour=2"}, {"loss.references=4"}, {"loss.entropy_after=3"}, {"loss.kl_chains=2"}, {"loss.flow=0.3"},
	{"optimiser.batch=5"}, {"optimiser.learning_rate=0.01"}, {"optimiser.beta1=0.5"}, {"optimiser.beta2=0.5"}, {"optimiser.epsilon=0.1"},
	{"optimiser.clip=0.01"}, {"optimiser.clip=0"}, {"optimiser.average=0.5"}, {"optimiser.warmup=10"}, {"optimiser.lanes=1"},
	{"optimiser.cooldown=1"},
	{"output.samples=2"}, {"output.samples=0"}, {"output.pictures=9"}, {"output.held_out=2"}, {"output.held_out=0"},
	{"output.diagnose=2"}, {"output.diagnose=0"}, {"output.noise=2"}, {"output.noise=0"}, {"output.checkpoint=2"},
}

// Other tests try these.
var settingsTriedElsewhere = []string{"attribute", "network.numbers", "limits.iterations", "limits.for", "limits.processor", "recovery.failures", "recovery.rate_factor", "generation.augmented", "generation.plain", "generation.renoise"}

func TestEverySetting(t *testing.T) {
	dir := t.TempDir()
	data, taught := stripes(t, dir, 60, 1), filepath.Join(dir, "taught")
	start(t, taught, config(t, data, "limits.iterations=1"))
	// state is what a run of a few iterations comes to, but for its configuration: the model's file has that too.
	state := func(t *testing.T, changes []string) map[string]string {
		at := filepath.Join(t.TempDir(), "run")
		interrupted(t, at, config(t, data, changes...), 6)
		files := kept(t, at)
		m, err := model.Open(at)
		if err != nil {
			t.Fatal(err)
		}
		files["model.safetensors"] = fmt.Sprint(m.Params)
		delete(files, "config.yaml")
		return files
	}
	plain := state(t, nil)
	tried := map[string]bool{}
	for _, line := range settingsToTry {
		t.Run(strings.Join(line, " "), func(t *testing.T) {
			before, changes := plain, []string{}
			for _, step := range line {
				changes = append(changes, strings.Fields(strings.ReplaceAll(step, "TAUGHT", taught))...)
				now := state(t, changes)
				if maps.Equal(now, before) {
					t.Errorf("%s makes no difference", step)
				}
				before = now
			}
			for _, s := range changes {
				key, _, _ := strings.Cut(s, "=")
				tried[key] = true
			}
		})
	}
	c, err := run.PresetConfig(run.DefaultPreset)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := settings.Keys(&c)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range keys {
		if !tried[k.Name] && !slices.Contains(settingsTriedElsewhere, k.Name) {
			t.Errorf("setting %s is not tried", k.Name)
		}
		if k.Doc == "" {
			t.Errorf("setting %s has no explanation", k.Name)
		}
	}
}

// How images are generated changes nothing in training.
func TestGenerationSettings(t *testing.T) {
	c := config(t, stripes(t, t.TempDir(), 60, 1), "generation.augmented=4", "generation.plain=2", "generation.renoise=0.25", "augmentation=large")
	if g := c.NewGeneration(); g.Steps != 7*c.Sampler.Steps || g.Plain != 2*c.Sampler.Steps || g.Round != c.Sampler.Steps || g.Renoise != 0.25 ||
		g.Augmentation != mcmc.AugmentLarge {
		t.Errorf("got %+v for %d steps a round, want 7 rounds of which the last 2 are plain", g, c.Sampler.Steps)
	}
}

// A term that is switched off is neither computed nor felt.
func TestTermsSwitchedOff(t *testing.T) {
	dir := t.TempDir()
	data := stripes(t, dir, 60, 1)
	for _, off := range [][]string{{"cd"}, {"reg"}, {"opt"}, {"ent"}, {"opt", "ent"}, {"reg", "opt", "ent"}} {
		at := filepath.Join(t.TempDir(), "run")
		changes := []string{"output.diagnose=1"}
		for _, term := range off {
			changes = append(changes, "loss."+term+"=0")
		}
		interrupted(t, at, config(t, data, changes...), 6)
		list := records(t, at)
		last := list[len(list)-1]
		sum := 0.0
		for term, weight := range map[string]float64{"cd": 1, "reg": 1, "opt": 1, "ent": 0.3, "flow": 0.03} {
			value := valueOf(t, last, "loss_"+term)
			if (value == 0) != slices.Contains(off, term) {
				t.Errorf("without %v: the term %s is %v", off, term, value)
			}
			sum += weight * value
			_, measured := last.Value("gradient_" + term)
			want := !slices.Contains(off, term)
			switch term {
			case "cd": // measured with L_reg
				want = !slices.Contains(off, "cd") || !slices.Contains(off, "reg")
			case "reg":
				want = false
			}
			if measured != want {
				t.Errorf("without %v: the gradient of %s: %v", off, term, measured)
			}
		}
		if total := valueOf(t, last, "loss_total"); total-sum > 1e-9 || sum-total > 1e-9 {
			t.Errorf("without %v: the loss is %v, its terms make %v", off, total, sum)
		}
	}
}

func valueOf(t *testing.T, r metrics.Record, name string) float64 {
	t.Helper()
	v, ok := r.Value(name)
	if !ok {
		t.Errorf("iteration %d has no %s", r.Iteration, name)
	}
	return v
}
