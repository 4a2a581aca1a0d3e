// Package chains looks at Markov chains after the fact: how much independent evidence they hold and whether they agree (trace.go),
// whether their ends repeat the training images (neighbours.go), and which classes they show (coverage.go).
package chains
