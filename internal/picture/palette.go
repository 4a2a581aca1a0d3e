package picture

// This file chooses the colours of a GIF. While the frames have at most 256 colours, those are the palette. Otherwise colour space
// is cut into 256 boxes: starting from one box around all colours, the box with the largest sum of squared distances to its
// mean along one channel is cut at that mean, and each palette colour is the mean of what its box holds. (Median cut, Heckbert
// 1982, with the variance-based cut of Wan, Wong and Prusinkiewicz 1988.) Colours are counted in 32 steps a channel.

import (
	"cmp"
	"image"
	"image/color"
	"iter"
	"maps"
	"slices"
)

// colours yields a picture's colours row by row, without their transparency.
func colours(img image.Image) iter.Seq[color.RGBA] {
	return func(yield func(color.RGBA) bool) {
		bounds := img.Bounds()
		for y := bounds.Min.Y; y < bounds.Max.Y; y++ {
			for x := bounds.Min.X; x < bounds.Max.X; x++ {
				var c color.RGBA
				switch img := img.(type) { // the two kinds this package makes, without a conversion a pixel
				case *image.Gray:
					v := img.GrayAt(x, y).Y
					c = color.RGBA{v, v, v, 255}
				case *image.RGBA:
					c = img.RGBAAt(x, y)
				default:
					c = color.RGBAModel.Convert(img.At(x, y)).(color.RGBA)
				}
				c.A = 255
				if !yield(c) {
					return
				}
			}
		}
	}
}

// fitPalette returns at most 256 colours for the frames and the function that replaces a colour of theirs by its index.
func fitPalette(frames []image.Image) (color.Palette, func(color.RGBA) uint8) {
	exact := map[color.RGBA]uint8{}
	bins := make([]*bin, 1<<15)
	for _, frame := range frames {
		for c := range colours(frame) {
			if len(exact) <= 256 {
				exact[c] = 0
			}
			b := bins[binOf(c)]
			if b == nil {
				b = new(bin)
				bins[binOf(c)] = b
			}
			b.count++
			b.sum[0] += int64(c.R)
			b.sum[1] += int64(c.G)
			b.sum[2] += int64(c.B)
		}
	}
	var palette color.Palette
	if len(exact) <= 256 {
		sorted := slices.SortedFunc(maps.Keys(exact), func(a, b color.RGBA) int {
			return cmp.Or(cmp.Compare(a.R, b.R), cmp.Compare(a.G, b.G), cmp.Compare(a.B, b.B))
		})
		for i, c := range sorted {
			palette = append(palette, c)
			exact[c] = uint8(i)
		}
		return palette, func(c color.RGBA) uint8 { return exact[c] }
	}

	var all box
	for _, b := range bins {
		if b != nil {
			all = append(all, b)
		}
	}
	boxes := []box{all}
	for len(boxes) < 256 {
		worst, axis, spread := 0, 0, flat
		for i, b := range boxes {
			for a := range 3 {
				if s := b.spread(a); s > spread {
					worst, axis, spread = i, a, s
				}
			}
		}
		if spread == flat {
			break
		}
		low, high := boxes[worst].cut(axis)
		boxes[worst] = low
		boxes = append(boxes, high)
	}
	for _, b := range boxes {
		palette = append(palette, b.colour())
	}
	for _, b := range all {
		b.index = uint8(palette.Index(box{b}.colour()))
	}
	return palette, func(c color.RGBA) uint8 { return bins[binOf(c)].index }
}

// A bin holds the colours that agree in the top 5 bits of each channel.
type bin struct {
	count int64
	sum   [3]int64 // over red, green, blue
	index uint8    // of its palette colour
}

func binOf(c color.RGBA) int { return int(c.R)>>3<<10 | int(c.G)>>3<<5 | int(c.B)>>3 }

// value is the bin's mean in one channel.
func (b *bin) value(axis int) float64 { return float64(b.sum[axis]) / float64(b.count) }

// A box is a set of bins, at least one.
type box []*bin

// mean is the box's mean in one channel.
func (b box) mean(axis int) float64 {
	var sum, count int64
	for _, bin := range b {
		sum += bin.sum[axis]
		count += bin.count
	}
	return float64(sum) / float64(count)
}

// flat is a spread too small to cut: it may be all rounding, with no bin on one side of the mean.
const flat = 1e-6

// spread is the sum, over the box's pixels, of squared distances from their bins to the box's mean in one channel.
func (b box) spread(axis int) float64 {
	mean, spread := b.mean(axis), 0.0
	for _, bin := range b {
		d := bin.value(axis) - mean
		spread += d * d * float64(bin.count)
	}
	return spread
}

// cut splits the box at its mean in one channel. Both halves hold something if it is not flat there.
func (b box) cut(axis int) (low, high box) {
	mean := b.mean(axis)
	for _, bin := range b {
		if bin.value(axis) <= mean {
			low = append(low, bin)
		} else {
			high = append(high, bin)
		}
	}
	return low, high
}

func (b box) colour() color.RGBA {
	round := func(axis int) uint8 { return uint8(b.mean(axis) + 0.5) }
	return color.RGBA{round(0), round(1), round(2), 255}
}
