// Package drift watches a stream of scores for a change: whether new images are still like the calibration images. It needs constant
// memory however long the stream, and no idea of what might change.
package drift

// This file is the detector. Two steps make of any stream of scores a test that may be looked at after every image.
//
// Uniform ranks. The n calibration scores cut the line into n+1 cells. While the stream is exchangeable with the calibration images,
// whatever their distribution, the cells that the scores fall into are a Pólya urn: cell j is next with the probability
//
//	(1 + c_j)/(n + 1 + t),     c_j of the t scores so far having fallen into it.
//
// So the rank of a score among all before it, spread at random over its cell,
//
//	u_t = (Σ over cells above j of (1 + c) + U (1 + c_j))/(n + 1 + t),     U uniform in (0,1),
//
// is uniform in (0,1) and independent of all earlier ones, exactly: a smoothed conformal p-value whose calibration set grows. (The
// p-values against the calibration images alone are not independent: on a long stream even a good calibration set looks wrong by its
// own chance, and a test of their uniformity raises an alarm without drift.) Small u are images of high score. More than 1024 cells are
// taken together in groups of neighbours, which changes nothing in the above. Ties are broken at random: by a number that each calibration
// score has for good, and each other score gets, as if it were a further digit of the score.
//
// A bet against uniformity. A density f on (0,1) is a fair bet: E f(u_t) = 1 while u_t is uniform. With several, f_k, the statistic of
// Shiryaev and Roberts
//
//	R_t = mean over k of R_{k,t},     R_{k,t} = (1 + R_{k,t-1}) f_k(u_t)
//
// grows exponentially after a change that favours one of the bets, while R_t - t is a martingale before: at the first t with R_t ≥ c
// an alarm is raised, and without drift that takes at least c images on average, E t ≥ c.
//
// Sources: Vovk, Gammerman, Shafer, "Algorithmic Learning in a Random World", 2005, chapter 8; Volkhonskiy, Burnaev, Nouretdinov,
// Gammerman, Vovk, "Inductive Conformal Martingales for Change-Point Detection", 2017; Shin, Ramdas, Rinaldo, "E-detectors: A
// Nonparametric Framework for Sequential Change Detection", 2023.

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"sort"

	"github.com/joule-ebm/joule/detect/conformal"
	"github.com/joule-ebm/joule/engine/rng"
)

// Window is the number of the latest ranks that a Kolmogorov-Smirnov test is made of.
const Window = 500

// mostGroups bounds the groups of cells, and so the memory.
const mostGroups = 1024

// bets are the densities f(u) ∝ u^(a-1) (1-u)^(b-1).
var bets = []struct{ a, b float64 }{
	{0.5, 1}, {0.8, 1}, // scores become higher: much, a little
	{1, 0.5}, {1, 0.8}, // scores become lower
	{0.6, 0.6}, // more at both ends
	{1.6, 1.6}, // more in the middle
}

// Detector watches one stream. It is for one goroutine at a time.
type Detector struct {
	calibration *conformal.Distribution
	ties        []float64 // what breaks ties of the calibration scores, ascending among such as are alike
	every       float64
	s           State
}

// State is all that a detector remembers. It survives JSON unchanged.
type State struct {
	Images int64     `json:"images"` // seen so far
	Counts []int64   `json:"counts"` // of them in each group of cells, the highest scores first
	Bets   []Bet     `json:"bets"`
	Latest []float64 `json:"latest"` // ranks, a ring: that of image i at i mod Window

	Alarm int64 `json:"alarm"` // the image, from 1, that raised the alarm; 0: none has
	Since int64 `json:"since"` // about where the change was
}

// Bet is how one density fares.
type Bet struct {
	Sum   float64 `json:"sum"`   // R
	Best  float64 `json:"best"`  // the largest product of f(u) over the images from some image to now
	Start int64   `json:"start"` // that image
}

// New starts watching. Without drift there is an alarm once in so many images on average, or more rarely.
func New(calibration *conformal.Distribution, every float64) (*Detector, error) {
	if !(every > 1 && every <= 1e15) {
		return nil, fmt.Errorf("drift: an alarm every %v images: want more than 1", every)
	}
	groups := min(len(calibration.Scores())+1, mostGroups)
	random := rng.New(0, streamTies)
	return &Detector{calibration, tieBreakers(calibration.Scores(), &random), every, State{Counts: make([]int64, groups), Bets: make([]Bet, len(bets))}}, nil
}

// tieBreakers are uniform in (0,1), one for each of the scores in order.
func tieBreakers(scores []float64, random *rng.Stream) []float64 {
	ties := make([]float64, len(scores))
	for first, i := 0, 0; i < len(scores); i++ {
		ties[i] = uniform(random)
		if i+1 == len(scores) || scores[i+1] != scores[i] {
			slices.Sort(ties[first : i+1])
			first = i + 1
		}
	}
	return ties
}

// uniform is a random number in (0,1).
func uniform(random *rng.Stream) float64 { return (float64(random.Uint32()) + 0.5) / (1 << 32) }

// State is what the detector remembers. It must not be changed.
func (d *Detector) State() State { return d.s }

// Restore goes on from a state of a detector with the same calibration.
func (d *Detector) Restore(s State) error {
	if len(s.Counts) != len(d.s.Counts) || len(s.Bets) != len(bets) || len(s.Latest) != int(min(s.Images, Window)) {
		return errors.New("drift: the state is of another calibration")
	}
	d.s = State{s.Images, slices.Clone(s.Counts), slices.Clone(s.Bets), slices.Clone(s.Latest), s.Alarm, s.Since}
	return nil
}

// Add takes the next score of the stream, high for images that are out of distribution, and returns its rank u. Scores may be added after
// an alarm, which stays.
func (d *Detector) Add(score float64) (u float64) {
	s := &d.s
	random := rng.New(0, streamDrift, uint64(s.Images))
	u = d.rank(score, uniform(&random), uniform(&random))
	s.Images++
	if len(s.Latest) < Window {
		s.Latest = append(s.Latest, u)
	} else {
		s.Latest[(s.Images-1)%Window] = u
	}
	if s.Alarm != 0 {
		return u
	}
	best := 0
	for k := range s.Bets {
		b, f := &s.Bets[k], density(bets[k].a, bets[k].b, u)
		b.Sum = (1 + b.Sum) * f
		if b.Best <= 1 {
			b.Best, b.Start = 1, s.Images
		}
		b.Best *= f
		if b.Best > s.Bets[best].Best {
			best = k
		}
	}
	if d.Statistic() >= d.every {
		s.Alarm, s.Since = s.Images, s.Bets[best].Start
	}
	return u
}

// The random streams: of what breaks the ties of calibration scores, and of what breaks those of a score and spreads its rank over its cell.
const (
	streamTies  = 0x74696573   // "ties"
	streamDrift = 0x6472696674 // "drift"
)

// rank is u of a score, which is then counted. tie and within are uniform in (0,1).
func (d *Detector) rank(score, tie, within float64) float64 {
	scores := d.calibration.Scores()
	cell := len(scores) - sort.Search(len(scores), func(i int) bool { // 0 is above all calibration scores
		return scores[i] > score || scores[i] == score && d.ties[i] > tie
	})
	groups, cells := len(d.s.Counts), len(scores)+1
	first := func(group int) int { return (group*cells + groups - 1) / groups }
	group := cell * groups / cells

	above := float64(first(group))
	for _, c := range d.s.Counts[:group] {
		above += float64(c)
	}
	weight := float64(first(group+1)-first(group)) + float64(d.s.Counts[group])
	u := (above + within*weight) / (float64(cells) + float64(d.s.Images))
	d.s.Counts[group]++
	return u
}

// density is that of Beta(a, b).
func density(a, b, u float64) float64 {
	logA, _ := math.Lgamma(a)
	logB, _ := math.Lgamma(b)
	logAB, _ := math.Lgamma(a + b)
	return math.Exp(logAB - logA - logB + (a-1)*math.Log(u) + (b-1)*math.Log1p(-u))
}

// Statistic is R: it reaches the number of images that New was given when the alarm is raised.
func (d *Detector) Statistic() float64 {
	mean := 0.0
	for _, b := range d.s.Bets {
		mean += b.Sum / float64(len(d.s.Bets))
	}
	return mean
}
