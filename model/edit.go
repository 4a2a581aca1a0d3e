package model

// This file draws images that agree with what is seen of them: the energy of the observation is added to the model's, and chains of the
// model's sampler descend the sum from the picture. It fills in what is missing, makes small pictures larger, takes noise away, and turns
// an image of one class into one of another. Where a generation goes back to noise between its rounds, so do edits: what the model fills in and
// what is seen get another try at agreeing, as in Lugmayr et al., "RePaint" (CVPR 2022, arXiv 2201.09865).

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/joule-ebm/joule/cd"
	"github.com/joule-ebm/joule/dataset"
	"github.com/joule-ebm/joule/energy"
	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/internal/picture"
	"github.com/joule-ebm/joule/mcmc"
)

// An Edit says what is wanted of pictures.
type Edit struct {
	Missing  []uint8 // H,W: not 0 where the picture is not known and to be filled in; nil: nowhere
	Halvings int     // pictures are this often half as large as the model's images, rounded up
	Noise    float64 // standard deviation of the noise in the pictures, in units of intensity; 0: they are clean
	// Temperature is T where exp(-E/T) describes images: it says how much the model counts beside the picture. 0 stands for 3·10⁻⁵.
	Temperature float64
	To, From    []float64 // the label to have, and one not to have, as [Model.Condition] gives them; nil of an unconditional model
	Away        float64   // weight of the energy of From: that of E(x, From) is -Away
	Steps       int       // of each chain; 0: as many as for an image from noise
	Seed        uint64
	Progress    func(done, total int64)
}

// UsualAway is the weight of the label to go away from.
const UsualAway = 0.01

// Relabel sets To and From: label is what pictures show and go on to show, to what they are to show instead, from what they are not to show;
// "" where nothing is said.
func (edit *Edit) Relabel(m *Model, label, to, from string) (err error) {
	switch {
	case label != "" && to != "":
		return errors.New("label is what pictures show and go on to show, to what they are to show instead: give one of them")
	case label+to != "":
		if edit.To, err = m.Condition(label + to); err != nil {
			return fmt.Errorf("label or to: %w", err)
		}
	case m.Labels() > 0:
		return errors.New("the model is conditional: say what the pictures show (label), or what they are to show (to)")
	}
	if from != "" {
		if edit.From, err = m.Condition(from); err != nil {
			return fmt.Errorf("from: %w", err)
		}
		if slices.Equal(edit.From, edit.To) {
			return errors.New("from and what pictures are to show are the same")
		}
	}
	return nil
}

// Missing is Edit.Missing for a mask, a grey picture that is white where pictures are to be filled in.
func Missing(mask []uint8) ([]uint8, error) {
	missing, white := make([]uint8, len(mask)), 0
	for p, v := range mask {
		if v > 127 {
			missing[p] = 1
			white++
		}
	}
	switch white {
	case len(mask):
		return nil, errors.New("it is all white, so that nothing of the pictures is known: make white only what is to be filled in")
	case 0:
		return nil, errors.New("nothing of it is white, so that there is nothing to fill in: make white what is")
	}
	return missing, nil
}

// UsualTemperature is T for models that short chains have trained, where noise of 0.1 and of 0.3 is taken best from digits (docs/composition.md).
const UsualTemperature = 3e-5

// deviation is s of the observation: noise σ at the temperature T is s² = σ²/T. Clean pictures get the least s that the step of a chain, λ at
// most, can follow: λ/s² = 1, and four times that for each halving, which takes what is but a fourth of a pixel.
func (edit *Edit) deviation(lambda float64) float64 {
	t := edit.Temperature
	if t == 0 {
		t = UsualTemperature
	}
	if edit.Noise == 0 {
		return math.Ldexp(math.Sqrt(lambda), -edit.Halvings)
	}
	return edit.Noise / math.Sqrt(t)
}

// PictureSize is the size of the pictures to edit, for a model of images of this size.
func (edit *Edit) PictureSize(image dataset.Size) dataset.Size {
	for range edit.Halvings {
		image.Height, image.Width = (image.Height+1)/2, (image.Width+1)/2
	}
	return image
}

// Edit draws n images for each of the pictures (N,h,w,C), which lie picture after picture: N·n,H,W,C.
func (m *Model) Edit(ctx context.Context, e engine.Engine, pictures []uint8, n int, edit Edit) ([]uint8, error) {
	image := m.Energy.Image
	size := edit.PictureSize(m.Config.ImageSize())
	h, w, seen := size.Height, size.Width, size.Len()
	switch {
	case n < 1 || len(pictures) == 0 || len(pictures)%seen != 0:
		return nil, fmt.Errorf("model: %d values are no pictures of %d×%d×%d to edit %d times", len(pictures), h, w, image[2], n)
	case edit.Missing != nil && len(edit.Missing) != h*w:
		return nil, fmt.Errorf("model: a mask of %d pixels for pictures of %d×%d", len(edit.Missing), h, w)
	case len(edit.To) != m.Energy.Classes || len(edit.From) != 0 && len(edit.From) != m.Energy.Classes:
		return nil, errors.New("model: an edit by a conditional model is given the label that images are to have, and only by one")
	case !(edit.Noise >= 0) || !(edit.Temperature >= 0) || edit.Steps < 0:
		return nil, fmt.Errorf("model: noise %v, temperature %v, %d steps: want 0 or more", edit.Noise, edit.Temperature, edit.Steps)
	}
	chain, err := m.editingChain(e, edit)
	if err != nil {
		return nil, err
	}
	count := len(pictures) / seen
	y, known := dataset.Intensities(pictures), make([]float32, h*w)
	for p := range known {
		if edit.Missing == nil || edit.Missing[p] == 0 {
			known[p] = 1
		}
	}
	g := m.generation(Sampling{Steps: edit.Steps, Seed: edit.Seed, Threads: 1})
	steps := g.Steps
	g.Augmentation, g.Every = mcmc.NoAugmentation, max(1, steps/50)
	var edited []uint8
	together := max(1, 64/n)
	for first := 0; first < count; first += together {
		part := min(together, count-first)
		var ys, knowns, x []float32
		for i := range part * n {
			one := y[(first+i/n)*seen:][:seen]
			ys, knowns, x = append(ys, one...), append(knowns, known...), append(x, picture.Enlarge(one, h, w, image[2], image[0], image[1])...)
		}
		if edit.Missing != nil { // chains find what is missing from noise
			noise := make([]float32, len(x))
			g.Noise.FillNoise(noise, image, edit.Seed, uint64(first*n))
			for i := range x {
				if p := i % image.Size() / image[2]; edit.Halvings == 0 && known[p] == 0 {
					x[i] = noise[i]
				}
			}
		}
		g.FirstChain = uint64(first * n)
		g.Inputs = map[string][]float32{energy.ObservedInput: ys, energy.KnownInput: knowns}
		for range part * n {
			for _, v := range edit.To {
				g.Inputs["label"] = append(g.Inputs["label"], float32(v))
			}
		}
		_, err := chain.Generate(ctx, x, g, func(step int) error {
			if edit.Progress != nil {
				edit.Progress(int64(first*n)*int64(steps)+int64(part*n)*int64(step), int64(count*n)*int64(steps))
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		pixels := picture.Quantise(x)
		if edit.Missing != nil && edit.Halvings == 0 && edit.Noise == 0 { // what is known stays to the last bit
			for i := range pixels {
				if p := i % image.Size() / image[2]; known[p] == 1 {
					pixels[i] = pictures[(first+i/image.Size()/n)*seen+i%image.Size()]
				}
			}
		}
		edited = append(edited, pixels...)
	}
	return edited, nil
}

// editingChain descends the energy of the model, less that of the label to go away from, and that of the observation. Its steps are as
// long as the model's, or as the observation allows: λ/s² is at most 1, of halved images more.
func (m *Model) editingChain(e engine.Engine, edit Edit) (*mcmc.Chain, error) {
	config := m.Config
	sampler, err := config.NewSampler()
	if err != nil {
		return nil, err
	}
	reach := sampler.Drift().Most(m.Energy.Image)
	s := edit.deviation(reach)
	observation, err := energy.Observation(m.Energy.Image, edit.Halvings, s)
	if err != nil {
		return nil, err
	}
	if most := s * s * float64(int(1)<<(2*edit.Halvings)); config.Sampler.Kind == "langevin" && reach > most {
		config.Sampler.StepSize *= most / reach
		if sampler, err = config.NewSampler(); err != nil {
			return nil, err
		}
	}
	parts := []*energy.Energy{m.Energy}
	if edit.From != nil && edit.Away != 0 {
		from, err := energy.Given(edit.From, m.Energy)
		if err != nil {
			return nil, err
		}
		parts = append(parts, energy.Weighted(-edit.Away, from))
	}
	posterior, err := energy.And(append(parts, observation)...)
	if err != nil {
		return nil, err
	}
	chain, err := cd.NewChain(e, posterior, sampler)
	if err != nil {
		return nil, err
	}
	return chain, chain.Bind(m.Params)
}
