package authors

// This file finds out what network a state_dict belongs to. The names of its tensors tell which of the three it is, and their shapes how
// wide and with how many classes; what is used of it, the script's options say.

import (
	"fmt"
	"math"
	"strings"

	"github.com/joule-ebm/joule/energy"
	"github.com/joule-ebm/joule/model"
)

// A network is what a configuration says of it, and the number of classes.
type network struct {
	config  model.Config
	classes []string
	folded  bool // the kernels are stored with the state of a spectral normalisation, which is taken into them
}

// kinds are the authors' networks.
var kinds = []struct {
	name, class  string
	has          string // a tensor that this one alone has; they are asked in this order
	width        int    // filters for each channel that the first layer makes
	scales       bool   // multi-scale and attention are options
	augmentation string
}{
	{"mnist", "MNISTModel", "res1.conv1.bias", 1, false, "none"},
	{"celeba128", "CelebAModel", "res_1a.conv_downsample.weight", 2, true, "large"},
	{"cifar10", "ResNetModel", "res_1a.conv1.bias", 1, true, "cifar10"},
}

// refused are options that change the energy to what no network here computes.
var refused = []struct{ option, why string }{
	{"square_energy", "the square of the network's output is its energy"},
	{"sigmoid", "its energy goes through a sigmoid"},
	{"alias", "it halves resolutions by another filter"},
}

func (i *Imported) network(w *weights, f flags, o Options) (*network, error) {
	for _, r := range refused {
		if f.is(r.option) {
			return nil, fmt.Errorf("it was trained with the option %s, so that %s: such models cannot be imported", r.option, r.why)
		}
	}
	n := &network{config: model.Paper()}
	c := &n.config
	c.Network.Name = "" // not found yet
	first := w.shape("conv1.weight")
	if len(first) != 4 {
		return nil, fmt.Errorf("no state_dict of one of the authors' networks: it has no convolution conv1.weight")
	}
	for _, k := range kinds {
		if w.shape(k.has) == nil {
			continue
		}
		c.Network.Name, c.Network.Filters, c.Augmentation = k.name, k.width*first[0], k.augmentation
		if k.scales {
			c.Network.MultiScale = w.shape("mid_conv1.weight") != nil
			if _, given := f["multiscale"]; given { // tensors of scales that are not used may be there
				c.Network.MultiScale = f.is("multiscale")
			}
			c.Network.Attention = i.attention(w, f)
		}
		if err := i.image(c, f, first[1], k.scales); err != nil {
			return nil, err
		}
		break
	}
	if c.Network.Name == "" {
		return nil, fmt.Errorf("no state_dict of one of the authors' networks: it has neither res1 nor res_1a")
	}
	if norm, given := f["norm"]; given && norm == false {
		c.Network.Norm = string(energy.NoNorm)
	}
	if n.folded = w.shape(block(c)+".conv1.weight_orig") != nil; n.folded {
		c.Network.Kernel = string(energy.PlainKernel)
		i.note("kernels were spectrally normalised: they are divided by their norms as the file has them, and stay as they are from now on")
	}
	i.sampler(c, f)
	return n, i.classes(n, w, f, o)
}

// block is the name of the first residual block.
func block(c *model.Config) string {
	if c.Network.Name == "mnist" {
		return "res1"
	}
	return "res_1a"
}

// attention says whether the network looks through the attention that it has in any case.
func (i *Imported) attention(w *weights, f flags) bool {
	if w.shape("self_attn.gamma") == nil {
		return false
	}
	if _, given := f["self_attn"]; !given {
		i.note("nothing says whether the network uses its attention: taken to use it")
		return true
	}
	return f.is("self_attn")
}

// image finds the size of the images. Digits are 28×28 whatever the option im_size is.
func (i *Imported) image(c *model.Config, f flags, channels int, sized bool) error {
	var own [3]int
	for _, k := range energy.Networks() {
		if k.Name == c.Network.Name {
			own = k.Image
		}
	}
	c.Network.Image = []int{own[0], own[1], channels}
	side, given := f.number("im_size")
	if !sized || !given || side == float64(own[0]) || side != math.Trunc(side) {
		return nil
	}
	c.Network.Image[0], c.Network.Image[1] = int(side), int(side)
	if _, err := c.NewEnergy(0); err != nil {
		i.note("the option im_size=%g is no size of images for this network: taken to be %d×%d", side, own[0], own[1])
		c.Network.Image[0], c.Network.Image[1] = own[0], own[1]
	}
	return nil
}

// sampler takes over how chains moved, and what the model was trained on. That has no name that could be opened: the images held out of
// training are not known, and others must be named to calibrate.
func (i *Imported) sampler(c *model.Config, f flags) {
	if steps, ok := f.number("num_steps"); ok && steps >= 1 && steps <= 1e6 {
		c.Sampler.Steps = int(steps)
	} else {
		i.note("nothing says how many steps a chain makes: taken to be %d", c.Sampler.Steps)
	}
	if step, ok := f.number("step_lr"); ok && step > 0 && !math.IsInf(step, 0) {
		c.Sampler.StepSize = step
	} else {
		i.note("nothing says how large a step of a chain is: taken to be %g", c.Sampler.StepSize)
	}
	name, _ := f["dataset"].(string)
	if name == "" {
		name = "data"
	}
	c.Data = "the authors' " + strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, name[:min(len(name), 40)])
}

// classes finds the number of classes and gives them names.
func (i *Imported) classes(n *network, w *weights, f flags, o Options) error {
	conditional := f.is("cond")
	if _, given := f["cond"]; !given {
		if conditional = len(o.Classes) > 0; !conditional {
			i.note("nothing says whether the model is conditional: taken not to be; name its classes if it is (--classes)")
		}
	}
	n.config.Network.Conditional = conditional
	if !conditional {
		if len(o.Classes) > 0 {
			return fmt.Errorf("it is not conditional (its option cond): there are no classes to name")
		}
		return nil
	}
	latent := w.shape(block(&n.config) + ".latent_map.weight")
	if len(latent) != 2 {
		return fmt.Errorf("a conditional model, but without a map of labels (%s.latent_map)", block(&n.config))
	}
	const most = 100_000
	switch n.classes = o.Classes; {
	case latent[1] < 1 || latent[1] > most:
		return fmt.Errorf("a label of %d numbers: want 1 to %d", latent[1], most)
	case n.classes == nil:
		for class := range latent[1] {
			n.classes = append(n.classes, fmt.Sprint(class))
		}
	case len(n.classes) != latent[1]:
		return fmt.Errorf("%d names of classes, but labels have %d numbers", len(n.classes), latent[1])
	}
	return nil
}
