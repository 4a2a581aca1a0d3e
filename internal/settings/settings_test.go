package settings_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log"
	"math"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/joule-ebm/joule/internal/settings"
)

func Example() {
	var config struct {
		Name    string `yaml:"name" doc:"what the run is called"`
		Sampler struct {
			Steps int     `yaml:"steps" doc:"Langevin steps of a chain"`
			Rate  float64 `yaml:"rate" doc:"step size, per unit of intensity"`
		} `yaml:"sampler" doc:"how chains move"`
	}
	if err := settings.Read(strings.NewReader("name: digits\nsampler: {rate: 100}"), &config); err != nil {
		log.Fatal(err)
	}
	if err := settings.Set(&config, "sampler.steps=40"); err != nil {
		log.Fatal(err)
	}
	fmt.Println(settings.Set(&config, "sampler.step=60"))
	if err := settings.Write(os.Stdout, &config); err != nil {
		log.Fatal(err)
	}
	// Output:
	// unknown setting "sampler.step", did you mean "sampler.steps"?
	// # what the run is called
	// name: digits
	// # how chains move
	// sampler:
	//   # Langevin steps of a chain
	//   steps: 40
	//   # step size, per unit of intensity
	//   rate: 100
}

type kind string

type base struct {
	Seed uint64 `yaml:"seed" doc:"of all random numbers"`
}

type sampler struct {
	Steps int     `yaml:"steps" doc:"of a chain"`
	Rate  float32 `yaml:"rate"`
	Noise struct {
		Sigma float64 `yaml:"sigma"`
	} `yaml:"noise"`
}

type config struct {
	base                  // unexported: left alone
	Base    base          `yaml:",inline"`
	Name    string        `yaml:"name" doc:"what the run is called"`
	Kind    kind          `yaml:"kind"`
	Every   time.Duration `yaml:"every"`
	Flip    bool          `yaml:"flip"`
	Small   int8          `yaml:"small"`
	Byte    uint8         `yaml:"byte"`
	Sampler sampler       `yaml:"sampler" doc:"how chains move"`
	Widths  []int         `yaml:"widths" doc:"channels of each block"`
	Names   []string      `yaml:"names"`
	Scales  []float64     `yaml:"scales"`
	Times   []time.Duration
	Hidden  func() `yaml:"-"`
}

func example() config {
	c := config{Name: "a: \"b\" # c", Kind: "cd", Every: 90 * time.Second, Flip: true, Small: -128, Byte: 255, Widths: []int{16, 32}}
	c.Base.Seed = math.MaxUint64
	c.Sampler.Steps, c.Sampler.Rate = 40, 0.1
	c.Sampler.Noise.Sigma = 1e-3
	return c
}

func TestSet(t *testing.T) {
	tests := []struct {
		assignment string
		want       func(*config)
	}{
		{"seed=18446744073709551614", func(c *config) { c.Base.Seed-- }},
		{"name=x=y z", func(c *config) { c.Name = "x=y z" }},
		{"name=", func(c *config) { c.Name = "" }},
		{`name=""`, func(c *config) { c.Name = "" }},
		{"name=true", func(c *config) { c.Name = "true" }},
		{"kind=hmc", func(c *config) { c.Kind = "hmc" }},
		{"every=1h30m", func(c *config) { c.Every = 90 * time.Minute }},
		{"flip=false", func(c *config) { c.Flip = false }},
		{"small=127", func(c *config) { c.Small = 127 }},
		{" sampler.steps = 60 ", func(c *config) { c.Sampler.Steps = 60 }},
		{"sampler.rate=1e-3", func(c *config) { c.Sampler.Rate = 1e-3 }},
		{"sampler.noise.sigma=-.inf", func(c *config) { c.Sampler.Noise.Sigma = math.Inf(-1) }},
		{"widths=1,2, 3", func(c *config) { c.Widths = []int{1, 2, 3} }},
		{"widths=[4]", func(c *config) { c.Widths = []int{4} }},
		{"widths=", func(c *config) { c.Widths = nil }},
		{"names=a b,c", func(c *config) { c.Names = []string{"a b", "c"} }},
		{"scales=[0.5, 2]", func(c *config) { c.Scales = []float64{0.5, 2} }},
		{"times=1s,2ms", func(c *config) { c.Times = []time.Duration{time.Second, 2 * time.Millisecond} }},
	}
	for _, test := range tests {
		got, want := example(), example()
		test.want(&want)
		if err := settings.Set(&got, test.assignment); err != nil {
			t.Errorf("%s: %v", test.assignment, err)
		} else if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, want %+v", test.assignment, got, want)
		}
	}
}

func TestSetRefuses(t *testing.T) {
	for assignment, want := range map[string]string{
		"sampler.steps":        "want key=value",
		"":                     "want key=value",
		"=1":                   `unknown setting ""`,
		"sampler.stepz=1":      `did you mean "sampler.steps"?`,
		"smapler.steps=1":      `did you mean "sampler.steps"?`,
		"steps=1":              `did you mean "sampler.steps"?`,
		"Name=a":               `did you mean "name"?`,
		"widht=3":              `did you mean "widths"?`,
		"hidden=1":             `unknown setting "hidden"`,
		"base.seed=1":          `unknown setting "base.seed"`,
		"sampler=1":            "set one of sampler.steps, sampler.rate, sampler.noise",
		"sampler.steps=40.5":   "want an integer",
		"sampler.steps=":       "want an integer",
		"sampler.steps=forty":  `setting sampler.steps to "forty": want an integer`,
		"small=128":            "from -128 to 127",
		"byte=-1":              "from 0 to 255",
		"sampler.rate=fast":    "want a number",
		"sampler.rate=1e60":    "want a number",
		"name=\xff":            "want UTF-8",
		"flip=yes":             "want true or false",
		"every=90":             "want a duration, such as 90s",
		"widths=1,two":         `setting widths, element "two": want an integer`,
		"widths=1,":            "want an integer",
		"sampler.noise.sigm=1": `did you mean "sampler.noise.sigma"?`,
	} {
		got := example()
		checkError(t, settings.Set(&got, assignment), want)
		if !reflect.DeepEqual(got, example()) {
			t.Errorf("%s was refused but changed the settings to %+v", assignment, got)
		}
	}
	c := example()
	if err := settings.Set(&c, "qqqqqqqq=1"); err == nil || strings.Contains(err.Error(), "mean") {
		t.Errorf("error %v, want none of the keys suggested", err)
	}
}

func checkError(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
		t.Errorf("error %v, want one line with %q", err, want)
	}
}

func TestKeys(t *testing.T) {
	c := example()
	keys, err := settings.Keys(&c)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, k := range keys {
		names = append(names, k.Name)
	}
	const want = "seed name kind every flip small byte sampler.steps sampler.rate sampler.noise.sigma widths names scales times"
	if got := strings.Join(names, " "); got != want {
		t.Fatalf("keys %s, want %s", got, want)
	}
	for i, want := range map[int]settings.Key{
		0:  {Name: "seed", Type: "integer, not negative", Value: "18446744073709551615", Doc: "of all random numbers"},
		3:  {Name: "every", Type: "duration", Value: "1m30s"},
		4:  {Name: "flip", Type: "true or false", Value: "true"},
		8:  {Name: "sampler.rate", Type: "number", Value: "0.1"},
		10: {Name: "widths", Type: "list of integer", Value: "16,32", Doc: "channels of each block"},
	} {
		if keys[i] != want {
			t.Errorf("key %d: %+v, want %+v", i, keys[i], want)
		}
	}

	var empty config // set from the other's keys, it must become the other
	for _, k := range keys {
		if err := settings.Set(&empty, k.Name+"="+k.Value); err != nil {
			t.Error(err)
		}
	}
	if fmt.Sprintf("%+v", empty) != fmt.Sprintf("%+v", c) { // printed, an empty list equals nil
		t.Errorf("set key by key: %+v, want %+v", empty, c)
	}
}

func TestFileRoundTrip(t *testing.T) {
	want := example()
	want.Names = []string{"", "null", "1", "true", "a, b", "[c]", "two\nlines", "- d"}
	want.Scales = []float64{math.Inf(1), math.Inf(-1), 1e300, 1e-300, 0}
	want.Times = []time.Duration{time.Hour}
	var first, second bytes.Buffer
	if err := errors.Join(settings.Write(&first, &want), settings.Write(&second, &want)); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first.Bytes(), second.Bytes()) {
		t.Error("the same settings gave different bytes")
	}
	var got config
	if err := settings.Read(bytes.NewReader(first.Bytes()), &got); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("read %+v, want %+v, from\n%s", got, want, first.Bytes())
	}
}

func TestReadKeepsTheRest(t *testing.T) {
	for _, text := range []string{"", "# nothing\n", "---\n", "sampler:\n  # steps: 3\n", "{}"} {
		got := example()
		if err := settings.Read(strings.NewReader(text), &got); err != nil {
			t.Errorf("%q: %v", text, err)
		} else if !reflect.DeepEqual(got, example()) {
			t.Errorf("%q changed the settings to %+v", text, got)
		}
	}
	got, want := example(), example()
	want.Sampler.Noise.Sigma, want.Widths = 0.5, []int{7}
	if err := settings.Read(strings.NewReader("widths:\n- 7\nsampler: {noise: {sigma: 0.5}}"), &got); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("read %+v, %v, want %+v", got, err, want)
	}
}

func TestReadRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"name: a\nsampler:\n  stesp: 3":          `line 3: unknown setting "sampler.stesp", did you mean "sampler.steps"?`,
		"name: a\nname: b":                       "line 2: setting name is there twice",
		"sampler.steps: 3":                       "without a dot",
		"sampler: {steps: 1.5}":                  `line 1: setting sampler.steps to "1.5": want an integer`,
		"sampler: 3":                             "line 1: want settings as key: value",
		"sampler: {steps: [3]}":                  "want one value: integer",
		"name:":                                  "want one value: text",
		"widths: 3":                              "want a list of integer",
		"widths: [3, [4]]":                       "want a list of integer",
		"widths: [3, a]":                         `element "a": want an integer`,
		"widths: [1]\nflip: maybe":               "line 2: setting flip",
		"[a]":                                    "want settings as key: value",
		"text":                                   "want settings as key: value",
		"? [a]\n: b":                             "a key must be a word",
		"name: a\n---\nname: b":                  "more than one YAML document",
		"name: [":                                "yaml",
		"name: a\n---\n[":                        "yaml",
		"sampler: &s {steps: 3}\nname: *s":       "want one value",
		"<<: {name: a}":                          "unknown setting",
		"name: " + strings.Repeat("long", 1<<18): "not a settings file",
	} {
		got := example()
		checkError(t, settings.Read(strings.NewReader(text), &got), want)
		if !reflect.DeepEqual(got, example()) {
			t.Errorf("%.60q was refused but changed the settings to %+v", text, got)
		}
	}
	errDisk := errors.New("disk")
	c := example()
	if err := settings.Read(io.MultiReader(strings.NewReader("name: a\n"), failing{errDisk}), &c); !errors.Is(err, errDisk) || c.Name == "a" {
		t.Errorf("error %v, want %v", err, errDisk)
	}
	if err := settings.Write(failing{errDisk}, &c); !errors.Is(err, errDisk) {
		t.Errorf("writing: error %v, want %v", err, errDisk)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error)  { return 0, f.err }
func (f failing) Write([]byte) (int, error) { return 0, f.err }

// pointless is an element of a list that does not say where its value is.
type pointless struct{}

func (*pointless) Setting() (key, doc string, value any) { return "a", "", 1 }

// weight is an element of a list of settings.
type weight struct {
	of    string
	value float64
}

func (w *weight) Setting() (key, doc string, value any) { return w.of, "of " + w.of, &w.value }

type weighted struct {
	Name string `yaml:"name"`
	Loss struct {
		Weights []weight `yaml:",inline"`
		Last    bool     `yaml:"last"`
	} `yaml:"loss"`
}

// The elements of a list may be settings of their own, of which there are as many as the list has.
func TestLists(t *testing.T) {
	c := weighted{Name: "a"}
	c.Loss.Weights = []weight{{"second", 2}, {"first", 1}}
	before := c
	if err := settings.Set(&c, "loss.first=0.5"); err != nil {
		t.Fatal(err)
	}
	if err := settings.Read(strings.NewReader("loss: {second: 3, last: true}"), &c); err != nil {
		t.Fatal(err)
	}
	if want := []weight{{"second", 3}, {"first", 0.5}}; !reflect.DeepEqual(c.Loss.Weights, want) || !c.Loss.Last {
		t.Errorf("%+v, want %v", c, want)
	}
	if want := []weight{{"second", 2}, {"first", 1}}; !reflect.DeepEqual(before.Loss.Weights, want) {
		t.Errorf("a copy became %v, want %v as it was", before.Loss.Weights, want)
	}
	if err := settings.Set(&before, "loss.first=a"); err == nil || before.Loss.Weights[1].value != 1 {
		t.Errorf("%v: %+v", err, before)
	}
	var text strings.Builder
	if err := settings.Write(&text, &c); err != nil {
		t.Fatal(err)
	}
	const want = "name: a\nloss:\n  # of second\n  second: 3\n  # of first\n  first: 0.5\n  last: true\n"
	if text.String() != want {
		t.Errorf("written as\n%s\nwant\n%s", text.String(), want)
	}
	keys, err := settings.Keys(&c)
	if err != nil || len(keys) != 4 || keys[2] != (settings.Key{Name: "loss.first", Type: "number", Value: "0.5", Doc: "of first"}) {
		t.Errorf("%+v, %v", keys, err)
	}
	checkError(t, settings.Set(&c, "loss.fist=1"), `did you mean "loss.first"?`)
	checkError(t, settings.Set(&c, "loss=1"), "set one of loss.second, loss.first, loss.last")
	checkError(t, settings.Set(&weighted{}, "loss.first=1"), "unknown setting")
}

func TestNotSettings(t *testing.T) {
	var unsuitable struct {
		Inner struct{ Table map[string]int }
	}
	list := struct {
		List []pointless `yaml:",inline"`
	}{make([]pointless, 1)}
	for _, cfg := range []any{nil, config{}, (*config)(nil), new(int), &unsuitable, &list} {
		_, keys := settings.Keys(cfg)
		for _, err := range []error{keys, settings.Set(cfg, "a=1"), settings.Read(strings.NewReader("a: 1"), cfg), settings.Write(io.Discard, cfg)} {
			checkError(t, err, "settings: ")
		}
	}
}

// What Read accepts can be written and read again with the same result.
func FuzzRead(f *testing.F) {
	c := example()
	var whole bytes.Buffer
	if err := settings.Write(&whole, &c); err != nil {
		f.Fatal(err)
	}
	f.Add(whole.String())
	f.Add("name: a\nsampler:\n  stesp: 3")
	f.Add("sampler: &s {steps: 3, noise: {sigma: .nan}}\nname: *s")
	f.Add("names: [a, 'b', \"c\", |\n d]\n---\n")
	f.Fuzz(func(t *testing.T, text string) {
		var first, second config
		if err := settings.Read(strings.NewReader(text), &first); err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("an error of more than one line: %q", err)
			}
			return
		}
		var out bytes.Buffer
		if err := settings.Write(&out, &first); err != nil {
			t.Fatal(err)
		}
		if err := settings.Read(bytes.NewReader(out.Bytes()), &second); err != nil {
			t.Fatalf("%v, reading what was written:\n%s", err, out.Bytes())
		}
		if fmt.Sprintf("%+v", first) != fmt.Sprintf("%+v", second) { // printed, NaN equals NaN and an empty list nil
			t.Errorf("read %+v, then wrote and read %+v", first, second)
		}
	})
}
