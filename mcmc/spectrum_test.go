package mcmc

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/joule-ebm/joule/engine/rng"
	"github.com/joule-ebm/joule/expr"
)

// clouds are images of three channels that have more in the red, green that follows it, and little in the blue, smooth or not.
func clouds(n int, image expr.Shape, smooth bool) []uint8 {
	h, w := image[0], image[1]
	pixels := make([]uint8, 0, n*image.Size())
	stream := rng.New(7)
	for range n {
		phase, fine := 2*math.Pi*float64(stream.Float32()), 0.0
		for p := range h * w {
			if !smooth {
				fine = float64(stream.Float32()) - 0.5
			}
			red := 0.25*math.Sin(2*math.Pi*float64(p%w)/float64(w)+phase) + 0.2*fine
			for _, v := range []float64{0.5 + red, 0.4 + red/2, 0.3 + 0.1*(float64(stream.Float32())-0.5)} {
				pixels = append(pixels, uint8(256*v))
			}
		}
	}
	return pixels
}

// Noise with the spectrum of images has, measured as they are, their mean and their spectrum.
func TestSpectrumNoise(t *testing.T) {
	for name, image := range map[string]expr.Shape{"square": {16, 16, 3}, "oblong, odd": {9, 14, 3}} {
		t.Run(name, func(t *testing.T) {
			of, err := SpectrumOf(clouds(400, image, false), image)
			if err != nil {
				t.Fatal(err)
			}
			if err := of.Check(image); err != nil {
				t.Fatal(err)
			}
			x := make([]float32, 2000*image.Size())
			of.FillNoise(x, image, 1, 0)
			pixels := make([]uint8, len(x))
			for i, v := range x {
				if !(v >= 0 && v <= 1) {
					t.Fatalf("an intensity of %v", v)
				}
				pixels[i] = quantise(v)
			}
			got, err := SpectrumOf(pixels, image)
			if err != nil {
				t.Fatal(err)
			}
			for k, v := range of.Mean {
				if math.Abs(got.Mean[k]-v) > 0.01 {
					t.Errorf("mean %v of channel %d, want %v", got.Mean[k], k, v)
				}
			}
			for r, root := range of.Roots {
				for k, v := range root {
					if math.Abs(got.Roots[r][k]-v) > 0.08*math.Abs(v)+0.02 {
						t.Errorf("frequency %d: %v, want %v", r, got.Roots[r], root)
						break
					}
				}
			}
		})
	}
}

// A chain's noise is its own, whatever is drawn with it.
func TestSpectrumNoiseOfAChain(t *testing.T) {
	image := expr.Shape{8, 8, 3}
	of, err := SpectrumOf(clouds(20, image, true), image)
	if err != nil {
		t.Fatal(err)
	}
	together, alone := make([]float32, 3*image.Size()), make([]float32, image.Size())
	of.FillNoise(together, image, 5, 10)
	of.FillNoise(alone, image, 5, 12)
	for i, v := range alone {
		if together[2*image.Size()+i] != v {
			t.Fatal("the noise of a chain depends on the others")
		}
	}
}

// What a file says is no spectrum of images of another shape, nor without its numbers.
func TestSpectrumCheck(t *testing.T) {
	image := expr.Shape{8, 8, 3}
	grey, err := SpectrumOf(make([]uint8, 2*image.Size()), image) // no contrast at all
	if err != nil {
		t.Fatal(err)
	}
	if err := grey.Check(image); err != nil {
		t.Error(err)
	}
	if err := grey.Check(expr.Shape{8, 8, 1}); err == nil {
		t.Error("a spectrum of colours for grey images is accepted")
	}
	if err := grey.Check(expr.Shape{16, 16, 3}); err == nil {
		t.Error("a spectrum of smaller images is accepted")
	}
	grey.Roots[1] = grey.Roots[1][:2]
	if err := grey.Check(image); err == nil {
		t.Error("a spectrum without all of its numbers is accepted")
	}
	if err := json.Unmarshal([]byte(`{"mean":[1e9,0,0],"roots":[]}`), grey); err != nil || grey.Check(image) == nil {
		t.Error("a mean of 1e9 is accepted")
	}
	if _, err := SpectrumOf(make([]uint8, 5), image); err == nil {
		t.Error("five elements are taken for images")
	}
}
