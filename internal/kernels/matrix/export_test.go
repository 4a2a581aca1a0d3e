package matrix

// Split and Round are what units do with numbers, for the tests.
func (u *Unit) Split(hi, lo []uint16, x []float32) { u.split(hi, lo, x) }
