package cd

// This file notices when training has gone wrong.

import (
	"errors"
	"fmt"
	"math"
)

// ErrDiverged says that training has gone wrong: what it has learnt since it was last well should be given up.
var ErrDiverged = errors.New("training diverged")

// collapsedShare is the share of the data's diversity below which chains count as collapsed.
const collapsedShare = 0.01

// Healthy returns an error that wraps [ErrDiverged] if the numbers of an iteration are no longer those of a training that learns:
// not numbers, energies far from zero, or chains that all end in the same picture.
func (m Metrics) Healthy() error {
	for _, q := range []struct {
		name  string
		value float64
	}{{"the loss", m.Loss}, {"the energy of the data", m.EnergyPos}, {"the energy of the samples", m.EnergyNeg}, {"the gradient's norm", m.GradNorm}} {
		if math.IsNaN(q.value) || math.IsInf(q.value, 0) {
			return fmt.Errorf("%w: %s is %v", ErrDiverged, q.name, q.value)
		}
	}
	switch {
	case math.Abs(m.EnergyPos) > PaperEnergyLimit:
		return fmt.Errorf("%w: the mean energy of the data is %.3g, beyond ±%d", ErrDiverged, m.EnergyPos, PaperEnergyLimit)
	case math.Abs(m.EnergyNeg) > PaperEnergyLimit:
		return fmt.Errorf("%w: the mean energy of the samples is %.3g, beyond ±%d", ErrDiverged, m.EnergyNeg, PaperEnergyLimit)
	case m.Diversity < collapsedShare*m.DataDiversity:
		return fmt.Errorf("%w: all samples look alike (a pixel varies by %.2g between them, by %.2g in the data)", ErrDiverged, m.Diversity, m.DataDiversity)
	}
	return nil
}

func meanAndDeviation(v []float32) (mean, deviation float64) {
	for _, x := range v {
		mean += float64(x) / float64(len(v))
	}
	for _, x := range v {
		deviation += (float64(x) - mean) * (float64(x) - mean) / float64(len(v))
	}
	return mean, math.Sqrt(deviation)
}

// rootMeanSquareDisplacement is that of a pixel from a to b.
func rootMeanSquareDisplacement(a, b []float32) float64 {
	sum := 0.0
	for i, x := range a {
		d := float64(x - b[i])
		sum += d * d
	}
	return math.Sqrt(sum / float64(max(len(a), 1)))
}

// diversity is the standard deviation over n images of a pixel's value, averaged over the pixels. A single image has none to lose.
func diversity(images []float32, n int) float64 {
	if n < 2 {
		return 0
	}
	size, total := len(images)/n, 0.0
	for p := range size {
		sum, squares := 0.0, 0.0
		for i := range n {
			x := float64(images[i*size+p])
			sum += x
			squares += x * x
		}
		mean := sum / float64(n)
		total += math.Sqrt(math.Max(0, squares/float64(n)-mean*mean))
	}
	return total / float64(size)
}
