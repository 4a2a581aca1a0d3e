package dataset

// Opening what a reference such as "mnist:test" or "photos.zip" stands for, in one step.

import (
	"context"
	"iter"
)

// Default is the reference to use where none is given.
const Default = "mnist"

// Usage explains references, for a program's help.
const Usage = `A data set is one of
  mnist            MNIST, 60,000 training images, built in (mnist:test: the 10,000 test images), of known
                   digit and slant
  fashion-mnist    10,000 Fashion-MNIST images, built in; a sample, not the official test split
  objects          50,000 rendered scenes of an object, drawn at any size (objects:test: 10,000 others),
                   labelled by shape, or objects:colour, objects:size, objects:position by that
  parts            3,000 rendered workpieces and textures (parts:test: 600 others, all good;
                   parts:defects: 1,200 with a defect); parts:plate, fabric, wood, tile, nut or screw
                   are of one kind, parts:scratch, stain, missing, bend or colour with one defect
or a path to
  a folder         of pictures (PNG, JPEG, GIF, BMP, WebP, TIFF, PNM), one sub-folder a class, or
                   flat; or of files such as those below
  an archive       .zip, .tar, .tar.gz, .tar.bz2, .tar.xz or .tar.zst of any such folder, also a
                   WebDataset shard; ARCHIVE/FOLDER is a folder in it
  a data file      IDX (MNIST's), CIFAR-10/100, STL-10, SVHN's .mat, downsampled ImageNet, NumPy's
                   .npy and .npz, Parquet and Arrow of Hugging Face, Kaggle's tables of digits
                   (.csv)
  a picture
docs/data.md says how each is understood; what is taken and left out is said before it is used.
PATH:train, PATH:test and PATH:val select a split where the source has them, by files or folders
of such names; train is the default. Of folders made to test the detection of defects (MVTec AD,
BTAD, VisA) PATH:defects are the pictures with defects; no other split has any.
A table of names and of what is known of each picture (file,shape,x), as a .csv in the folder or
archive or beside it (photos.csv of photos.zip), or CelebA's list_attr_celeba.txt, gives pictures
attributes and numbers. Where folders are no classes, its column of classes (id,breed) is taken for
them if it can be no other, and a line says so.
Pictures are turned upright, scaled to the size asked for, shorter side first, and cropped at the
centre; transparent parts become white. Write ./mnist for a folder named mnist.`

// Open reads the data set ref stands for (see [Usage]) as images of the wanted size, as [Source.Open] does.
func Open(ctx context.Context, ref string, want Size, opts ...Option) (*Set, error) {
	if err := want.check(); err != nil {
		return nil, err
	}
	src, err := Locate(ctx, ref)
	if err != nil {
		return nil, err
	}
	defer src.Close()
	return src.Open(ctx, want, opts...)
}

// Images walks the images of ref one by one, as [Source.Images] does.
func Images(ctx context.Context, ref string, want Size, opts ...Option) iter.Seq2[Image, error] {
	return func(yield func(Image, error) bool) {
		src, err := Locate(ctx, ref)
		if err != nil {
			yield(Image{}, err)
			return
		}
		defer src.Close()
		src.Images(ctx, want, opts...)(yield)
	}
}
