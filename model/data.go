package model

// This file divides a data set into the images that a model is trained on and those held out, which training uses for nothing.

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/joule-ebm/joule/dataset"
	"github.com/joule-ebm/joule/internal/durable"
)

// Split holds out images of the data: as many as the configuration says, but at most a tenth. Equal seeds hold out the same ones.
func (c *Config) Split(set *dataset.Set) (training, heldOut *dataset.Set, err error) {
	training, heldOut, err = set.Split(max(1, min(c.HeldOut, set.Len()/10)), c.Seed)
	if err != nil {
		err = fmt.Errorf("data set %s: %w", c.Data, err)
	}
	return training, heldOut, err
}

// DataOptions say how the images are labelled and which are left out, to open them, or others of the same source, as training did.
func (c *Config) DataOptions() (options []dataset.Option, err error) {
	if c.Attribute != "" {
		options = append(options, dataset.WithLabel(c.Attribute))
	}
	if c.Exclude != "" {
		combinations, err := dataset.ParseCombinations(c.Exclude)
		if err != nil {
			return nil, fmt.Errorf("setting exclude: %w", err)
		}
		options = append(options, dataset.WithoutCombinations(combinations))
	}
	return options, nil
}

// Source is where the data are. A relative path that leads nowhere from here is looked for beside the run and above it, as most runs lie
// in the folder that they were started in, or below it.
func (c *Config) Source() dataset.Reference {
	ref := dataset.ParseReference(c.Data)
	if c.Dir == "" {
		return ref
	}
	return ref.Beside(c.Dir)
}

// ErrDataChanged says that the data of a model are not what they were when it was trained: which images were held out is not known any more.
var ErrDataChanged = errors.New("these are not the images that the model was trained on")

// OpenData opens the images that the model was trained on, and those held out of training; of a model of tiles, these are tiles. It wraps
// [ErrDataChanged] if the data have other images by now, as far as the model knows what it was trained on.
func (c *Config) OpenData(ctx context.Context) (training, heldOut *dataset.Set, err error) {
	if training, heldOut, err = c.OpenPictures(ctx); err != nil {
		return nil, nil, err
	}
	return c.Divide(training, heldOut)
}

// FingerprintOf is that of a set of the images, and of what else of them a model of this configuration learns. What is composed has learnt what
// its first part has.
func (c *Config) FingerprintOf(set *dataset.Set) dataset.Fingerprint {
	if c.Composition != nil {
		if lead, err := c.Composition.leader(); err == nil {
			return lead.Config.FingerprintOf(set)
		}
	}
	numbers := slices.Clone(c.Network.Numbers)
	if c.Network.Conditional && len(numbers) == 0 {
		numbers = []string{dataset.ByClass}
	}
	return set.Fingerprint(numbers...)
}

// OpenPictures is OpenData, but for tiles: it opens the pictures that they are of.
func (c *Config) OpenPictures(ctx context.Context) (training, heldOut *dataset.Set, err error) {
	options, err := c.DataOptions()
	if err != nil {
		return nil, nil, err
	}
	set, err := dataset.Open(ctx, c.Source().String(), c.PictureSize(), options...)
	if err != nil {
		return nil, nil, err
	}
	if c.Fingerprint != nil && c.FingerprintOf(set) != *c.Fingerprint {
		return nil, nil, fmt.Errorf("%s: %w (%s), so that what was held out of training is not known: restore them, or name other images", c.Data,
			ErrDataChanged, Changes(c.Dir, *c.Fingerprint, set.Inventory()))
	}
	return c.Split(set)
}

// Changes says in a few words how images differ from those that the run in dir began with, which had the fingerprint then: which came and
// which went, if the run has kept a list of its images.
func Changes(dir string, then dataset.Fingerprint, now dataset.Inventory) string {
	numbers, unlisted := fmt.Sprintf("%d images now, %d then", len(now.Sums), then.Images), ""
	if len(now.Sums) == then.Images {
		numbers, unlisted = fmt.Sprintf("%d images now as then", then.Images), ", with other pixels or labels"
	}
	file, err := os.Open(filepath.Join(dir, ImagesFile))
	if dir == "" || errors.Is(err, fs.ErrNotExist) {
		return numbers + unlisted
	}
	var was dataset.Inventory
	if err == nil {
		defer file.Close()
		was, err = dataset.ReadInventory(file, then.Images)
	}
	if err != nil {
		return fmt.Sprintf("%s%s; which is not known: %v", numbers, unlisted, durable.Cause(err))
	}
	return numbers + ": " + now.Since(was)
}

// Seen counts the images of a set that the model was trained on, as far as these can be had: 0 if they cannot.
func (c *Config) Seen(ctx context.Context, set *dataset.Set) (int, error) {
	training, heldOut, err := c.OpenPictures(ctx)
	if err == nil && set.Size() != training.Size() {
		training, _, err = c.Divide(training, heldOut)
	}
	if err != nil {
		return 0, ctx.Err()
	}
	return set.Shared(training), nil
}

// TrainedOn says whether a reference is to the images of training: to the same source, and the same split of it, as far as names tell.
func (c *Config) TrainedOn(ref string) bool {
	ours, theirs := c.Source().OrSplit(dataset.Train), dataset.ParseReference(ref).OrSplit(dataset.Train)
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
