package main

// Samples of a model are no renders: they have more noise or less, are soft where renders are sharp, and some show nothing that is an
// object. So the reader learns from disturbed pictures too, and from some that have no object as the data set has them.

import (
	"github.com/joule-ebm/joule/dataset/objects"
	"github.com/joule-ebm/joule/engine/rng"
	"github.com/joule-ebm/joule/eval/features/scenes"
)

const (
	seed   = 0x726561646572 // of the scenes to learn from: "reader"
	others = seed + 1       // of scenes that are mixed into those
	side   = scenes.Side
)

// disturb changes a picture and says whether it still shows its object: half of all pictures stay as they are, and in one of eight
// there is no object any more.
func (l learner) disturb(pixels []uint8, number uint64) (object bool) {
	s := rng.New(seed, number)
	switch kind := s.IntN(16); {
	case kind < 8:
		return true
	case kind < 14:
		soften(pixels, 0.7*s.Float32())
		addNoise(pixels, 25*s.Float32()*s.Float32(), &s)
		return true
	}
	switch s.IntN(6) {
	case 0: // a bare floor: the object is far outside the picture
		bare(number).Draw(pixels, side)
	case 1: // two scenes at once
		share := 0.35 + 0.3*s.Float32()
		second := make([]uint8, len(pixels))
		objects.At(others, number).Draw(second, side)
		for i := range pixels {
			pixels[i] = uint8(float32(pixels[i])*share + float32(second[i])*(1-share))
		}
	case 2: // pieces of it, anywhere
		piece := 4 << s.IntN(2)
		whole := append([]uint8(nil), pixels...)
		across := side / piece
		order := make([]int, across*across)
		for i := range order { // Fisher and Yates
			k := s.IntN(i + 1)
			order[i], order[k] = order[k], i
		}
		for to, from := range order {
			for y := range piece {
				row := func(tile int) int { return ((tile/across*piece+y)*side + tile%across*piece) * 3 }
				copy(pixels[row(to):][:3*piece], whole[row(from):])
			}
		}
	case 3: // a small part of it, large
		zoom, left, top := 3+3*s.Float32(), s.Float32(), s.Float32()
		whole := append([]uint8(nil), pixels...)
		for i := range pixels {
			from := func(at int, start float32) int { return int(start*side*(1-1/zoom) + float32(at)/zoom) }
			pixels[i] = whole[(from(i/(3*side), top)*side+from(i/3%side, left))*3+i%3]
		}
	case 4: // something else: a digit of one colour on another
		var ink, paper [3]float32
		for c := range ink {
			ink[c], paper[c] = 255*s.Float32(), 255*s.Float32()
		}
		for i, u := range l.digits.Image(s.IntN(l.digits.Len())) {
			for c := range ink {
				pixels[3*i+c] = uint8(paper[c] + (ink[c]-paper[c])*float32(u)/255)
			}
		}
	case 5: // noise, coarse or fine, of any strength
		bare(number).Draw(pixels, side)
		addNoise(pixels, 120*s.Float32(), &s)
		for range s.IntN(4) {
			soften(pixels, 1)
		}
	}
	return false
}

func bare(number uint64) objects.Scene {
	scene := objects.At(others, number)
	scene.Numbers[objects.X] = -9
	return scene
}

// soften mixes in the means over 3×3 pixels by a share.
func soften(pixels []uint8, share float32) {
	sharp := append([]uint8(nil), pixels...)
	for i := range pixels {
		row, column, channel := i/(3*side), i/3%side, i%3
		sum, n := 0, 0
		for y := max(row-1, 0); y <= min(row+1, side-1); y++ {
			for x := max(column-1, 0); x <= min(column+1, side-1); x++ {
				sum, n = sum+int(sharp[(y*side+x)*3+channel]), n+1
			}
		}
		pixels[i] = uint8(float32(sharp[i])*(1-share) + float32(sum)/float32(n)*share + 0.5)
	}
}

func addNoise(pixels []uint8, sigma float32, s *rng.Stream) {
	for i, u := range pixels {
		pixels[i] = uint8(max(0, min(255, float32(u)+sigma*s.Normal()+0.5)))
	}
}
