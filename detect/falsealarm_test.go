package detect_test

import (
	"encoding/binary"
	"math"
	"os"
	"slices"
	"testing"

	"github.com/joule-ebm/joule/detect/conformal"
	"github.com/joule-ebm/joule/engine/rng"
	"github.com/joule-ebm/joule/model"
)

// mnist are measurements of the MNIST test images, made by testdata/make_mnist.py.
func mnist(t *testing.T) []model.Measurement {
	t.Helper()
	data, err := os.ReadFile("testdata/mnist-test.f32")
	if err != nil {
		t.Fatal(err)
	}
	var images []model.Measurement
	for ; len(data) > 0; data = data[8:] {
		number := func(at int) float64 { return float64(math.Float32frombits(binary.LittleEndian.Uint32(data[at:]))) }
		images = append(images, model.Measurement{Energy: number(0), Scales: []float64{number(0)}, Norm: number(4)})
	}
	if len(images) != 10_000 {
		t.Fatalf("%d images", len(images))
	}
	return images
}

// The experiment of docs/detection.md: calibrate with some of the images and count false alarms among the others, for 20 random
// splits. Given the number m of fresh images and n of calibration scores, k = ⌊rate (n+1)⌋, the number of false alarms is Binomial(m, F)
// with F from Beta(k, n+1-k): beta-binomial. (-v prints the table.)
func TestFalseAlarmRate(t *testing.T) {
	const splits, calibrating = 20, 2000
	images := mnist(t)
	for _, name := range []string{"energy", "typicality", "gradient-norm", "combined", "typical-set"} {
		for _, rate := range []float64{0.001, 0.01, 0.05} {
			least, most, sum, inside := 1.0, 0.0, 0.0, 0
			var low, high int
			for split := range splits {
				images := shuffled(images, uint64(split))
				d := named(t, name, 1, mustCalibrate(t, images[:calibrating]))
				fresh := images[calibrating:]
				alarms := 0
				for _, m := range fresh {
					if d.Distribution.P(d.Score(m)) <= rate {
						alarms++
					}
				}
				low, high = interval(len(fresh), d.Distribution, rate, 0.95)
				if low <= alarms && alarms <= high {
					inside++
				}
				share := float64(alarms) / float64(len(fresh))
				least, most, sum = min(least, share), max(most, share), sum+share
			}
			m := float64(len(images) - calibrating)
			t.Logf("%-10s asked for %4.1f%%: %.3f%% on average, %.3f%% to %.3f%%; %d of %d splits in the 95%% interval, %.3f%% to %.3f%%", name,
				100*rate, 100*sum/splits, 100*least, 100*most, inside, splits, 100*float64(low)/m, 100*float64(high)/m)
			if inside < 15 { // for independent splits, once in 3,000 times
				t.Errorf("%s at %v: %d of %d splits are in the interval", name, rate, inside, splits)
			}
			if mean := sum / splits; math.Abs(mean-rate) > 3*math.Sqrt(rate*(1-rate)*(1/m+1.0/calibrating)/splits)+1.0/calibrating/4 {
				t.Errorf("%s: false-alarm rate %v on average, asked for %v", name, mean, rate)
			}
		}
	}
}

// shuffled is a copy of the images in another order.
func shuffled(images []model.Measurement, seed uint64) []model.Measurement {
	images, s := slices.Clone(images), rng.New(seed, 99)
	for i := len(images) - 1; i > 0; i-- {
		j := s.IntN(i + 1)
		images[i], images[j] = images[j], images[i]
	}
	return images
}

// interval is where the number of false alarms among m fresh images lies with the given confidence.
func interval(m int, d *conformal.Distribution, rate, confidence float64) (low, high int) {
	n := len(d.Scores())
	k := int(rate*float64(n+1) + 1e-9)
	logBeta := func(a, b float64) float64 {
		x, _ := math.Lgamma(a)
		y, _ := math.Lgamma(b)
		z, _ := math.Lgamma(a + b)
		return x + y - z
	}
	below, low := 0.0, -1
	for j := range m + 1 {
		choose := -math.Log(float64(m+1)) - logBeta(float64(j+1), float64(m-j+1))
		below += math.Exp(choose + logBeta(float64(j+k), float64(m-j+n+1-k)) - logBeta(float64(k), float64(n+1-k)))
		if low < 0 && below > (1-confidence)/2 {
			low = j
		}
		if below >= (1+confidence)/2 {
			return low, j
		}
	}
	return low, m
}
