package imagefile

// The PNM family: "P1" to "P6", then width, height and, but for bitmaps, the value of white, in decimal text with "#" comments; then
// the values, as text (P1 to P3) or bytes, two of them big-endian where white is above 255 (P4 to P6; bitmaps pack 8 pixels a byte,
// rows padded, 1 being black). Source: the Netpbm manual pages pbm(5), pgm(5), ppm(5).

import (
	"bytes"
	"fmt"
	"image"
	"io"
	"strconv"
)

func isPNM(head []byte) bool {
	if len(head) < 4 || head[0] != 'P' || head[1] < '1' || head[1] > '6' || !isSpace(head[2]) {
		return false
	}
	next := bytes.TrimLeft(head[3:], " \t\r\n")
	return len(next) > 0 && (next[0] == '#' || next[0] >= '0' && next[0] <= '9')
}

func isSpace(b byte) bool { return b == ' ' || b >= '\t' && b <= '\r' }

// pnm is a header, and where the values begin.
type pnm struct {
	kind          byte // '1' to '6'
	width, height int
	white         int
	values        []byte
}

// pnmNumber takes the next number off text.
func pnmNumber(text []byte) (n int, rest []byte, err error) {
	for len(text) > 0 && (isSpace(text[0]) || text[0] == '#') {
		if text[0] == '#' {
			end := bytes.IndexByte(text, '\n')
			if end < 0 {
				return 0, nil, io.ErrUnexpectedEOF
			}
			text = text[end:]
			continue
		}
		text = text[1:]
	}
	digits := 0
	for digits < len(text) && text[digits] >= '0' && text[digits] <= '9' {
		digits++
	}
	if len(text) == 0 {
		return 0, nil, io.ErrUnexpectedEOF
	}
	n, err = strconv.Atoi(string(text[:digits]))
	return n, text[digits:], err
}

func parsePNM(data []byte) (p pnm, err error) {
	p = pnm{kind: data[1], white: 1}
	wanted := []*int{&p.width, &p.height, &p.white}
	if p.kind == '1' || p.kind == '4' {
		wanted = wanted[:2]
	}
	p.values = data[2:]
	for _, n := range wanted {
		if *n, p.values, err = pnmNumber(p.values); err != nil {
			return p, err
		}
	}
	if p.white < 1 || p.white > 65535 {
		return p, fmt.Errorf("the value of white is %d", p.white)
	}
	if p.kind >= '4' && len(p.values) > 0 {
		p.values = p.values[1:] // a single white space
	}
	return p, nil
}

func configPNM(data []byte) (width, height int, err error) {
	p, err := parsePNM(data)
	return p.width, p.height, err
}

func decodePNM(data []byte) (Picture, error) {
	p, err := parsePNM(data)
	if err != nil {
		return Picture{}, err
	}
	channels := 1
	if p.kind == '3' || p.kind == '6' {
		channels = 3
	}
	next := p.reader(channels)
	frame := image.Rect(0, 0, p.width, p.height)
	scaled := func(v int) uint8 { return uint8((v*255 + p.white/2) / p.white) }
	if p.white > 255 { // of 16 bits the first 8, as from other formats
		scaled = func(v int) uint8 { return uint8(v * 65535 / p.white >> 8) }
	}
	gray, colour := image.NewGray(frame), image.NewRGBA(image.Rectangle{})
	if channels == 3 {
		gray, colour = image.NewGray(image.Rectangle{}), image.NewRGBA(frame)
	}
	for i := range p.width * p.height * channels {
		v, err := next()
		if err != nil {
			return Picture{}, err
		}
		if v > p.white {
			return Picture{}, fmt.Errorf("a value of %d where white is %d", v, p.white)
		}
		if channels == 1 {
			gray.Pix[i] = scaled(v)
			continue
		}
		colour.Pix[i/3*4+i%3], colour.Pix[i/3*4+3] = scaled(v), 255
	}
	if channels == 1 {
		return Picture{Image: gray}, nil
	}
	return Picture{Image: colour}, nil
}

// reader gives the values one after the other; of a bitmap those of white pixels are 1.
func (p *pnm) reader(channels int) func() (int, error) {
	at, rest := 0, p.values
	switch {
	case p.kind == '1':
		return func() (int, error) {
			for len(rest) > 0 && isSpace(rest[0]) {
				rest = rest[1:]
			}
			if len(rest) == 0 {
				return 0, io.ErrUnexpectedEOF
			}
			v := rest[0] // digits need no space between them
			rest = rest[1:]
			if v != '0' && v != '1' {
				return 0, fmt.Errorf("a pixel that is %q", v)
			}
			return int('1' - v), nil
		}
	case p.kind < '4':
		return func() (v int, err error) {
			v, rest, err = pnmNumber(rest)
			return v, err
		}
	case p.kind == '4':
		stride := (p.width + 7) / 8
		return func() (int, error) {
			x, y := at%p.width, at/p.width
			at++
			if y*stride+x/8 >= len(rest) {
				return 0, io.ErrUnexpectedEOF
			}
			return int(^rest[y*stride+x/8] >> (7 - x%8) & 1), nil
		}
	}
	width := 1
	if p.white > 255 {
		width = 2
	}
	return func() (v int, err error) {
		if len(rest) < width {
			return 0, io.ErrUnexpectedEOF
		}
		for _, b := range rest[:width] {
			v = v<<8 | int(b)
		}
		rest = rest[width:]
		return v, nil
	}
}
