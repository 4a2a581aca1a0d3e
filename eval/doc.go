// Package eval says how good a model is. Its packages measure one thing each, in one call, whose report has the figures with their
// intervals, pictures or curves, what to beware of, and itself as text and JSON:
//
//   - quality: how near samples are to data, by the features of a network (FID, KID, Inception Score, precision, recall, density, coverage);
//   - likelihood: log Z by annealed importance sampling, and bits per dimension;
//   - chains: whether chains mix, copy training images, cover the classes;
//   - inspection: whether defects are found, and where in a picture;
//   - collapse: whether samples from noise show as much as the replay buffer, while a model learns;
//   - study: ways to train, compared over seeds; the method with parts of it taken out;
//
// with what they stand on:
//
//   - features: networks that describe images: those that come with Joule, and Inception;
//   - statistics: samples against data by statistics of pixels.
//
// How well a model tells in-distribution images from others is the subject of package detect/benchmark.
package eval
