package imagefile

// TIFF: the first page. The raw files of cameras are TIFFs as well, with a small preview for their first page: these are refused.

import (
	"bytes"
	"fmt"

	"golang.org/x/image/tiff"
)

func decodeTIFF(data []byte) (Picture, error) {
	t := tags("TIFF", data)
	if t["SubfileType"]&1 != 0 || t["DNGVersion"] != 0 || len(data) > 10 && string(data[8:10]) == "CR" {
		return Picture{}, fmt.Errorf("%w: a camera's raw file, of which only a preview is a picture", errRare)
	}
	img, err := tiff.Decode(bytes.NewReader(data))
	return Picture{Image: img}, err
}
