package imagefile

// TIFF: the first page. The raw files of cameras are TIFFs as well, with a small preview for their first page: these are refused.

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"

	"golang.org/x/image/tiff"
)

func decodeTIFF(data []byte) (Picture, error) {
	t := tags("TIFF", data)
	if t["SubfileType"]&1 != 0 || t["DNGVersion"] != 0 || len(data) > 10 && string(data[8:10]) == "CR" {
		return Picture{}, fmt.Errorf("%w: a camera's raw file, of which only a preview is a picture", errRare)
	}
	img, err := tiff.Decode(bytes.NewReader(data))
	p := Picture{Image: img}
	const blackIsZero, firstFax, lastFax = 1, 2, 4
	if gray, ok := img.(*image.Gray); ok && t["PhotometricInterpretation"] == blackIsZero && t["Compression"] >= firstFax && t["Compression"] <= lastFax {
		// A fax codes white as 0, which is black here; package tiff has it white.
		for i, v := range gray.Pix {
			gray.Pix[i] = ^v
		}
	}
	if n := pages(data); n > 1 {
		p.Warnings = []Warning{{"TIFFs of several pages", fmt.Sprintf("of its %d pages only the first is read: save them as files of their own", n)}}
	}
	return p, err
}

// pages counts the directories of a TIFF, each of which says where the next one is, that are pictures of their own and no previews.
func pages(data []byte) (n int) {
	var order binary.ByteOrder = binary.LittleEndian
	if data[0] == 'M' {
		order = binary.BigEndian
	}
	const entry, subfileType = 12, 254
	left := len(data) // directories do not overlap, but may be made to go round in circles
	for at := order.Uint32(data[4:]); at != 0 && left > 0; {
		if uint64(at)+2 > uint64(len(data)) {
			return n
		}
		rest := data[at:]
		entries := int(order.Uint16(rest))
		left -= 2 + entries*entry + 4
		if rest = rest[2:]; len(rest) < entries*entry+4 {
			return n
		}
		preview := false
		for i := range entries {
			tag := rest[i*entry:]
			preview = preview || order.Uint16(tag) == subfileType && order.Uint32(tag[8:])&1 != 0
		}
		if !preview {
			n++
		}
		at = order.Uint32(rest[entries*entry:])
	}
	return n
}
