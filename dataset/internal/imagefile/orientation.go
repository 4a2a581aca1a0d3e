package imagefile

// The orientation that a camera notes down beside the pixels, EXIF tag 0x0112: stored row and column that are the picture's top and
// left side. 1 is upright; 2 mirrored; 3 turned by 180 degrees; 4 upside down; 5 transposed; 6 and 8 lying on a side; 7 transposed over
// the other diagonal. Source: CIPA DC-008 (Exif 2.32), 4.6.4.

import (
	"bytes"

	"github.com/bep/imagemeta"
)

var metadataFormats = map[string]imagemeta.ImageFormat{"JPEG": imagemeta.JPEG, "PNG": imagemeta.PNG, "WebP": imagemeta.TIFF, "TIFF": imagemeta.TIFF}

// tags reads those tags of the picture's first directory that are numbers.
func tags(format string, data []byte) map[string]int {
	found := map[string]int{}
	kind, ok := metadataFormats[format]
	if !ok {
		return found
	}
	if format == "WebP" {
		data = metadataOfWebP(data)
	}
	// What cannot be read as EXIF is no reason to refuse the picture.
	_, _ = imagemeta.Decode(imagemeta.Options{
		R: bytes.NewReader(data), ImageFormat: kind, Sources: imagemeta.EXIF, LimitNumTags: 1000,
		HandleTag: func(tag imagemeta.TagInfo) error {
			switch v := tag.Value.(type) {
			case uint16:
				found[tag.Tag] = int(v)
			case uint32:
				found[tag.Tag] = int(v)
			}
			return nil
		},
	})
	return found
}

func orientation(format string, data []byte) int {
	if o := tags(format, data)["Orientation"]; o >= 1 && o <= 8 {
		return o
	}
	return 1
}

// metadataOfWebP is what the EXIF chunk holds: a small TIFF. (Imagemeta's own walk over the chunks loses its way after one of odd length.)
func metadataOfWebP(data []byte) (exif []byte) {
	_ = chunks(data[12:], func(kind string, body []byte) bool {
		if kind == "EXIF" {
			exif = bytes.TrimPrefix(body, []byte("Exif\x00\x00"))
		}
		return exif == nil
	})
	return exif
}
