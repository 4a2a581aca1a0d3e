// Package attributes says whether a model's samples show what was asked for: each sample's attributes are read back from its pixels by a
// network, and compared. That is how compositions are judged, by the share of samples that show everything.
//
// Sources: Du, Li and Mordatch, "Compositional Visual Generation with Energy Based Models" (2020); Liu et al., "Learning to compose
// visual relations" (2021).
package attributes

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/joule-ebm/joule/dataset"
	"github.com/joule-ebm/joule/dataset/objects"
	"github.com/joule-ebm/joule/detect/benchmark"
	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/eval"
	"github.com/joule-ebm/joule/eval/features/digits"
	"github.com/joule-ebm/joule/eval/features/scenes"
	"github.com/joule-ebm/joule/model"
)

// The attributes of pictures of digits: what a classifier takes them for, and how they lean, by the moments of their ink ([dataset.Slant]).
const (
	Digit = "digit"
	Slant = "slant"
)

// Values are what an image shows, by attribute.
type Values map[string]string

// A Reader reads the attributes of images back from their pixels.
type Reader struct {
	Attributes []Attribute
	read       func(ctx context.Context, pixels []uint8, size dataset.Size) (shown, likeliest []Values, err error)
}

// Attribute has one of a few values.
type Attribute struct {
	Name   string
	Values []string
}

// Reads says whether there is a reader for images of the subject.
func Reads(subject string) bool { return subject == dataset.Digits || subject == dataset.Objects }

// NewReader is the reader for images of a subject, [dataset.Digits] or [dataset.Objects].
func NewReader(e engine.Engine, subject string) (*Reader, error) {
	switch subject {
	case dataset.Digits:
		c, err := digits.New(e)
		if err != nil {
			return nil, err
		}
		all := Attribute{Name: Digit}
		for d := range digits.Classes {
			all.Values = append(all.Values, strconv.Itoa(d))
		}
		return &Reader{[]Attribute{all, {Slant, dataset.Slants}}, func(ctx context.Context, pixels []uint8, size dataset.Size) (shown, likeliest []Values, err error) {
			d, err := c.Describe(ctx, pixels, size)
			for i := 0; err == nil && i < len(d.Probabilities); i += digits.Classes {
				p := d.Probabilities[i:][:digits.Classes]
				ink := gray(pixels[len(shown)*size.Len():][:size.Len()], size.Channels)
				shown = append(shown, Values{Digit: all.Values[slices.Index(p, slices.Max(p))],
					Slant: dataset.Slants[dataset.SlantNamed(dataset.Slant(ink, size.Width))]})
			}
			return shown, shown, err
		}}, nil
	case dataset.Objects:
		c, err := scenes.New(e)
		if err != nil {
			return nil, err
		}
		r := &Reader{}
		for _, a := range objects.Attributes {
			r.Attributes = append(r.Attributes, Attribute(a))
		}
		r.read = func(ctx context.Context, pixels []uint8, size dataset.Size) (shown, likeliest []Values, err error) {
			readings, err := c.Read(ctx, pixels, size)
			for _, reading := range readings {
				v, guess := Values{}, Values{}
				for i, a := range r.Attributes {
					label, _ := reading.Label(i)
					v[a.Name], guess[a.Name] = reading.Value(a.Name), a.Values[label]
				}
				shown, likeliest = append(shown, v), append(likeliest, guess)
			}
			return shown, likeliest, err
		}
		return r, nil
	}
	return nil, fmt.Errorf("attributes: nothing reads the attributes of these images back: want pictures of digits (mnist) or of objects")
}

// gray is the mean of an image's channels.
func gray(image []uint8, channels int) []uint8 {
	out := make([]uint8, len(image)/channels)
	for i := range out {
		sum := 0
		for _, v := range image[i*channels:][:channels] {
			sum += int(v)
		}
		out[i] = uint8(sum / channels)
	}
	return out
}

// Read says what each of the images (N,H,W,C) shows; a value is empty where the image shows nothing of the kind. The likeliest values are
// those that it would have if it did.
func (r *Reader) Read(ctx context.Context, pixels []uint8, size dataset.Size) (shown, likeliest []Values, err error) {
	const batch = 256
	for step := batch * size.Len(); len(pixels) > 0; {
		part := pixels[:min(step, len(pixels))]
		pixels = pixels[len(part):]
		some, guesses, err := r.read(ctx, part, size)
		if err != nil {
			return nil, nil, err
		}
		shown, likeliest = append(shown, some...), append(likeliest, guesses...)
	}
	return shown, likeliest, nil
}

// Check is an error unless the reader knows the attributes and values.
func (r *Reader) Check(want dataset.Combinations) error {
	for _, all := range want {
		for _, c := range all {
			i := slices.IndexFunc(r.Attributes, func(a Attribute) bool { return a.Name == c.Attribute })
			if i < 0 {
				var names []string
				for _, a := range r.Attributes {
					names = append(names, a.Name)
				}
				return fmt.Errorf("attributes: no attribute %.60q: want one of %s", c.Attribute, strings.Join(names, ", "))
			}
			if !slices.Contains(r.Attributes[i].Values, c.Value) {
				return fmt.Errorf("attributes: no %s %.60q: want one of %s", c.Attribute, c.Value, strings.Join(r.Attributes[i].Values, ", "))
			}
		}
	}
	return nil
}

// Share is a fraction of n images, with a 95% interval (Clopper and Pearson 1934).
type Share struct {
	Count int     `json:"count"`
	Of    int     `json:"of"`
	Value float64 `json:"value"`
	Low   float64 `json:"low"`
	High  float64 `json:"high"`
}

func share(count, n int) Share {
	i := benchmark.Proportion(count, n, 0.95)
	return Share{Count: count, Of: n, Value: float64(count) / float64(n), Low: i[0], High: i[1]}
}

// Asked is of the samples of a conditional model that show the class which they were drawn for.
type Asked struct {
	Attribute string `json:"attribute"` // whose values the classes are
	Share
	Samples int              `json:"samples"` // Share.Of, whose name in JSON the classes have
	Of      map[string]Share `json:"of"`      // of the samples of each class
}

// Asked counts the samples that show their class, given the label of each and the names of the classes; nil where these are not values
// of an attribute.
func (r *Reader) Asked(shown []Values, labels []int32, classes []string) *Asked {
	i := slices.IndexFunc(r.Attributes, func(a Attribute) bool {
		return !slices.ContainsFunc(classes, func(class string) bool { return !slices.Contains(a.Values, class) })
	})
	if i < 0 || len(classes) == 0 || len(labels) == 0 || len(labels) != len(shown) {
		return nil
	}
	a := &Asked{Attribute: r.Attributes[i].Name, Of: map[string]Share{}}
	right, drawn, all := map[string]int{}, map[string]int{}, 0
	for j, label := range labels {
		class := classes[label]
		drawn[class]++
		if shown[j][a.Attribute] == class {
			right[class]++
			all++
		}
	}
	a.Share, a.Samples = share(all, len(labels)), len(labels)
	for class, n := range drawn {
		a.Of[class] = share(right[class], n)
	}
	return a
}

// Report is what samples show.
type Report struct {
	Samples int    `json:"samples"`
	Steps   int    `json:"steps"` // of each chain
	Seed    uint64 `json:"seed"`
	Want    string `json:"want,omitempty"`
	Shown   *Share `json:"shown,omitempty"`  // of the samples that show all of what was asked for
	Chance  *Share `json:"chance,omitempty"` // of the data set's own images that do
	// Asked is of samples of a model that is conditional on classes, in which the classes' names are values of an attribute; nil of others.
	Asked *Asked `json:"asked,omitempty"`
	// Likeliest is the share of samples whose likeliest values are what was asked for, those that are taken to show nothing included.
	Likeliest *Share                    `json:"likeliest,omitempty"`
	Of        map[string]*Share         `json:"of,omitempty"` // of the samples that show one of the values asked for, by attribute
	Counts    map[string]map[string]int `json:"counts"`       // of the samples, by attribute and value; "" where none is shown
	values    []Attribute
}

// Options say how samples are drawn and what they are to show.
type Options struct {
	Want     dataset.Combinations // nil: nothing in particular
	Images   *dataset.Set         // of the model's data set, which say what the subject is, and what chance is
	Sampling model.Sampling
	Progress eval.Progress
}

// Measure draws samples and reads what they show.
func Measure(ctx context.Context, e engine.Engine, m *model.Model, o Options) (*Report, error) {
	reader, err := NewReader(e, o.Images.Subject)
	if err != nil {
		return nil, err
	}
	if err := reader.Check(o.Want); err != nil {
		return nil, err
	}
	o.Sampling.Progress = func(done, total int64) {
		if o.Progress != nil {
			o.Progress("sampling", "steps", done, total)
		}
	}
	set, err := m.SampleSet(ctx, e, o.Sampling)
	if err != nil {
		return nil, err
	}
	shown, likeliest, err := reader.Read(ctx, set.Pixels, set.Size())
	if err != nil {
		return nil, err
	}
	r := &Report{Samples: len(shown), Steps: m.ChainSteps(o.Sampling), Seed: o.Sampling.Seed, Counts: map[string]map[string]int{},
		Asked: reader.Asked(shown, set.Labels, m.Classes), values: reader.Attributes}
	for _, a := range reader.Attributes {
		counts := map[string]int{}
		for _, v := range shown {
			counts[v[a.Name]]++
		}
		r.Counts[a.Name] = counts
	}
	if o.Want == nil {
		return r, nil
	}
	r.Want = o.Want.String()
	all, guessed := share(count(shown, o.Want), len(shown)), share(count(likeliest, o.Want), len(shown))
	r.Shown, r.Likeliest, r.Of = &all, &guessed, map[string]*Share{}
	asked := map[string]map[string]bool{}
	for _, together := range o.Want {
		for _, c := range together {
			if asked[c.Attribute] == nil {
				asked[c.Attribute] = map[string]bool{}
			}
			asked[c.Attribute][c.Value] = true
		}
	}
	for name, values := range asked {
		n := 0
		for value := range values {
			n += r.Counts[name][value]
		}
		one := share(n, len(shown))
		r.Of[name] = &one
	}
	chance, _, err := reader.Read(ctx, o.Images.Pixels, o.Images.Size())
	if err != nil {
		return nil, err
	}
	of := share(count(chance, o.Want), len(chance))
	r.Chance = &of
	return r, nil
}

// count is how many show what is wanted.
func count(shown []Values, want dataset.Combinations) (n int) {
	for _, v := range shown {
		if want.Hold(func(attribute string) string { return v[attribute] }) {
			n++
		}
	}
	return n
}

// Text writes the report for a person.
func (r *Report) Text(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%d samples by chains of %d steps (seed %d)\n", r.Samples, r.Steps, r.Seed)
	if r.Shown != nil {
		fmt.Fprintf(&b, "show %s: %.1f%% (95%% %.1f to %.1f); of the data's own images %.1f%%\n", r.Want, 100*r.Shown.Value, 100*r.Shown.Low, 100*r.Shown.High,
			100*r.Chance.Value)
		if r.Likeliest.Count != r.Shown.Count {
			fmt.Fprintf(&b, "  with those that are not taken for a whole picture of the kind, by what is likeliest: %.1f%%\n", 100*r.Likeliest.Value)
		}
		if len(r.Of) > 1 {
			for _, name := range slices.Sorted(maps.Keys(r.Of)) {
				fmt.Fprintf(&b, "  the %s alone: %.1f%%\n", name, 100*r.Of[name].Value)
			}
		}
	}
	if r.Asked != nil {
		fmt.Fprintf(&b, "show the %s that they were drawn for: %.1f%% (95%% %.1f to %.1f)\n ", r.Asked.Attribute, 100*r.Asked.Value, 100*r.Asked.Low, 100*r.Asked.High)
		for _, class := range slices.Sorted(maps.Keys(r.Asked.Of)) {
			fmt.Fprintf(&b, " %s %.1f%%", class, 100*r.Asked.Of[class].Value)
		}
		fmt.Fprintln(&b)
	}
	for _, a := range r.values {
		fmt.Fprintf(&b, "%s:", a.Name)
		for _, value := range append(slices.Clone(a.Values), "") {
			if n := r.Counts[a.Name][value]; n > 0 {
				if value == "" {
					value = "(none)"
				}
				fmt.Fprintf(&b, " %s %.1f%%", value, 100*float64(n)/float64(r.Samples))
			}
		}
		fmt.Fprintln(&b)
	}
	_, err := io.WriteString(w, b.String())
	return err
}
