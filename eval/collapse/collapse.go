// Package collapse notices, while a model learns, that its samples from noise have collapsed to a few kinds of images although its replay
// buffer looks fine.
//
// The buffer is what training sees: its chains go on from where others ended, and hardly any start from noise. A model can hold the buffer's
// images where they are and yet send nearly every new chain to one kind of image. So a few dozen short chains from noise are looked at now
// and then, beside as many images of the buffer and of the data, in three ways:
//
//	kinds    e^H, with H = Σ -p_k log p_k the entropy of the shares of classes that images show, in the eyes of a network of package
//	         features, where one comes with Joule for such images
//	FD       the Fréchet distance of its features from those of the data, on the scale of so few images: compare it with the data's own
//	spacing  the mean distance from an image to the nearest other one
//
// Samples have collapsed when they show fewer than half as many kinds as the buffer and the data both do, or are less than half as far
// apart, at two looks in a row.
package collapse

import (
	"context"
	"fmt"
	"math"

	"github.com/joule-ebm/joule/dataset"
	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/eval/features"
	"github.com/joule-ebm/joule/eval/features/shipped"
	"github.com/joule-ebm/joule/eval/quality"
	"github.com/joule-ebm/joule/eval/statistics"
)

// Images is how many samples a look takes, and how many images of the buffer and of the data.
const Images = 32

const (
	described = 1000 // images of the data, whose features the FD is from
	enough    = 0.5  // of the kinds and of the spacing
	inARow    = 2    // looks
)

// Look is what images look like.
type Look struct {
	Entropy float64 // of their classes, in nats; NaN where no network comes with Joule for such images
	FD      float64 // of their features from those of the data; NaN likewise
	Spacing float64 // root mean square distance in intensity to the nearest other image
}

// Kinds is e^H, NaN where there is no network.
func (l Look) Kinds() float64 { return math.Exp(l.Entropy) }

// A Watch looks at images beside data. It is for one goroutine at a time.
type Watch struct {
	Data Look // of as many images of the data

	size    dataset.Size
	network features.Network // nil if there is none
	moments *quality.Moments // of the features of the data
}

// NewWatch is a watch for a model of images of a set, of which it looks at a thousand, chosen by seed. The network runs on the engine. Of a
// set of one image, which is of one kind and next to no other, Data is NaN, and nothing is collapsed beside it.
func NewWatch(ctx context.Context, e engine.Engine, data *dataset.Set, seed uint64) (*Watch, error) {
	w := &Watch{size: data.Size()}
	if data.Len() < 2 {
		w.Data = Look{math.NaN(), math.NaN(), math.NaN()}
		return w, nil
	}
	var err error
	if w.network, err = shipped.For(e, data); err != nil {
		return nil, err
	}
	few := data.Draw(min(described, data.Len()), seed)
	if w.network != nil {
		d, err := features.Describe(ctx, w.network, few, nil)
		if err != nil {
			return nil, err
		}
		w.moments = quality.NewMoments(w.network.Dim())
		w.moments.Add(quality.Features{Dim: w.network.Dim(), Values: d.Features})
	}
	w.Data, err = w.Look(ctx, few.Pixels[:min(few.Len(), Images)*w.size.Len()])
	return w, err
}

// Look looks at images, N,H,W,C, two or more.
func (w *Watch) Look(ctx context.Context, pixels []uint8) (Look, error) {
	l := Look{Entropy: math.NaN(), FD: math.NaN()}
	summary, err := statistics.Summarise(pixels, len(pixels)/w.size.Len(), w.size.Height, w.size.Width, w.size.Channels)
	if l.Spacing = summary.Spacing; err != nil || w.network == nil {
		return l, err
	}
	d, err := w.network.Describe(ctx, pixels, w.size)
	if err != nil {
		return l, err
	}
	l.Entropy = quality.ClassEntropy(d.Probabilities, w.network.Classes())
	m := quality.NewMoments(w.network.Dim())
	m.Add(quality.Features{Dim: w.network.Dim(), Values: d.Features})
	l.FD, err = quality.FrechetDistance(m, w.moments)
	return l, err
}

// Memory is what is remembered from look to look. The zero value has seen none.
type Memory struct {
	Looks     int  `json:"looks"`     // in a row, at which samples were collapsed
	Collapsed bool `json:"collapsed"` // by the rule
}

// See takes a look at samples from noise and at images of the buffer into account. It says how the samples are collapsed, in a few words; the
// text is empty where they are not. Changed says whether that is news.
func (m *Memory) See(data, buffer, samples Look) (how string, changed bool) {
	const kinds, spacing = "they show %.1f kinds of images where the replay buffer shows %.1f and the data %.1f",
		"they lie %.3f apart where the images of the replay buffer lie %.3f and those of the data %.3f"
	for _, by := range []struct {
		text                  string
		samples, buffer, data float64
	}{{kinds, samples.Kinds(), buffer.Kinds(), data.Kinds()}, {spacing, samples.Spacing, buffer.Spacing, data.Spacing}} {
		if how == "" && by.samples < enough*min(by.buffer, by.data) { // never true of NaN
			how = fmt.Sprintf(by.text, by.samples, by.buffer, by.data)
		}
	}
	if how == "" {
		changed = m.Collapsed
		*m = Memory{}
		return "", changed
	}
	if m.Looks++; m.Looks < inARow {
		return "", false
	}
	changed, m.Collapsed = !m.Collapsed, true
	return how, changed
}
