package imagefile

// JPEG, whose files cut short can be told from whole ones that lack the end mark alone.

import (
	"bytes"
	"errors"
	"image/jpeg"
	"io"
)

// decodeJPEG reads a JPEG. Where the file ends before its end mark, it is read as if that followed: the decoder then says whether rows
// are missing. Some cameras and most interrupted streams leave the mark out.
func decodeJPEG(data []byte) (Picture, error) {
	img, err := jpeg.Decode(bytes.NewReader(data))
	if err == nil || !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return Picture{Image: img}, err
	}
	img, ended := jpeg.Decode(io.MultiReader(bytes.NewReader(data), bytes.NewReader([]byte{0xff, 0xd9})))
	if ended != nil {
		return Picture{}, err
	}
	return Picture{Image: img, Warnings: []Warning{{"JPEGs without an end mark",
		"the JPEG has no end mark, as if cut short; all its rows are there"}}}, nil
}
