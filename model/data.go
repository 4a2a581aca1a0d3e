package model

// This file divides a data set into the images that a model is trained on and those held out, which training uses for nothing.

import (
	"context"
	"fmt"
	"os"

	"github.com/joule-ebm/joule/dataset"
)

// Split holds out images of the data: as many as the configuration says, but at most a tenth. Equal seeds hold out the same ones.
func (c *Config) Split(set *dataset.Set) (training, heldOut *dataset.Set, err error) {
	training, heldOut, err = set.Split(max(1, min(c.HeldOut, set.Len()/10)), c.Seed)
	if err != nil {
		err = fmt.Errorf("data set %s: %w", c.Data, err)
	}
	return training, heldOut, err
}

// OpenData opens the images that the model was trained on, and those held out of training.
func (c *Config) OpenData(ctx context.Context) (training, heldOut *dataset.Set, err error) {
	set, err := dataset.Open(ctx, c.Data, c.ImageSize())
	if err != nil {
		return nil, nil, err
	}
	return c.Split(set)
}

// TrainedOn says whether a reference is to the images of training: to the same source, and the same split of it, as far as names tell.
func (c *Config) TrainedOn(ref string) bool {
	ours, theirs := dataset.ParseReference(c.Data).OrSplit(dataset.Train), dataset.ParseReference(ref).OrSplit(dataset.Train)
	if ours.Split != theirs.Split {
		return false
	}
	if ours.Name == theirs.Name {
		return true
	}
	a, errA := os.Stat(ours.Name)
	b, errB := os.Stat(theirs.Name)
	return errA == nil && errB == nil && os.SameFile(a, b)
}

// HeldOutName says of images that they were held out of a data set.
func HeldOutName(data string) string { return data + ", held out of training" }
