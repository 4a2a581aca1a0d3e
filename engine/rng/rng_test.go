package rng

import (
	"math"
	"slices"
	"strconv"
	"testing"
)

// The published answers for philox4x32 with 10 rounds: the file kat_vectors of
// the Random123 library, by the authors of the paper.
func TestPhiloxKnownAnswers(t *testing.T) {
	for _, v := range []struct {
		ctr  [4]uint32
		key  [2]uint32
		want [4]uint32
	}{
		{[4]uint32{0, 0, 0, 0}, [2]uint32{0, 0},
			[4]uint32{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
		{[4]uint32{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, [2]uint32{0xffffffff, 0xffffffff},
			[4]uint32{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
		{[4]uint32{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, [2]uint32{0xa4093822, 0x299f31d0},
			[4]uint32{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
	} {
		var got [4]uint32
		got[0], got[1], got[2], got[3] = philox(v.ctr[0], v.ctr[1], v.ctr[2], v.ctr[3], v.key[0], v.key[1])
		if got != v.want {
			t.Errorf("philox(%x, %x) = %x, want %x", v.ctr, v.key, got, v.want)
		}
	}
}

// quantileOf is the exact |z| of a word, in float64.
func quantileOf(w uint32) float64 {
	return math.Sqrt2 * math.Erfinv(1-float64(w<<1|1)/(1<<32))
}

func TestNormalIsTheQuantile(t *testing.T) {
	check := func(w uint32) {
		want := quantileOf(w)
		got := normal(w &^ (1 << 31))
		if err := math.Abs(float64(got) - want); err > want*2.0/(1<<23) {
			t.Fatalf("word %#x: normal %v, quantile %v: relative error %.2g", w, got, want, err/want)
		}
		if normal(w|1<<31) != -got {
			t.Fatalf("word %#x: not symmetric", w)
		}
	}
	for w := uint32(0); w < 1<<31; w += 1999 {
		check(w)
	}
	// Tail and centre, and both sides of every power of two.
	for w := range uint32(1 << 14) {
		check(w)
		check(1<<31 - 1 - w)
	}
	for e := range 31 {
		for d := range uint32(64) {
			check((1<<e + d) &^ (1 << 31))
			check((1<<e - 1 - d) &^ (1 << 31))
		}
	}
}

// The first words of a few streams: a change here would change every seeded run.
func TestStreamsAreStable(t *testing.T) {
	for _, v := range []struct {
		s       Stream
		words   [5]uint32
		normals [5]float32
	}{
		{New(0),
			[5]uint32{0xf03c34fd, 0x19133dfd, 0xd3b7f896, 0x6cf873f9, 0xc0e24674},
			[5]float32{-0.15497965, 1.293322, -0.44814044, 0.18741892, -0.663664}},
		{New(1, 2, 3),
			[5]uint32{0x783c380f, 0x85b46a70, 0xd3134bc8, 0x162e402f, 0xc31fb20b},
			[5]float32{0.076102264, -2.0087056, -0.4551152, 1.3617194, -0.6365703}},
		{New(1<<63+5, 1<<40),
			[5]uint32{0x8bb31267, 0xd3c58b8e, 0x84d31331, 0xf251fc3a, 0x4d78efba},
			[5]float32{-1.6880462, -0.44756648, -2.078194, -0.13434851, 0.516861}},
	} {
		u, n := v.s, v.s
		for i := range v.words {
			if got := u.Uint32(); got != v.words[i] {
				t.Errorf("word %d of %v: %#x, want %#x", i, v.s, got, v.words[i])
			}
			if got := n.Normal(); got != v.normals[i] {
				t.Errorf("normal %d of %v: %v, want %v", i, v.s, got, v.normals[i])
			}
		}
	}
}

func TestNamesAreDistinct(t *testing.T) {
	seen := map[uint64][]uint64{}
	add := func(seed uint64, path ...uint64) {
		s := New(seed, path...)
		w := s.Uint64()
		name := append([]uint64{seed}, path...)
		if other, ok := seen[w]; ok {
			t.Errorf("streams %v and %v begin alike", name, other)
		}
		seen[w] = name
	}
	for i := range uint64(30) {
		add(i)
		add((i + 1) << 32)
		for j := range uint64(30) {
			add(i, j)
			add(i, (j+1)<<32|1)
			for k := range uint64(10) {
				add(i, j, k)
			}
		}
	}
}

func TestFillMatchesSingleDraws(t *testing.T) {
	for skip := range 9 {
		for n := range 14 {
			a := New(7, uint64(skip))
			for range skip {
				a.Uint32()
			}
			b, c := a, a
			normals, uniforms := make([]float32, n), make([]float32, n)
			a.FillNormal(normals)
			c.FillUniform(uniforms)
			d := b
			for i := range n {
				if want := b.Normal(); normals[i] != want {
					t.Fatalf("skip %d, n %d: FillNormal[%d] = %v, Normal %v", skip, n, i, normals[i], want)
				}
				if want := d.Float32(); uniforms[i] != want {
					t.Fatalf("skip %d, n %d: FillUniform[%d] = %v, Float32 %v", skip, n, i, uniforms[i], want)
				}
			}
			if after, want := a.Uint32(), b.Uint32(); after != want {
				t.Fatalf("skip %d, n %d: next word %#x, want %#x", skip, n, after, want)
			}
		}
	}
}

// sigmas is how far a sample mean lies from its expectation, in standard errors.
func sigmas(mean, want, variance float64, n int) float64 {
	return math.Abs(mean-want) / math.Sqrt(variance/float64(n))
}

func TestNormalMoments(t *testing.T) {
	const n = 1 << 20
	s := New(3)
	x := make([]float32, n)
	s.FillNormal(x)
	var m [9]float64
	var beyond [5]float64
	for _, v := range x {
		p := 1.0
		for k := range m {
			m[k] += p / n
			p *= float64(v)
		}
		for k := range beyond {
			if math.Abs(float64(v)) > float64(k) {
				beyond[k] += 1.0 / n
			}
		}
	}
	moment := [9]float64{1, 0, 1, 0, 3, 0, 15, 0, 105} // E z^k
	for k := 1; k <= 4; k++ {
		if d := sigmas(m[k], moment[k], moment[2*k]-moment[k]*moment[k], n); d > 4 {
			t.Errorf("moment %d is %v, want %v (%.1f standard errors)", k, m[k], moment[k], d)
		}
	}
	for k := 1; k < len(beyond); k++ {
		p := math.Erfc(float64(k) / math.Sqrt2)
		if d := sigmas(beyond[k], p, p*(1-p), n); d > 4 {
			t.Errorf("P(|z| > %d) is %v, want %v (%.1f standard errors)", k, beyond[k], p, d)
		}
	}
}

// kolmogorovSmirnov returns √n times the greatest distance between the empirical
// distribution of x and the distribution function; above 1.95 once in a thousand.
func kolmogorovSmirnov(x []float32, cdf func(float64) float64) float64 {
	x = slices.Sorted(slices.Values(x))
	n := float64(len(x))
	var d float64
	for i, v := range x {
		f := cdf(float64(v))
		d = max(d, float64(i+1)/n-f, f-float64(i)/n)
	}
	return d * math.Sqrt(n)
}

func TestDistributions(t *testing.T) {
	x := make([]float32, 100_000)
	for path := range uint64(4) {
		s := New(11, path)
		s.FillNormal(x)
		if d := kolmogorovSmirnov(x, func(z float64) float64 { return math.Erfc(-z/math.Sqrt2) / 2 }); d > 1.95 {
			t.Errorf("path %d: normal: Kolmogorov-Smirnov %.2f", path, d)
		}
		s.FillUniform(x)
		if d := kolmogorovSmirnov(x, func(u float64) float64 { return u }); d > 1.95 {
			t.Errorf("path %d: uniform: Kolmogorov-Smirnov %.2f", path, d)
		}
		if lo, hi := slices.Min(x), slices.Max(x); lo < 0 || hi >= 1 {
			t.Errorf("path %d: uniform in [%v,%v]", path, lo, hi)
		}
	}
}

// Neighbours in a path, and neighbours in a stream, must not be correlated,
// neither their values nor their squares.
func TestNeighboursAreIndependent(t *testing.T) {
	const n = 1 << 17
	a, b := make([]float32, n), make([]float32, n)
	correlation := func(a, b []float32) (values, squares float64) {
		for i := range a {
			x, y := float64(a[i]), float64(b[i])
			values += x * y
			squares += (x*x - 1) * (y*y - 1) / 2
		}
		scale := 1 / math.Sqrt(float64(len(a)))
		return values * scale, squares * scale // both N(0,1) when independent
	}
	check := func(what string, a, b []float32) {
		if v, s := correlation(a, b); math.Abs(v) > 4 || math.Abs(s) > 4 {
			t.Errorf("%s: correlation of values %.1f, of squares %.1f standard errors", what, v, s)
		}
	}
	for _, pair := range [][2]Stream{
		{New(0), New(1)},
		{New(5, 0), New(5, 1)},
		{New(5, 1, 0), New(5, 1, 1)},
		{New(5, 1, 2), New(5, 2, 1)},
		{New(5), New(5, 0)},
		{New(5, 1), New(5, 1<<32)},
	} {
		pair[0].FillNormal(a)
		pair[1].FillNormal(b)
		check("paths", a, b)
	}
	for lag := 1; lag <= 5; lag++ {
		check("lags", a[lag:], a[:n-lag])
	}
	// Across streams: the first number of each of many siblings.
	for i := range a {
		s := New(9, uint64(i))
		a[i] = s.Normal()
	}
	check("first numbers of siblings", a[1:], a[:n-1])
	if d := kolmogorovSmirnov(a, func(z float64) float64 { return math.Erfc(-z/math.Sqrt2) / 2 }); d > 1.95 {
		t.Errorf("first numbers of siblings: Kolmogorov-Smirnov %.2f", d)
	}
}

func TestIntN(t *testing.T) {
	s := New(13)
	for _, n := range []int{1, 2, 3, 7, 10, 100} {
		const draws = 200_000
		count := make([]int, n)
		for range draws {
			count[s.IntN(n)]++
		}
		// Chi-squared with n-1 degrees of freedom.
		var chi2 float64
		want := float64(draws) / float64(n)
		for _, c := range count {
			chi2 += (float64(c) - want) * (float64(c) - want) / want
		}
		if df := float64(n - 1); chi2 > df+4*math.Sqrt(2*df)+8 {
			t.Errorf("n = %d: chi-squared %.1f", n, chi2)
		}
	}
	// Where plain scaling of a word favours some results by half: of 3·2^30
	// values, those divisible by 3 would come twice as often as the others.
	if n := int64(3 << 30); strconv.IntSize == 64 {
		big := int(n)
		third := 0
		const draws = 60_000
		for range draws {
			if s.IntN(big)%3 == 0 {
				third++
			}
		}
		if d := sigmas(float64(third)/draws, 1.0/3, 2.0/9, draws); d > 4 {
			t.Errorf("n = 3<<30: a third of the values came %d times of %d", third, draws)
		}
		// Beyond 32 bits.
		var sum float64
		for range draws {
			v := s.IntN(big << 20)
			if v < 0 || v >= big<<20 {
				t.Fatalf("IntN(%d) = %d", big<<20, v)
			}
			sum += float64(v) / float64(big<<20)
		}
		if d := sigmas(sum/draws, 0.5, 1.0/12, draws); d > 4 {
			t.Errorf("n = 3<<50: mean %v of n", sum/draws)
		}
	}
	for _, n := range []int{0, -1, math.MinInt} {
		if v := s.IntN(n); v != 0 {
			t.Errorf("IntN(%d) = %d", n, v)
		}
	}
}

var sink float32

func BenchmarkFillNormal(b *testing.B) {
	s := New(1)
	x := make([]float32, 4096)
	b.SetBytes(int64(4 * len(x)))
	for b.Loop() {
		s.FillNormal(x)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(x)), "ns/value")
}

func BenchmarkFillUniform(b *testing.B) {
	s := New(1)
	x := make([]float32, 4096)
	for b.Loop() {
		s.FillUniform(x)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(x)), "ns/value")
}

func BenchmarkNormal(b *testing.B) {
	s := New(1)
	for b.Loop() {
		sink = s.Normal()
	}
}

func BenchmarkNew(b *testing.B) {
	for b.Loop() {
		s := New(1, 2, 3)
		sink = s.Float32()
	}
}
