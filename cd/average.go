package cd

// Average moves the exponential moving average of the parameters, which is the model: a ← d·a + (1-d)·θ.
// It works on so many threads; 0 means one a core.
func Average(average, parameters []float32, decay float64, threads int) {
	d := float32(decay)
	inBlocks(len(parameters), threads, func(_, from, to int) {
		average := average[from:to]
		for i, p := range parameters[from:to] {
			average[i] = d*average[i] + (1-d)*p
		}
	})
}
