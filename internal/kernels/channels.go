// Reductions over pixels, channel by channel: sums, dot products, moments. Channels lie innermost, so a vector register
// sums whole channels and nothing crosses lanes. Two things are common to every instruction set and live here:
//
//   - a few channels are read as many: C = 8 and 80 pixels are the same numbers as C = 64 and 10 pixels, whose 64 sums are
//     then folded to 8. It keeps several full vectors busy;
//   - the assembly sums pixels in runs, and adds the runs' sums: rounding errors grow with the run, not with the image.

package kernels

const (
	foldWidth = 64  // channels that keep the widest registers busy: four vectors of sixteen
	foldLimit = 192 // folded channels, at most
	runPixels = 512 // pixels summed before their sum is added to the total
)

// instructions names the instruction set of the inner loops below: a value rather than a function, because the scratch
// sums would be moved to the heap if they were passed to a function the compiler does not know.
type instructions int

const (
	plainGo instructions = iota
	withAVX2
	withAVX512
)

// folded returns the number of pixels to read as one, 1 where that gains nothing: 8 for 8 channels, which makes 64; 16 for 12, which makes
// 192, three times 64.
func folded(channels, pixels int) int {
	if channels <= 0 || channels >= foldWidth {
		return 1
	}
	a, b := foldWidth, channels
	for b != 0 {
		a, b = b, a%b
	}
	times := foldWidth / a // the fewest pixels that fill whole vectors
	if times*channels > foldLimit || pixels < 2*times {
		return 1
	}
	return times
}

func (set instructions) channelSum(acc, x []float32) {
	set.reduce(acc, x, x, nil, sums)
}

func (set instructions) channelDot(acc, x, y []float32) {
	set.reduce(acc, x, y[:len(x)], nil, products)
}

func (set instructions) moments(mean, variance, x []float32) {
	channels := len(mean)
	variance = variance[:channels]
	if channels == 0 {
		return
	}
	scale := 1 / float32(len(x)/channels)
	clear(mean)
	set.reduce(mean, x, x, nil, sums)
	for c := range mean {
		mean[c] *= scale
	}
	clear(variance)
	set.reduce(variance, x, x, mean, squares)
	for c := range variance {
		variance[c] *= scale
	}
}

// quantity is what columns adds up.
type quantity int

const (
	sums     quantity = iota // x
	products                 // x*y
	squares                  // (x-mean)^2
)

// reduce adds to acc[c] the sum over pixels of a quantity of channel c. Few channels are read as many, as far as that goes; what is left is
// added as it is.
func (set instructions) reduce(acc, x, y, mean []float32, what quantity) {
	channels := len(acc)
	if channels == 0 {
		return
	}
	if times := folded(channels, len(x)/channels); times > 1 {
		width := times * channels
		whole := len(x) / width * width
		if width == foldWidth && mean == nil { // the common case, without memory to clear that is not needed
			var wide [foldWidth]float32
			set.reduceRuns(wide[:], x[:whole], y[:whole], nil, what)
			fold(acc, wide[:])
		} else {
			var wide, means [foldLimit]float32
			for at := 0; mean != nil && at < width; at += channels {
				copy(means[at:], mean)
			}
			set.reduceRuns(wide[:width], x[:whole], y[:whole], means[:width], what)
			fold(acc, wide[:width])
		}
		x, y = x[whole:], y[whole:]
	}
	set.reduceRuns(acc, x, y, mean, what)
}

// fold adds up what was read as more channels than there are.
func fold(acc, wide []float32) {
	for at := 0; at < len(wide); at += len(acc) {
		portableAdd(acc, acc, wide[at:])
	}
}

// reduceRuns is reduce, one run of pixels after the other.
func (set instructions) reduceRuns(acc, x, y, mean []float32, what quantity) {
	for len(x) > 0 {
		n := min(len(x), runPixels*len(acc))
		set.columns(acc, x[:n], y[:n], mean, what)
		x, y = x[n:], y[n:]
	}
}

func portableNormSums(dst, a, b, x, scale, shift, sum, dot []float32, pixels int) {
	channels := len(sum)
	for p := range pixels {
		from := p * channels
		for c := range channels {
			product := a[from+c] * b[from+c]
			dst[from+c] = product
			sum[c] += product
			dot[c] += product * (x[from+c]*scale[c] + shift[c])
		}
	}
}

func portableNormSwish(value, x, scale, shift []float32) {
	for ; len(value) > 0; value, x = value[len(scale):], x[len(scale):] {
		pixel := value[:len(scale)]
		portableMulAdd(pixel, x, scale, shift)
		portableSwish(pixel, pixel, 0)
	}
}

func portableNormSwishPair(value, slope, x, scale, shift []float32) {
	n := len(scale)
	for ; len(value) > 0; value, slope, x = value[n:], slope[n:], x[n:] {
		pixel := value[:n]
		portableMulAdd(pixel, x, scale, shift)
		portableSwishPair(pixel, slope, pixel)
	}
}

func portableNormGrad(dst, a, x, factor, scale, shift []float32) {
	n := len(scale)
	for ; len(dst) > 0; dst, a, x = dst[n:], a[n:], x[n:] {
		for c := range n {
			other := x[c]*scale[c] + shift[c]
			dst[c] = a[c]*factor[c] + other
		}
	}
}

func portableColumns(acc, x, y, mean []float32, what quantity) {
	for n := len(acc); len(x) >= n; {
		px, py := x[:n], y[:n]
		switch what {
		case sums:
			for c := range acc {
				acc[c] += px[c]
			}
		case products:
			for c := range acc {
				acc[c] += px[c] * py[c]
			}
		case squares:
			mean := mean[:n]
			for c := range acc {
				d := px[c] - mean[c]
				acc[c] += d * d
			}
		}
		x, y = x[n:], y[n:]
	}
}
