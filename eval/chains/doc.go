// Package chains looks at Markov chains after the fact: how much independent evidence they hold, what their samples cover, and
// whether they repeat the training images.
package chains
