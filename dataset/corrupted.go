package dataset

// CIFAR-10-C and CIFAR-100-C: an array of images for each kind of corruption, fog.npy and so on, in which the test images come five times,
// from the least severe to the most, and labels.npy. Source: Hendrycks and Dietterich, "Benchmarking Neural Network Robustness to Common
// Corruptions and Perturbations", ICLR 2019.

import (
	"fmt"
	"path"
	"regexp"
)

// severities is how often the images come.
const severities = 5

func severityNamed(k int) string { return fmt.Sprintf("severity%d", k+1) }

var corruptions = regexp.MustCompile(`^(brightness|contrast|defocus_blur|elastic_transform|fog|frost|gaussian_(blur|noise)|glass_blur|impulse_noise|` +
	`jpeg_compression|motion_blur|pixelate|saturate|shot_noise|snow|spatter|speckle_noise|zoom_blur)\.npy$`)

// corrupted gives a layout of one array of corrupted images, with its labels beside, the severities for splits.
func corrupted(found *layout, labels map[string]string, headers map[string]numpyHeader) {
	whole, ok := found.splits[""]
	if !ok || len(found.splits) > 1 || len(whole.files) != 1 {
		return
	}
	name := whole.files[0]
	if !corruptions.MatchString(path.Base(name)) || path.Base(labels[name]) != "labels.npy" || headers[name].shape[0]%severities != 0 {
		return
	}
	for k := range severities {
		found.splits[severityNamed(k)] = whole
	}
	found.within = func(set *Set, split string) *Set {
		n := set.Len() / severities
		for k := range severities {
			if split != severityNamed(k) {
				continue
			}
			of := make([]int, n)
			for i := range of {
				of[i] = k*n + i
			}
			return set.Subset(of)
		}
		return set
	}
}
