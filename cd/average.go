package cd

// Average moves the exponential moving average of the parameters, which is the model: a ← d·a + (1-d)·θ.
func Average(average, parameters []float32, decay float64) {
	d := float32(decay)
	for i, p := range parameters {
		average[i] = d*average[i] + (1-d)*p
	}
}
