package mcmc

// This file is the data augmentation transition: between Langevin steps an image may jump to a cropped, mirrored, recoloured or blurred
// version of itself. The target distribution is nearly invariant to these changes, and they carry chains between modes that gradient
// steps alone would not leave.
//
// Source: Du, Li, Tenenbaum and Mordatch, "Improved Contrastive Divergence Training of Energy-Based Models" (ICML 2021). The transforms
// are those of SimCLR (Chen, Kornblith, Norouzi and Hinton, ICML 2020, appendix A), in its order and with twice its range of hue, and
// follow torchvision's definitions for tensors.

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/joule-ebm/joule/engine/rng"
)

// Augmentation says which random transforms an image goes through. The zero value, [NoAugmentation], leaves images as they are. Images
// are float32 H,W,C in [0,1] and keep their shape and range.
type Augmentation struct {
	// CropScale is the least area of the random resized crop as a fraction of the image's, in (0,1]; 0 means no crop. The area is uniform
	// up to the whole image, and the aspect ratio log-uniform from 3/4 to 4/3.
	CropScale float32
	// Flip mirrors half of the images, left to right.
	Flip bool
	// Jitter is the strength s of the colour jitter, in [0,1.25], 0 meaning none: with probability 0.8, brightness, contrast and
	// saturation change by factors uniform in [max(0,1-0.8s), 1+0.8s] and the hue turns by up to 0.4s of a full turn either way, in
	// random order. One-channel images have no hue and saturation.
	Jitter float32
	// Grayscale removes the colour of one image in five.
	Grayscale bool
	// BlurKernel is the width in pixels of the Gaussian blur of every other image, odd; 0 means none. Its standard deviation is uniform
	// in 0.1..2 pixels.
	BlurKernel int
}

// The augmentations used in the paper for each kind of data.
var (
	// NoAugmentation is for MNIST, where a mirrored digit is not a digit.
	NoAugmentation = Augmentation{}
	// AugmentCIFAR10 is for 32x32 photographs. Its blur follows SimCLR's rule, a tenth of the size made odd; the authors' code does not
	// blur these images.
	AugmentCIFAR10 = Augmentation{CropScale: 0.08, Flip: true, Jitter: 1, Grayscale: true, BlurKernel: 3}
	// AugmentLarge is for CelebA-HQ and LSUN at 128x128.
	AugmentLarge = Augmentation{CropScale: 0.08, Flip: true, Jitter: 0.5, Grayscale: true, BlurKernel: 5}
	// AugmentImageNet is for ImageNet.
	AugmentImageNet = Augmentation{CropScale: 0.6, Flip: true, Jitter: 0.5, Grayscale: true, BlurKernel: 11}
)

const (
	flipProbability   = 0.5
	jitterProbability = 0.8
	grayProbability   = 0.2
	blurProbability   = 0.5
	blurLow, blurHigh = 0.1, 2 // standard deviations, pixels
)

// Augmenter applies an augmentation to images of one shape. It owns the memory that takes, so that [Augmenter.Apply] allocates none; use
// one a goroutine.
type Augmenter struct {
	a       Augmentation
	h, w, c int
	image   []float32 // an image in transit
	row     []float32 // a row with its reflected borders
	kernel  []float32
	columns []column
}

// NewAugmenter returns an augmenter for images of shape h,w,c. It reports values of a out of range, and colour steps on images with
// neither one channel nor three.
func NewAugmenter(a Augmentation, h, w, c int) (*Augmenter, error) {
	switch {
	case h < 1 || w < 1 || c < 1:
		return nil, fmt.Errorf("augmentation: images of shape %dx%dx%d, want every side positive", h, w, c)
	case !(a.CropScale >= 0 && a.CropScale <= 1):
		return nil, fmt.Errorf("augmentation: crop scale %v, want 0 (no crop) to 1", a.CropScale)
	case !(a.Jitter >= 0 && a.Jitter <= 1.25):
		return nil, fmt.Errorf("augmentation: jitter %v, want 0 (none) to 1.25", a.Jitter)
	case (a.Jitter > 0 || a.Grayscale) && c != 1 && c != 3:
		return nil, fmt.Errorf("augmentation: colour steps on images of %d channels, want 1 or 3", c)
	case a.BlurKernel < 0 || a.BlurKernel > 0 && a.BlurKernel%2 == 0:
		return nil, fmt.Errorf("augmentation: blur kernel of %d pixels, want 0 (none) or an odd number", a.BlurKernel)
	case a.BlurKernel/2 >= min(h, w):
		return nil, fmt.Errorf("augmentation: blur kernel of %d pixels reaches past the reflection of a %dx%d image", a.BlurKernel, h, w)
	}
	return &Augmenter{
		a: a, h: h, w: w, c: c,
		image:   make([]float32, h*w*c),
		row:     make([]float32, (w+2*(a.BlurKernel/2))*c),
		kernel:  make([]float32, a.BlurKernel),
		columns: make([]column, w),
	}, nil
}

// Apply writes to dst the image src, randomly transformed by s. Both have h·w·c elements, and may be the same memory. Each transform is
// either skipped or applied, in the order crop, flip, jitter, grayscale, blur.
func (g *Augmenter) Apply(dst, src []float32, s *rng.Stream) error {
	size := g.h * g.w * g.c
	if len(dst) != size || len(src) != size {
		return fmt.Errorf("augmentation: images of %d and %d elements, want %dx%dx%d", len(dst), len(src), g.h, g.w, g.c)
	}
	if g.a.CropScale > 0 {
		box := randomBox(g.h, g.w, g.a.CropScale, s)
		copy(g.image, src)
		g.resize(dst, g.image, box)
	} else {
		copy(dst, src)
	}
	if g.a.Flip && s.Float32() < flipProbability {
		flip(dst, g.w, g.c)
	}
	if g.a.Jitter > 0 && s.Float32() < jitterProbability {
		j := randomJitter(g.a.Jitter, s)
		j.apply(dst, g.c)
	}
	if g.a.Grayscale && g.c == 3 && s.Float32() < grayProbability {
		grayscale(dst)
	}
	if g.a.BlurKernel > 0 && s.Float32() < blurProbability {
		g.blur(dst, between(blurLow, blurHigh, s))
	}
	return nil
}

// ApplyBatch transforms in place the images, n of shape h,w,c, using up to the given number of threads, 0 means one a core. One number of s
// names the streams of all images, so the result does not depend on threads.
func (a Augmentation) ApplyBatch(images []float32, n, h, w, c, threads int, s *rng.Stream) error {
	size := h * w * c
	if n < 0 || len(images) != n*size {
		return fmt.Errorf("augmentation: %d elements, want %d images of %dx%dx%d", len(images), n, h, w, c)
	}
	return a.each(n, h, w, c, threads, s, func(i int, g *Augmenter, s *rng.Stream) error {
		x := images[i*size : (i+1)*size]
		return g.Apply(x, x, s)
	})
}

// each calls do for n images, from up to the given number of goroutines, 0 means one a core, with an augmenter and the image's own stream.
func (a Augmentation) each(n, h, w, c, threads int, s *rng.Stream, do func(i int, g *Augmenter, s *rng.Stream) error) error {
	name := s.Uint64()
	var (
		next atomic.Int64
		wg   sync.WaitGroup
		once sync.Once
		err  error
	)
	fail := func(e error) { once.Do(func() { err = e; next.Store(int64(n)) }) }
	if threads <= 0 {
		threads = runtime.GOMAXPROCS(0)
	}
	for range min(threads, n) {
		g, e := NewAugmenter(a, h, w, c)
		if e != nil {
			return e // before any goroutine: every worker's is the same
		}
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				s := rng.New(name, uint64(i))
				if e := do(i, g, &s); e != nil {
					fail(e)
				}
			}
		})
	}
	wg.Wait()
	return err
}

// between returns a uniform number in [low,high).
func between(low, high float32, s *rng.Stream) float32 { return low + (high-low)*s.Float32() }
