package paint

// Value noise: pseudorandom numbers at the points of a square lattice, with smooth interpolation between them. Source: D. S. Ebert et
// al., "Texturing and Modeling", 3rd edition, 2002, chapter 2.

import "math"

// Noise is a smooth random function of the plane with values in [-1, 1] and features of size 1, another for every seed.
func Noise(seed uint64, x, y float64) float64 {
	x, y = float64(x), float64(y) // rounds products that the caller gave
	i, j := math.Floor(x), math.Floor(y)
	u, v := smooth(x-i), smooth(y-j)
	a, b := int64(i), int64(j)
	return Lerp(Lerp(Lattice(seed, a, b), Lattice(seed, a+1, b), u), Lerp(Lattice(seed, a, b+1), Lattice(seed, a+1, b+1), u), v)
}

// Fractal is the sum of octaves of Noise, each at twice the frequency and half the height of the one before, in [-1, 1].
func Fractal(seed uint64, x, y float64, octaves int) float64 {
	sum, height, total := 0.0, 1.0, 0.0
	for k := range uint64(octaves) {
		sum += Mul(height, Noise(seed+k*0x9e3779b97f4a7c15, x, y))
		total += height
		x, y, height = 2*x, 2*y, height/2
	}
	return sum / total
}

// Lattice is a number in [-1, 1) for each point of the lattice: the finaliser of SplitMix64 over seed and place. Source: G. L. Steele,
// D. Lea, C. H. Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
func Lattice(seed uint64, i, j int64) float64 {
	z := seed + uint64(i)*0x9e3779b97f4a7c15 + uint64(j)*0xd1b54a32d192ed03
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	z ^= z >> 31
	return Mul(float64(int64(z)>>11), 1.0/(1<<52))
}
