package dataset

// Arrays of images, whatever file they come from: which shapes and types are images, and what to do about those that are not. Nothing
// is guessed: floating-point values may be from 0 to 1, 0 to 255 or -1 to 1, and only their owner knows.

import (
	"fmt"
	"io"
	"slices"
)

// sizes are those of an array of images, N,H,W,C, and how many bytes it has. The shape may lack the last; channels may also come
// second, where that is beyond doubt.
type sizes struct {
	n             int
	size          Size
	channelsFirst bool
}

// imageSizes says what images an array of that shape holds, or what to do so that it holds some.
func imageSizes(shape []int) (s sizes, err error) {
	if len(shape) == 3 && shape[2] <= 4 {
		return s, fmt.Errorf("its shape %v is that of one picture, or of images a few pixels wide: for one picture save x[None], for many their array N,H,W,C", shape)
	}
	channels := func(n int) bool { return n == 1 || n == 3 }
	switch {
	case len(shape) == 2:
		return s, fmt.Errorf("its shape %v is that of flat rows: save x.reshape(-1, HEIGHT, WIDTH) or x.reshape(-1, HEIGHT, WIDTH, 3); for rows "+
			"that go channel by channel, x.reshape(-1, 3, HEIGHT, WIDTH).transpose(0, 2, 3, 1)", shape)
	case len(shape) == 3:
		s = sizes{shape[0], Size{shape[1], shape[2], 1}, false}
	case len(shape) != 4:
		return s, fmt.Errorf("its shape %v is not that of images (N,H,W or N,H,W,C)", shape)
	case channels(shape[3]) && !(channels(shape[1]) && shape[2] > 4):
		s = sizes{shape[0], Size{shape[1], shape[2], shape[3]}, false}
	case channels(shape[1]) && !channels(shape[3]):
		s = sizes{shape[0], Size{shape[2], shape[3], shape[1]}, true}
	case shape[3] == 4:
		return s, fmt.Errorf("its shape %v has four channels: save x[..., :3] if the fourth is transparency", shape)
	default:
		return s, fmt.Errorf("its shape %v leaves open which side is the channels: save it as N,H,W,C with 1 or 3 channels", shape)
	}
	if s.n < 1 || s.size.Height < 1 || s.size.Width < 1 || s.size.Height > maxSide || s.size.Width > maxSide {
		return s, fmt.Errorf("its shape %v is not that of images with sides from 1 to %d", shape, maxSide)
	}
	if int64(s.n) > maxSet/int64(s.size.Len()) {
		return s, fmt.Errorf("its shape %v is more than %d GiB", shape, maxSet>>30)
	}
	return s, nil
}

// channelsLast brings images stored channel by channel into the order of pixels, in place but for one image.
func channelsLast(pixels []uint8, size Size) {
	plane := size.Height * size.Width
	planes := make([]uint8, size.Len())
	for image := range slices.Chunk(pixels, size.Len()) {
		copy(planes, image)
		for c := range size.Channels {
			for p := range plane {
				image[p*size.Channels+c] = planes[c*plane+p]
			}
		}
	}
}

// readExactly reads so many bytes and nothing more. Memory grows with the data that is really there, so neither an absurd header nor a
// decompression bomb can claim more than it brings.
func readExactly(in io.Reader, total int64) (data []uint8, err error) {
	for int64(len(data)) < total {
		data = slices.Grow(data, int(min(total-int64(len(data)), max(1<<16, int64(len(data))))))
		space := data[len(data):min(int64(cap(data)), total)]
		n, err := io.ReadFull(in, space)
		data = data[:len(data)+n]
		if err != nil {
			return nil, damaged(err, fmt.Sprintf("the file ends after %d of the %d bytes its header declares", len(data), total))
		}
	}
	// Reading on to the end also checks a checksum, if there is one.
	var more [1]byte
	switch n, err := io.ReadFull(in, more[:]); {
	case n > 0:
		return nil, fmt.Errorf("the file holds more than the %d bytes its header declares: it is damaged", total)
	case err != io.EOF:
		return nil, damaged(err, "the file ends too early")
	}
	return data, nil
}

// maxClasses bounds the numbers that labels may be.
const maxClasses = 1 << 16

// label gives a set of n images labels that are numbers, 0 and up; names, if there are any, are those of the classes.
func (s *Set) label(n int, labels []int64, names ...string) error {
	if len(labels) != n {
		return fmt.Errorf("%d labels for %d images: they do not belong together", len(labels), n)
	}
	s.Labels = make([]int32, n)
	for i, v := range labels {
		if v < 0 || v >= maxClasses {
			return fmt.Errorf("label %d is %d: want class numbers from 0 to %d", i, v, maxClasses-1)
		}
		s.Labels[i] = int32(v)
	}
	if s.Classes = numberedClasses(int(slices.Max(s.Labels)) + 1); len(names) >= len(s.Classes) {
		s.Classes = names
	}
	s.warnOfEmptyClasses()
	return nil
}
