package likelihood

// This file chooses the temperatures and the step sizes, by a pilot run that is forgotten afterwards: what is chosen while weights
// are being taken would bias them.
//
// With a given number of temperatures the variance of log w is least when they are spaced evenly in
//
//	∫ sd_β(E) dβ,        sd_β(E) the standard deviation of the energy under exp(-βE),
//
// the length of the path in its own metric. Source: Gelman and Meng, "Simulating normalizing constants" (1998), section 4.3. A step
// size is right when about two proposals in three are accepted: Neal, "MCMC using Hamiltonian dynamics" (2011), section 5.4.4.

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sort"

	"gonum.org/v1/gonum/stat"

	"github.com/joule-ebm/joule/engine/rng"
	"github.com/joule-ebm/joule/mcmc"
)

// Ladder is the sequence of distributions from the uniform one to a model: rung k is exp(-Beta[k] E), with leapfrogs of size Step[k], in units of
// intensity. Beta rises from 0.
type Ladder struct {
	Beta []float64 `json:"beta"`
	Step []float64 `json:"step"`
}

func (l Ladder) check() error {
	if len(l.Beta) < 2 || len(l.Step) != len(l.Beta) || l.Beta[0] != 0 {
		return fmt.Errorf("likelihood: a ladder of %d temperatures and %d step sizes: want as many, 2 or more, the first β being 0",
			len(l.Beta), len(l.Step))
	}
	for k := range l.Beta {
		if k > 0 && !(l.Beta[k] > l.Beta[k-1]) || !(l.Step[k] > 0 && l.Step[k] < 1) {
			return fmt.Errorf("likelihood: rung %d has β %v and step size %v: want β to rise, and steps between 0 and 1", k, l.Beta[k], l.Step[k])
		}
	}
	return nil
}

// at is the step size at beta: log ε is interpolated.
func (l Ladder) at(beta float64) float64 {
	k := min(max(sort.SearchFloat64s(l.Beta, beta), 1), len(l.Beta)-1)
	t := (beta - l.Beta[k-1]) / (l.Beta[k] - l.Beta[k-1])
	return math.Exp((1-t)*math.Log(l.Step[k-1]) + t*math.Log(l.Step[k]))
}

const (
	pilotRungs   = 40
	pilotRounds  = 4 // at each rung, each of which corrects the step size
	pilotSteps   = 5 // of a round
	pilotBend    = 4 // of the pilot's own spacing, βₖ ∝ (k/n)⁴: dense where chains leave the uniform distribution
	acceptTarget = 0.65
	shortestStep = 1e-6
	longestStep  = 0.2 // a momentum of 5 is a leap through the whole box
)

// PilotTransitions is the number of transitions of each chain of a pilot run.
const PilotTransitions = (pilotRungs + 1) * pilotRounds * pilotSteps

// The purposes of random streams.
const (
	streamPilot = iota + 1
	streamForward
	streamReverse
	streamBurnIn
	streamResample
	streamBootstrap
	streamDequantise
)

func seedFor(seed, purpose uint64) uint64 {
	s := rng.New(seed, purpose)
	return s.Uint64()
}

// Pilot finds a ladder of n + 1 rungs from β = 0 to beta by a run of the given number of chains.
func (a *Annealer) Pilot(ctx context.Context, beta float64, n, chains int, seed uint64) (Ladder, error) {
	if !(beta > 0 && beta <= 1e9) || n < 1 || chains < 2 {
		return Ladder{}, fmt.Errorf("likelihood: inverse temperature %v, %d temperatures, %d chains: want more than 0, 1 or more, 2 or more",
			beta, n, chains)
	}
	seed = seedFor(seed, streamPilot)
	x := make([]float32, chains*a.image.Size())
	mcmc.FillNoise(x, a.image.Size(), seed, 0)
	pilot, spread, size, made := Ladder{}, []float64{}, longestStep, uint64(0)
	for k := range pilotRungs + 1 {
		b := beta * math.Pow(float64(k)/pilotRungs, pilotBend)
		var w walked
		for range pilotRounds {
			steps := make([]rung, pilotSteps)
			for i := range steps {
				steps[i] = rung{beta: float32(b), step: float32(size)}
			}
			var err error
			if w, err = a.walk(ctx, x, steps, seed, made, nil); err != nil {
				return Ladder{}, err
			}
			made += pilotSteps
			size = min(max(size*math.Exp(2*(w.acceptance-acceptTarget)), shortestStep), longestStep)
		}
		pilot.Beta, pilot.Step = append(pilot.Beta, b), append(pilot.Step, size)
		spread = append(spread, stat.PopStdDev(w.energies, nil))
	}
	return pilot.respace(spread, n)
}

// respace has n + 1 rungs, evenly spaced in ∫ sd dβ; sd is known at the rungs of l, and linear in between.
func (l Ladder) respace(sd []float64, n int) (Ladder, error) {
	length := make([]float64, len(l.Beta))
	for k := 1; k < len(l.Beta); k++ {
		length[k] = length[k-1] + (l.Beta[k]-l.Beta[k-1])*(sd[k]+sd[k-1])/2
	}
	all, last := length[len(length)-1], l.Beta[len(l.Beta)-1]
	if math.IsNaN(all) || math.IsInf(all, 0) {
		return Ladder{}, errors.New("likelihood: the energies of the chains are not numbers: has the model diverged?")
	}
	// A hundredth of the length is spaced evenly in β, so that no gap is wide and a constant energy has a ladder too.
	for k := range length {
		length[k] = 0.99*length[k]/max(all, math.SmallestNonzeroFloat64) + 0.01*l.Beta[k]/last
	}
	all = length[len(length)-1]
	r := Ladder{Beta: make([]float64, n+1), Step: make([]float64, n+1)}
	for i := range r.Beta {
		want := all * float64(i) / float64(n)
		k := min(max(sort.SearchFloat64s(length, want), 1), len(length)-1)
		t := (want - length[k-1]) / (length[k] - length[k-1])
		r.Beta[i] = l.Beta[k-1] + t*(l.Beta[k]-l.Beta[k-1])
		r.Step[i] = l.at(r.Beta[i])
	}
	r.Beta[n] = last
	return r, r.check()
}
