// Package examples holds programs of a page each, which show how the library is used:
//
//   - own-energy: a Go function becomes a model that is trained, killed and resumed like those built in;
//   - own-images: a folder of pictures becomes a model, and the model draws new ones;
//   - score: p-values of pictures, and decisions at a false-alarm rate;
//   - sample: images out of a model;
//   - rendered: the data sets objects and parts, drawn without a file, with all that is known of them;
//   - stream: pictures as they arrive, with an alarm when they drift.
package examples
