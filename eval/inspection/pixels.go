package inspection

// This file measures score maps. All pixels of all pictures are put in order of their scores, from high to low; at each score, with every
// pixel at or above it called faulty, FPR is the fraction of the good pixels that are called so, TPR that of the faulty ones, and PRO the
// mean over the faulty regions, connected components of the masks, of the fraction of each that is. Then
//
//	pixel AUROC = ∫ TPR dFPR,     AUPRO = 1/f ∫ PRO dFPR  from FPR 0 to the limit f,
//
// by trapezoids over distinct scores. A large defect counts for as many pixels as it has in the first, and for one region in the second.
//
// Sources: Bergmann, Fauser, Sattlegger, Steger, "Uninformed Students", CVPR 2020 (PRO), and their evaluation code for MVTec AD. The
// figures are those of anomalib's AUPRO and torchmetrics' BinaryAUROC on the same arrays: see testdata.

import (
	"math"
	"slices"

	"github.com/joule-ebm/joule/detect/scoremap"
)

// FPRLimit is the customary limit of AUPRO.
const FPRLimit = 0.3

// pixels are those of pictures, to be put in order.
type pixels struct {
	// A pixel is a number: its score, such that a higher score is a lower number, above the index of its segment.
	keys     []uint64
	segments []segment
}

// segment is a part of a picture: its good pixels, or a faulty region.
type segment struct {
	picture int
	faulty  bool
	size    int // pixels
}

// add adds the pixels of a picture: its score map, and its mask, nil if it is good.
func (p *pixels) add(picture int, m *scoremap.Map, mask []uint8) {
	first := len(p.segments)
	p.segments = append(p.segments, segment{picture: picture})
	var labels []int32
	if mask != nil {
		var n int
		labels, n = scoremap.Components(mask, m.Height, m.Width)
		for range n {
			p.segments = append(p.segments, segment{picture: picture, faulty: true})
		}
	}
	p.keys = slices.Grow(p.keys, len(m.Values))
	for i, v := range m.Values {
		at := first
		if labels != nil {
			at += int(labels[i])
		}
		p.segments[at].size++
		p.keys = append(p.keys, uint64(^ascending(v))<<32|uint64(at))
	}
}

// ascending orders float32 values as unsigned numbers.
func ascending(v float32) uint32 {
	bits := math.Float32bits(v + 0) // -0 is 0
	if bits>>31 != 0 {
		return ^bits
	}
	return bits | 1<<31
}

func (p *pixels) sort() { slices.Sort(p.keys) }

// bins divide the FPR of a group of pictures for resampling: one of 0, half below the limit, half from there. Curves are steep at first, where
// trapezoids between few bins would lie well below them: below the limit bins are the narrower the lower the FPR.
const (
	half = 128
	bins = 1 + 2*half
)

func binOf(fpr, limit float64) int {
	switch {
	case fpr == 0:
		return 0
	case fpr < limit || limit >= 1:
		return 1 + min(int(math.Sqrt(fpr/limit)*half), half-1)
	}
	return 1 + half + min(int((fpr-limit)/(1-limit)*half), half-1)
}

// histogram is what a picture adds to each bin.
type histogram struct {
	good, faulty [bins]float64 // pixels
	regions      [bins]float64 // Σ over its regions of the fraction of each
	n            int           // regions
}

// areas are the figures of the pictures that are in, which must have good and faulty pixels (NaN if not), and the histograms of each for
// other weights. Keys must be in order.
func (p *pixels) areas(in []bool, limit float64) (auroc, aupro float64, of map[int]*histogram) {
	var good, faulty, regions float64
	of = map[int]*histogram{}
	for _, s := range p.segments {
		if !in[s.picture] {
			continue
		}
		if of[s.picture] == nil {
			of[s.picture] = &histogram{}
		}
		if s.faulty {
			faulty += float64(s.size)
			regions++
			of[s.picture].n++
		} else {
			good += float64(s.size)
		}
	}
	if good == 0 || faulty == 0 {
		return math.NaN(), math.NaN(), nil
	}
	at := make([]*histogram, len(p.segments)) // nil of pictures that are not in
	for i, s := range p.segments {
		at[i] = of[s.picture]
	}
	var curve curve
	var fp, tp, pro float64
	for i := 0; i < len(p.keys); {
		first, score := i, p.keys[i]>>32
		for ; i < len(p.keys) && p.keys[i]>>32 == score; i++ {
			if at[uint32(p.keys[i])] != nil && !p.segments[uint32(p.keys[i])].faulty {
				fp++
			}
		}
		bin := binOf(fp/good, limit)
		for _, key := range p.keys[first:i] {
			h, s := at[uint32(key)], &p.segments[uint32(key)]
			switch {
			case h == nil:
			case s.faulty:
				tp++
				pro += 1 / float64(s.size)
				h.faulty[bin]++
				h.regions[bin] += 1 / float64(s.size)
			default:
				h.good[bin]++
			}
		}
		curve.to(fp/good, tp/faulty, pro/regions, limit)
	}
	return curve.auroc, curve.aupro / limit, of
}

// curve adds up the areas below TPR and PRO as FPR grows.
type curve struct{ fpr, tpr, pro, auroc, aupro float64 }

func (c *curve) to(fpr, tpr, pro, limit float64) {
	c.auroc += (fpr - c.fpr) * (tpr + c.tpr) / 2
	if c.fpr < limit && fpr > c.fpr {
		end, at := fpr, pro
		if end > limit {
			end, at = limit, c.pro+(pro-c.pro)*(limit-c.fpr)/(fpr-c.fpr)
		}
		c.aupro += (end - c.fpr) * (at + c.pro) / 2
	}
	c.fpr, c.tpr, c.pro = fpr, tpr, pro
}

// areasOf are the figures of histograms, each picture counted so many times.
func areasOf(of map[int]*histogram, pictures []int, times []int, limit float64) (auroc, aupro float64) {
	var good, faulty, regions [bins]float64
	var allGood, allFaulty, allRegions float64
	for i, p := range pictures {
		h := of[p]
		if times[i] == 0 || h == nil {
			continue
		}
		t := float64(times[i])
		for b, n := range h.good {
			good[b] += t * n
		}
		if h.n == 0 {
			continue
		}
		allRegions += t * float64(h.n)
		for b := range bins {
			faulty[b] += t * h.faulty[b]
			regions[b] += t * h.regions[b]
		}
	}
	for b := range bins {
		allGood += good[b]
		allFaulty += faulty[b]
	}
	if allGood == 0 || allFaulty == 0 {
		return math.NaN(), math.NaN()
	}
	var c curve
	var fp, tp, pro float64
	for b := range bins {
		fp, tp, pro = fp+good[b], tp+faulty[b], pro+regions[b]
		c.to(fp/allGood, tp/allFaulty, pro/allRegions, limit)
	}
	return c.auroc, c.aupro / limit
}
