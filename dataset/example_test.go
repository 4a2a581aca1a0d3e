package dataset_test

import (
	"context"
	"fmt"
	"log"

	"github.com/joule-ebm/joule/dataset"
	"github.com/joule-ebm/joule/engine/rng"
)

func ExampleOpen() {
	set, err := dataset.Open(context.Background(), "mnist:test", dataset.Size{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(set.Len(), "images of", set.Size())

	// The fourth batch of 32 of a training run with seed 1, dequantised.
	x := make([]float32, 32*set.Size().Len())
	for i := range 32 {
		n := uint64(3*32 + i)
		noise := rng.New(1, n)
		image := set.Image(set.At(1, n))
		dataset.Dequantise(x[i*len(image):(i+1)*len(image)], image, &noise)
	}
	// Output: 10000 images of 28x28x1
}

func ExampleImages() {
	n := 0
	for img, err := range dataset.Images(context.Background(), "fashion-mnist", dataset.Size{Height: 32, Width: 32}) {
		if err != nil {
			log.Fatal(err)
		}
		if n == 0 {
			fmt.Println(img.Name, img.Size, img.Resized)
		}
		n++
	}
	fmt.Println(n, "images")
	// Output:
	// fashion-mnist[0] 32x32x1 true
	// 10000 images
}
