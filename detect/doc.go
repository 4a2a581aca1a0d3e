// Package detect tells out-of-distribution images from in-distribution ones, those like the images that an energy was trained on.
//
// A detector makes one number of what an energy says of an image, its score: high where the image is out of distribution. The energy
// itself is one; [Kinds] lists all. A number means nothing until it is known what in-distribution images score: a calibration
// ([Calibrate]) measures some that the model was not trained on, and is kept in the model's file. From then on a [Judge] gives each image
// a p-value, and decides with a guarantee that assumes nothing about the model:
//
//	m, err := model.Open("runs/mnist")
//	judge, err := detect.NewJudge(&cpu.Engine{}, m, detect.Default, detect.Rule{FalseAlarms: 0.01})
//	judgements, err := judge.Images(ctx, pixels, model.AnyLabel)
//	for _, j := range judgements {
//		fmt.Println(j.Energy, *j.P, *j.OutOfDistribution)
//	}
//
// Of in-distribution images taken in the same way as the calibration images, such as come from the same camera, at most one in a
// hundred is called out of distribution, on average. [Rule] has the other ways to decide, [Discover] decides about many images at once,
// and [Judge.Batches] goes through any number of images.
//
// Beneath it: package conformal has the p-values and their guarantees, drift notices that a stream of scores changes, stream judges
// images as they arrive and goes on after a kill, explain shows where in an image the energy is high, and benchmark measures how well
// a detector tells outliers from in-distribution images. docs/detection.md tells all of it with examples.
package detect
