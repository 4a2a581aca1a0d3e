// Package imagefile decodes picture files as people have them: PNG, JPEG, GIF, BMP, WebP, TIFF and the PNM family (PBM, PGM, PPM),
// told apart by their first bytes and never by their names. What a decoder of the format alone would get wrong is put right here: the
// orientation that a camera noted down (EXIF), the range of lossy WebP's brightness, the canvas that a GIF or an animation is larger
// than its first frame on, JPEGs that lack nothing but their end mark. Files of other kinds are named, with the way out.
//
// Declared sizes are known before any pixel is decoded ([Inspect]), so that a caller can refuse what is too large.
package imagefile

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"path"
	"slices"
	"strings"

	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"

	"github.com/joule-ebm/joule/internal/filekind"
)

// codec is a format that is read. To read another one, write a file for it and add its line to codecs.
type codec struct {
	name     string
	suffixes string // those that a walk over files takes for pictures of this format
	magic    func(head []byte) bool
	config   func(data []byte) (width, height int, err error)
	decode   func(data []byte) (Picture, error)
}

var codecs = []codec{
	{"PNG", ".png .apng", begins("\x89PNG\r\n\x1a\n"), configWith(png.DecodeConfig), decodePNG},
	{"JPEG", ".jpg .jpeg .jpe .jfif", begins("\xff\xd8\xff"), configWith(jpeg.DecodeConfig), decodeJPEG},
	{"GIF", ".gif", begins("GIF87a", "GIF89a"), configWith(gif.DecodeConfig), decodeGIF},
	{"BMP", ".bmp .dib", isBMP, configWith(bmp.DecodeConfig), decodeWith(bmp.Decode)},
	{"WebP", ".webp", isWebP, configWebP, decodeWebP},
	{"TIFF", ".tif .tiff", begins("II*\x00", "MM\x00*"), configWith(tiff.DecodeConfig), decodeTIFF},
	{"PNM", ".pgm .ppm .pbm .pnm", isPNM, configPNM, decodePNM},
}

// Names are the formats that are read.
func Names() string {
	var names []string
	for _, c := range codecs {
		names = append(names, c.name)
	}
	return strings.Join(names, ", ")
}

// Named says whether a file has the name of a picture that is read.
func Named(file string) bool {
	suffix := strings.ToLower(path.Ext(file))
	return suffix != "" && slices.ContainsFunc(codecs, func(c codec) bool { return slices.Contains(strings.Fields(c.suffixes), suffix) })
}

// Begins says whether a file that begins like that is a picture that is read.
func Begins(head []byte) bool { return codecOf(head) != nil }

// Raw says whether a file has the name of a camera's raw file: many begin like TIFFs, with a small preview for their first page.
func Raw(file string) bool {
	return slices.Contains(strings.Fields(".cr2 .cr3 .nef .nrw .arw .srf .dng .orf .pef .srw .rw2 .raf .iiq .3fr .erf .kdc"), strings.ToLower(path.Ext(file)))
}

func codecOf(head []byte) *codec {
	if i := slices.IndexFunc(codecs, func(c codec) bool { return c.magic(head) }); i >= 0 {
		return &codecs[i]
	}
	return nil
}

// Picture is a decoded picture.
type Picture struct {
	image.Image
	// Orientation says how to turn the image upright, 1 (it is) to 8, as EXIF numbers them.
	Orientation int
	Warnings    []Warning
}

// Warning is something about a picture that a person should know.
type Warning struct {
	About string // what such warnings have in common, to count them by
	Text  string
}

// Header is what a picture file says about itself.
type Header struct {
	Format        string
	Width, Height int // as stored, before the orientation
	codec         *codec
	data          []byte
}

// Inspect reads the header of a picture file. It is an error, in one line that names the format, if this is none or none that is read.
func Inspect(data []byte) (h Header, err error) {
	defer recovered(&err, "picture")
	if len(data) == 0 {
		return Header{}, errors.New("the file is empty")
	}
	c := codecOf(data)
	if c == nil {
		return Header{}, unread(data)
	}
	w, height, err := c.config(data)
	if err != nil {
		return Header{}, refused(c.name, err)
	}
	if w <= 0 || height <= 0 {
		return Header{}, fmt.Errorf("damaged %s picture: its size is %dx%d", c.name, w, height)
	}
	return Header{c.name, w, height, c, data}, nil
}

// Decode decodes the picture.
func (h Header) Decode() (p Picture, err error) {
	defer recovered(&err, h.Format+" picture")
	if p, err = h.codec.decode(h.data); err != nil {
		return Picture{}, refused(h.Format, err)
	}
	if p.Orientation == 0 {
		p.Orientation = orientation(h.Format, h.data)
	}
	if unusedAlpha(p.Image) {
		p.Warnings = append(p.Warnings, Warning{"pictures whose transparency is not used", "it is wholly transparent, and yet has a picture: that is taken, and the " +
			"transparency for a channel nobody filled in"})
	}
	if w, ok := darkness(p.Image); ok {
		p.Warnings = append(p.Warnings, w)
	}
	return p, nil
}

// recovered makes an error of a fault in a decoder: it costs one picture, not the run.
func recovered(err *error, what string) {
	if fault := recover(); fault != nil {
		*err = fmt.Errorf("damaged %s: %v", what, fault)
	}
}

// refused says why a picture cannot be read: it is cut short, of a rare kind, or damaged.
func refused(format string, err error) error {
	var (
		rareJPEG jpeg.UnsupportedError
		rarePNG  png.UnsupportedError
		rareTIFF tiff.UnsupportedError
	)
	tooShort := func(text string) bool { return strings.Contains(err.Error(), text) }
	switch {
	case errors.Is(err, io.EOF), slices.ContainsFunc([]string{"unexpected EOF", "short Huffman data", "not enough image data", "not enough pixel data"}, tooShort):
		return fmt.Errorf("the file ends too early for the %s picture it begins: copy or fetch it again", format)
	case errors.As(err, &rareJPEG), errors.As(err, &rarePNG), errors.As(err, &rareTIFF), errors.Is(err, bmp.ErrUnsupported), errors.Is(err, errRare):
		return fmt.Errorf("a %s picture of a rare kind that is not read (%w): convert it to PNG", format, err)
	}
	return fmt.Errorf("damaged %s picture: %w", format, err)
}

// errRare is wrapped by errors about valid files of a kind that is not read.
var errRare = errors.New("rare")

func begins(magics ...string) func([]byte) bool {
	return func(head []byte) bool {
		return slices.ContainsFunc(magics, func(m string) bool { return bytes.HasPrefix(head, []byte(m)) })
	}
}

func configWith(config func(io.Reader) (image.Config, error)) func([]byte) (int, int, error) {
	return func(data []byte) (int, int, error) {
		c, err := config(bytes.NewReader(data))
		return c.Width, c.Height, err
	}
}

func decodeWith(decode func(io.Reader) (image.Image, error)) func([]byte) (Picture, error) {
	return func(data []byte) (Picture, error) {
		img, err := decode(bytes.NewReader(data))
		return Picture{Image: img}, err
	}
}

// isBMP wants the reserved bytes zero too: "BM" alone begins many a text.
func isBMP(head []byte) bool { return filekind.Matches(head, 0, "BM????\x00\x00\x00\x00") }

func decodePNG(data []byte) (Picture, error) { return decodeWith(png.Decode)(data) }

// darkness warns of a picture whose 16-bit values use few of the bits: cameras of 10 to 14 bits write such files, which are nearly black.
func darkness(img image.Image) (Warning, bool) {
	most := uint32(0)
	see := func(pix []uint8, channels, colours int) {
		for i := 0; i+1 < len(pix); i += 2 {
			if i/2%channels < colours {
				most = max(most, uint32(pix[i])<<8|uint32(pix[i+1]))
			}
		}
	}
	switch m := img.(type) {
	case *image.Gray16:
		see(m.Pix, 1, 1)
	case *image.RGBA64:
		see(m.Pix, 4, 3)
	case *image.NRGBA64:
		see(m.Pix, 4, 3)
	default:
		return Warning{}, false
	}
	const bits = 14
	if most == 0 || most >= 1<<bits {
		return Warning{}, false
	}
	return Warning{"pictures of 16 bits that use few of them", fmt.Sprintf("its 16-bit values go up to %d of 65535 only, so that it is nearly "+
		"black (at most %d of 255): if a camera of fewer bits wrote them, multiply them first", most, most>>8)}, true
}

// unusedAlpha makes a picture opaque that is transparent everywhere and yet not of one colour: what wrote it had no use for the channel.
func unusedAlpha(img image.Image) bool {
	m, ok := img.(*image.NRGBA)
	if !ok || len(m.Pix) < 4 {
		return false
	}
	colours := false
	for i := 0; i < len(m.Pix); i += 4 {
		if m.Pix[i+3] != 0 {
			return false
		}
		colours = colours || [3]uint8(m.Pix[i:]) != [3]uint8(m.Pix)
	}
	if colours {
		for i := 3; i < len(m.Pix); i += 4 {
			m.Pix[i] = 255
		}
	}
	return colours
}

// unread is the error for a file that is not a picture of a format that is read.
func unread(head []byte) error {
	if name, advice := filekind.Of(head); name != "" {
		if !strings.Contains(name, "not the file itself") {
			name += ", which is not read as a picture"
		}
		return fmt.Errorf("this is %s: %s", filekind.Article(name), advice)
	}
	return fmt.Errorf("not a picture that is read (%s), nor another kind of file that Joule knows", Names())
}
