// Package eval says how good a model is. Its packages measure one thing each:
//
//   - quality: how near samples are to data, by the features of a network (FID, KID, Inception Score, precision, recall, density, coverage);
//   - features: those networks: a classifier of digits, and Inception;
//   - statistics: the same by statistics of pixels;
//   - likelihood: log Z by annealed importance sampling, and bits per dimension;
//   - chains: whether chains mix, copy training images, cover the classes;
//   - ablation: the method with parts of it taken out.
//
// How well a model tells in-distribution images from others is the subject of package detect/benchmark.
package eval
