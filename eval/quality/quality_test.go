package quality

import (
	"context"
	"encoding/json"
	"math"
	"os"
	"strings"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/joule-ebm/joule/engine/rng"
	"github.com/joule-ebm/joule/eval/features"
)

// recorded are the figures that testdata/make_quality.py had from Python packages.
type recorded struct {
	Cases []struct {
		Name                                 string
		Key                                  uint64
		Samples, Data, Dim, Neighbours       int
		Shift                                float64
		FID, KID                             float64
		Precision, Recall, Density, Coverage float64
	}
	Scores []struct {
		Name               string
		Key                uint64
		N, Classes, Splits int
		Sharp              float64
		Mean, Std          float64
	}
}

func record(t *testing.T) (r recorded) {
	t.Helper()
	file, err := os.ReadFile("testdata/quality.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(file, &r); err != nil {
		t.Fatal(err)
	}
	if len(r.Cases) < 6 || len(r.Scores) < 3 {
		t.Fatalf("%d cases and %d scores", len(r.Cases), len(r.Scores))
	}
	return r
}

// uniform is the i-th number of a stream as make_quality.py makes it: splitmix64 of a counter, 10 bits.
func uniform(key uint64, i int) float64 {
	z := key<<32 + uint64(i) + 0x9E3779B97F4A7C15
	z = (z ^ z>>30) * 0xBF58476D1CE4E5B9
	z = (z ^ z>>27) * 0x94D049BB133111EB
	return float64((z^z>>31)>>54) / 1024
}

// hashed are correlated features, as make_quality.py's.
func hashed(key uint64, n, dim int, shift float64) Features {
	f := Features{Dim: dim}
	at := func(i, j int) float64 {
		u := uniform(key, i*dim+j)
		if j == 0 {
			u = math.RoundToEven(u*16) / 4
		}
		return u
	}
	for i := range n {
		for j := range dim {
			f.Values = append(f.Values, float32(at(i, j)+2*at(i, (j+1)%dim)+shift))
		}
	}
	return f
}

// gaussian are independent normal features, with a common shift.
func gaussian(n, dim int, shift float32, path ...uint64) Features {
	f := Features{dim, make([]float32, n*dim)}
	s := rng.New(1, path...)
	s.FillNormal(f.Values)
	for i := range f.Values {
		f.Values[i] += shift
	}
	return f
}

func near(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tolerance*math.Max(1, math.Abs(want))) {
		t.Errorf("%s: %.12g, want %.12g", what, got, want)
	}
}

func TestAgreesWithPython(t *testing.T) {
	ctx := context.Background()
	for _, c := range record(t).Cases {
		t.Run(c.Name, func(t *testing.T) {
			x, y := hashed(c.Key, c.Samples, c.Dim, c.Shift), hashed(c.Key+1, c.Data, c.Dim, 0)
			fid, err := MeasureFID(x, y)
			if err != nil {
				t.Fatal(err)
			}
			near(t, "FID by pytorch-fid", fid.Value, c.FID, 1e-6)
			few := min(c.Samples, c.Data)
			kid, err := MeasureKID(ctx, x.first(few), y.first(few), 1)
			if err != nil {
				t.Fatal(err)
			}
			near(t, "KID by torchmetrics", kid.Value, c.KID, 1e-9)
			m, err := MeasureManifold(ctx, x, y, c.Neighbours)
			if err != nil {
				t.Fatal(err)
			}
			near(t, "precision by prdc", m.Precision.Value, c.Precision, 1e-12)
			near(t, "recall by prdc", m.Recall.Value, c.Recall, 1e-12)
			near(t, "density by prdc", m.Density.Value, c.Density, 1e-12)
			near(t, "coverage by prdc", m.Coverage.Value, c.Coverage, 1e-12)
		})
	}
}

func TestInceptionScoreAgreesWithPython(t *testing.T) {
	for _, c := range record(t).Scores {
		var p []float32
		for i := range c.N {
			row, sum := make([]float64, c.Classes), 0.0
			for k := range row {
				row[k] = math.Pow(uniform(c.Key, i*c.Classes+k)*1024+1, c.Sharp)
				sum += row[k]
			}
			for _, v := range row {
				p = append(p, float32(v/sum))
			}
		}
		s, err := MeasureInceptionScore(p, c.Classes, c.Splits)
		if err != nil {
			t.Fatal(err)
		}
		near(t, c.Name+": mean by torchmetrics", s.Mean, c.Mean, 1e-6)
		near(t, c.Name+": deviation by torchmetrics", s.Std, c.Std, 1e-6)
	}
}

// tr (S₁S₂)^½ against the root of S₁^½ S₂ S₁^½ by eigenvectors, and where it is known.
func TestTraceRoot(t *testing.T) {
	symmetric := func(rank int, path uint64) *mat.SymDense {
		f := gaussian(rank+1, 9, 0, path)
		m := NewMoments(9)
		m.Add(f)
		return m.Covariance()
	}
	root := func(s *mat.SymDense) *mat.Dense {
		var e mat.EigenSym
		if !e.Factorize(s, true) {
			t.Fatal("no eigenvalues")
		}
		var v, scaled, r mat.Dense
		e.VectorsTo(&v)
		values := e.Values(nil)
		for i, x := range values {
			values[i] = math.Sqrt(max(x, 0))
		}
		scaled.Mul(&v, mat.NewDiagDense(9, values))
		r.Mul(&scaled, v.T())
		return &r
	}
	for ranks, pair := range map[[2]int][2]*mat.SymDense{
		{9, 9}: {symmetric(9, 1), symmetric(9, 2)}, {9, 3}: {symmetric(9, 3), symmetric(3, 4)}, {2, 5}: {symmetric(2, 5), symmetric(5, 6)},
	} {
		got, err := traceRoot(pair[0], pair[1])
		if err != nil {
			t.Fatal(err)
		}
		a := root(pair[0])
		var left, inner mat.Dense
		left.Mul(a, pair[1])
		inner.Mul(&left, a)
		s := mat.NewSymDense(9, nil)
		for i := range 9 {
			for j := range i + 1 {
				s.SetSym(i, j, (inner.At(i, j)+inner.At(j, i))/2)
			}
		}
		near(t, "ranks", got, mat.Trace(root(s)), 1e-7)
		self, err := traceRoot(pair[1], pair[1])
		if err != nil {
			t.Fatal(err)
		}
		near(t, "of a square", self, mat.Trace(pair[1]), 1e-12)
		if zero, err := traceRoot(pair[0], mat.NewSymDense(9, nil)); err != nil || zero != 0 {
			t.Errorf("ranks %v: of a product with 0: %v, %v", ranks, zero, err)
		}
	}
}

// Batches of any size give the same moments, and a large mean costs no digits.
func TestMoments(t *testing.T) {
	f := gaussian(1500, 5, 1000, 1)
	whole, parts := NewMoments(5), NewMoments(5)
	whole.Add(f)
	for first, n := 0, 1; first < f.Len(); first, n = first+n, 2*n {
		parts.Add(Features{5, f.Values[first*5 : min(f.Len(), first+n)*5]})
	}
	if whole.Len() != 1500 || parts.Len() != 1500 {
		t.Fatalf("%d and %d vectors", whole.Len(), parts.Len())
	}
	for i := range 5 {
		mean := 0.0
		for r := range f.Len() {
			mean += float64(f.row(r)[i]) / 1500
		}
		near(t, "mean", whole.Mean()[i], mean, 1e-12)
		near(t, "mean of parts", parts.Mean()[i], mean, 1e-12)
		for j := range 5 {
			near(t, "covariance of parts", parts.Covariance().At(i, j), whole.Covariance().At(i, j), 1e-11)
		}
		variance := 0.0
		for r := range f.Len() {
			variance += math.Pow(float64(f.row(r)[i])-mean, 2) / 1499
		}
		near(t, "variance", whole.Covariance().At(i, i), variance, 1e-11)
	}
}

// Between Gaussians FID is known: the extrapolated interval holds it about as often as it says, and extrapolation takes most of the bias away.
func TestFIDInterval(t *testing.T) {
	const dim, n, repeats = 6, 400, 40
	within, bias, extrapolated := 0, 0.0, 0.0
	truth := dim * 0.25 // (½)² a feature
	for r := range repeats {
		f, err := MeasureFID(gaussian(n, dim, 0.5, 1, uint64(r)), gaussian(n, dim, 0, 2, uint64(r)))
		if err != nil {
			t.Fatal(err)
		}
		bias += (f.Value - truth) / repeats
		extrapolated += (f.Extrapolated.Value - truth) / repeats
		if i := f.Extrapolated.Interval; i.Low <= truth && truth <= i.High {
			within++
		}
	}
	if within < 33 {
		t.Errorf("the interval holds the value in %d of %d cases; want about 38", within, repeats)
	}
	if math.Abs(extrapolated) > 0.04 || extrapolated >= bias || bias <= 0 {
		t.Errorf("bias %v, of the extrapolated value %v", bias, extrapolated)
	}
	// Alike: all of the distance is bias.
	f, err := MeasureFID(gaussian(n, dim, 0, 3), gaussian(n, dim, 0, 4))
	if err != nil {
		t.Fatal(err)
	}
	if f.Value < 0.01 || math.Abs(f.Extrapolated.Value) > f.Value/2 {
		t.Errorf("alike: FID %v, extrapolated %v", f.Value, f.Extrapolated.Value)
	}
}

// KID is unbiased: its mean over repetitions is 0 for images alike, and its jackknife error is the spread of repetitions.
func TestKIDIsUnbiased(t *testing.T) {
	ctx := context.Background()
	const dim, repeats = 4, 60
	for _, shift := range []float32{0, 0.5} {
		var values []float64
		mean, spread, said := 0.0, 0.0, 0.0
		for r := range repeats {
			x, y := gaussian(100, dim, shift, 1, uint64(r)), gaussian(130, dim, 0, 2, uint64(r))
			v, variance, _, err := work{ctx: ctx}.mmd(x, y, make([]membership, 100), make([]membership, 130), 2)
			if err != nil {
				t.Fatal(err)
			}
			values, mean, said = append(values, v), mean+v/repeats, said+math.Sqrt(variance)/repeats
		}
		for _, v := range values {
			spread += (v - mean) * (v - mean) / (repeats - 1)
		}
		spread = math.Sqrt(spread)
		if shift == 0 && math.Abs(mean) > 3*spread/math.Sqrt(repeats) {
			t.Errorf("alike: mean %v over repetitions of spread %v", mean, spread)
		}
		if shift != 0 && mean < 5*spread/math.Sqrt(repeats) {
			t.Errorf("apart: mean %v over repetitions of spread %v", mean, spread)
		}
		if said < 0.75*spread || said > 1.6*spread {
			t.Errorf("shift %v: standard error said %v, spread of repetitions %v", shift, said, spread)
		}
	}
}

// MMD² of unequal numbers, straight from the definition.
func TestMMD(t *testing.T) {
	x, y := gaussian(7, 3, 0.5, 1), gaussian(11, 3, 0, 2)
	kernel := func(a, b []float32) float64 {
		sum := 0.0
		for i := range a {
			sum += float64(a[i]) * float64(b[i])
		}
		return math.Pow(sum/3+1, 3)
	}
	mean := func(a, b Features, same bool) float64 {
		sum, n := 0.0, 0.0
		for i := range a.Len() {
			for j := range b.Len() {
				if !same || i != j {
					sum, n = sum+kernel(a.row(i), b.row(j)), n+1
				}
			}
		}
		return sum / n
	}
	estimate := func(x, y Features) float64 { return mean(x, x, true) + mean(y, y, true) - 2*mean(x, y, false) }
	inX, inY := subsetsOf(7, 5, 1, 0), subsetsOf(11, 5, 1, 1)
	got, variance, subsets, err := work{ctx: context.Background()}.mmd(x, y, inX, inY, 5)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "MMD²", got, estimate(x, y), 1e-12)
	drop := func(f Features, i int) Features {
		return Features{3, append(append([]float32(nil), f.Values[:3*i]...), f.Values[3*i+3:]...)}
	}
	var withoutX, withoutY []float64
	for i := range x.Len() {
		withoutX = append(withoutX, estimate(drop(x, i), y))
	}
	for i := range y.Len() {
		withoutY = append(withoutY, estimate(x, drop(y, i)))
	}
	_, vx := jackknife(withoutX)
	_, vy := jackknife(withoutY)
	near(t, "variance", variance, vx+vy, 1e-10)

	different := map[float64]bool{}
	for s, v := range subsets {
		pick := func(f Features, in []membership) (out Features) {
			out.Dim = f.Dim
			for i := range in {
				if in[i][s/64]>>(s%64)&1 == 1 {
					out.Values = append(out.Values, f.row(i)...)
				}
			}
			return out
		}
		a, b := pick(x, inX), pick(y, inY)
		if a.Len() != 5 || b.Len() != 5 {
			t.Fatalf("subset %d has %d and %d images", s, a.Len(), b.Len())
		}
		near(t, "MMD² of a subset", v, estimate(a, b), 1e-12)
		different[v] = true
	}
	if len(subsets) != kidSubsets || len(different) < kidSubsets*9/10 {
		t.Errorf("%d subsets, %d different", len(subsets), len(different))
	}
}

// network only has a name and sizes.
type network struct {
	features.Network
	name         string
	dim, classes int
}

func (n network) Name() string { return n.name }
func (n network) Dim() int     { return n.dim }
func (n network) Classes() int { return n.classes }

func described(f Features, classes int) features.Description {
	d := features.Description{Features: f.Values}
	for range f.Len() * classes {
		d.Probabilities = append(d.Probabilities, 1/float32(classes))
	}
	return d
}

func TestMeasure(t *testing.T) {
	net := network{name: "digits", dim: 4, classes: 2}
	s, d := described(gaussian(120, 4, 0, 1), 2), described(gaussian(150, 4, 0, 2), 2)
	last, calls := int64(0), 0
	r, err := Measure(context.Background(), net, s, d, 1, func(done, all int64) {
		if done < last || done > all {
			t.Errorf("%d of %d done after %d", done, all, last)
		}
		last, calls = done, calls+1
	})
	if err != nil {
		t.Fatal(err)
	}
	if r.Samples != 120 || r.Data != 150 || r.Manifold.Images != 120 || r.KID.SubsetSize != 60 || r.FID.Extrapolated == nil {
		t.Errorf("report %+v", r)
	}
	if calls < 6 {
		t.Errorf("progress was told of %d times", calls)
	}
	near(t, "the score of a classifier that knows nothing", r.InceptionScore.Mean, 1, 1e-6)
	again, err := Measure(context.Background(), net, s, d, 1, nil)
	if err != nil || *again.FID.Extrapolated.Interval != *r.FID.Extrapolated.Interval || again.KID.SubsetMean != r.KID.SubsetMean {
		t.Errorf("the same again: %+v, %v", again, err)
	}

	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Measure(cancelled, net, s, d, 1, nil); err == nil {
		t.Error("a cancelled comparison is completed")
	}
}

func TestWarnings(t *testing.T) {
	for _, c := range []struct {
		network            string
		samples, data, dim int
		words              []string
	}{
		{"inception", 50_000, 10_000, 2048, nil},
		{"inception", 5_000, 50_000, 2048, []string{"customarily"}},
		{"inception", 2_047, 10_000, 2048, []string{"singular"}},
		{"digits", 10_000, 10_000, 64, []string{"no figure compares with Inception's"}},
		{"digits", 1_000, 10_000, 64, []string{"no figure compares", "compare it only with"}},
		{"digits", 60, 10_000, 64, []string{"no figure compares", "singular", "Inception Score"}},
	} {
		got := warnings(c.network, c.samples, c.data, c.dim)
		if len(got) != len(c.words) {
			t.Errorf("%+v: warnings %q", c, got)
			continue
		}
		for i, words := range c.words {
			if !strings.Contains(got[i], words) {
				t.Errorf("%+v: warning %q, want one with %q", c, got[i], words)
			}
		}
	}
}

func TestRefuses(t *testing.T) {
	ctx := context.Background()
	good := gaussian(30, 4, 0, 1)
	broken := Features{4, append([]float32(nil), good.Values...)}
	broken.Values[9] = float32(math.NaN())
	for words, c := range map[string][2]Features{
		"not rows":                        {{4, good.Values[:6]}, good},
		"take both from one network":      {good, gaussian(30, 5, 0, 1)},
		"1 images of data":                {good, good.first(1)},
		"image 2 of the samples is NaN":   {broken, good},
		"0 numbers are not rows":          {good, {}},
		"a feature of image 2 of the dat": {good, broken},
	} {
		_, err1 := MeasureFID(c[0], c[1])
		_, err2 := MeasureKID(ctx, c[0], c[1], 1)
		_, err3 := MeasureManifold(ctx, c[0], c[1], 5)
		for _, err := range []error{err1, err2, err3} {
			if err == nil || !strings.Contains(err.Error(), words) {
				t.Errorf("error %v, want one with %q", err, words)
			}
		}
	}
	if _, err := MeasureManifold(ctx, good, good, 30); err == nil {
		t.Error("30 neighbours among 30 images")
	}
	if _, err := MeasureInceptionScore(nil, 10, 10); err == nil {
		t.Error("a score of nothing")
	}
}
