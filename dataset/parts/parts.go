// Package parts draws pictures of parts as a camera above a conveyor sees them - plates, fabric, planks, tiles, nuts, screws - any number
// of them and each a function of a seed and an index, good ones and ones with a defect, and for each defect the mask of the pixels it
// changes. Two good parts of a kind differ as two made alike do: in pose, in grain, in light. docs/rendered.md shows some.
//
// They are for trying out inspection and for tests of it, and laid out as the MVTec AD data set is: good parts to train on, good ones and
// defects of each kind to test with. Source of that layout: P. Bergmann et al., "MVTec AD - A Comprehensive Real-World Dataset for
// Unsupervised Anomaly Detection", CVPR 2019.
package parts

import (
	"context"

	"github.com/joule-ebm/joule/dataset/internal/paint"
	"github.com/joule-ebm/joule/engine/rng"
)

// Good is the index in [Defects] of parts without a defect.
const Good = 0

// Kinds are the parts there are; Part.Kind is an index into them.
var Kinds = []string{"plate", "fabric", "wood", "tile", "nut", "screw"}

var kinds = []func(*maker) surface{plate, fabric, wood, tile, nut, screw}

// Defects are what a part may have; Part.Defect is an index into them.
var Defects = []string{"good", "scratch", "stain", "missing", "bend", "colour"}

var defects = []func(*maker, surface) surface{nil, scratch, stain, missing, bend, colour}

// The data set's own parts are those of seed 0. Of each kind there are Train good ones, from part 0 on, to train on; from part FirstTest
// on Test good ones to test with, and as many with each defect as Faulty says.
const (
	Train     = 500
	Test      = 100
	Faulty    = 40
	FirstTest = 1 << 32
)

// TrainingParts are the good parts to train on, of the kinds given or of all.
func TrainingParts(kinds ...int) []Part { return list(kinds, []int{Good}, 0, Train) }

// TestParts are the good parts to test with, of the kinds given or of all.
func TestParts(kinds ...int) []Part { return list(kinds, []int{Good}, FirstTest, Test) }

// FaultyParts are the parts with a defect to test with, of the kinds and defects given or of all.
func FaultyParts(kinds, defects []int) []Part {
	if len(defects) == 0 {
		for defect := range Defects {
			if defect != Good {
				defects = append(defects, defect)
			}
		}
	}
	return list(kinds, defects, FirstTest, Faulty)
}

// list is n parts of each kind and defect, from part first on.
func list(kinds, defects []int, first uint64, n int) (all []Part) {
	if len(kinds) == 0 {
		for kind := range Kinds {
			kinds = append(kinds, kind)
		}
	}
	for _, kind := range kinds {
		for _, defect := range defects {
			for i := range uint64(n) {
				all = append(all, At(0, kind, defect, first+i))
			}
		}
	}
	return all
}

// Part is one picture before it is drawn. Change its defect to draw the same part with another one, or with none.
type Part struct {
	Kind, Defect int    // indices into Kinds and Defects
	name         uint64 // of all that varies
}

// At is part i of those of a kind and a defect that a seed stands for.
func At(seed uint64, kind, defect int, i uint64) Part {
	s := rng.New(seed, 0x7061727473, uint64(kind), uint64(defect), i) // "parts"
	return Part{kind, defect, s.Uint64()}
}

// graininess of the camera: the standard deviation of a pixel in levels of 255.
const graininess = 1.5

// Draw draws the part into dst, a picture of side·side·3 bytes: H,W,C. The side is meant to be 64 to 256.
//
// Its mask, side·side bytes, is 255 where the part's defect changes the picture and 0 elsewhere: where it differs from the picture of the
// same part with Defect = Good. Where mask is nil, it is not wanted.
func (p Part) Draw(dst, mask []uint8, side int) {
	good := kinds[p.Kind](&maker{rng.New(p.name, 0)})
	picture := good.samples(side)
	clear(mask)
	if p.Defect != Good {
		faulty := defects[p.Defect](&maker{rng.New(p.name, 1, uint64(p.Defect))}, good).samples(side)
		for i := range mask {
			if faulty[i].Levels() != picture[i].Levels() {
				mask[i] = 255
			}
		}
		picture = faulty
	}
	noise := rng.New(p.name, 2, uint64(side))
	paint.Expose(dst, picture, graininess, &noise)
}

// Draw draws parts in pictures of the given side, on all cores, with their masks: N,H,W,3 and N,H,W. It ends early with ctx.
func Draw(ctx context.Context, list []Part, side int) (pixels, masks []uint8, err error) {
	size := side * side
	pixels, masks = make([]uint8, len(list)*size*3), make([]uint8, len(list)*size)
	err = paint.Each(ctx, len(list), func(i int) {
		list[i].Draw(pixels[i*size*3:][:size*3], masks[i*size:][:size], side)
	})
	return pixels, masks, err
}
