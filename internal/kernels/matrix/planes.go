package matrix

// This file writes images as planes of bf16 numbers with a border of zeros. There, for each tap of a convolution, the rows of the left
// operand lie at a constant distance, as the unit wants them:
//
//   - a wide image on its own: a tile's rows are pixels beside each other, and three taps of a row of the kernel lie one after the
//     other, so they are one sum of three times the channels;
//   - narrow images interleaved, pixel by pixel: a tile's rows are the same pixels of several images.

// Planes is the layout of images in parts: hi, and lo behind it.
type Planes struct {
	Parts                   Parts
	channels, height, width int
	pixel                   int // bf16 numbers of a pixel
	wide                    bool
}

// IsWide says whether images of that width are taken one by one.
func IsWide(width int) bool { return width >= tileSide }

// NewPlanes is the layout of images of height×width×channels.
func NewPlanes(parts Parts, height, width, channels int) Planes {
	p := Planes{Parts: parts, channels: channels, height: height, width: width, pixel: roundUp(channels, stepDepth), wide: IsWide(width)}
	if p.wide {
		p.pixel = channels
	}
	return p
}

// index is the place of a pixel among those of interleaved images; -1 and width or height are the border, of which the right side
// of a row is the left side of the next.
func (p *Planes) index(y, x, image, together int) int {
	return ((y+1)*(p.width+1)+x+1)*together + image
}

// plane is the size of a plane: the pixels with their border, and as many behind them as a block and a step may run over; whole
// cache lines.
func (p *Planes) plane(together int) int {
	return roundUp((p.index(p.height, p.width, 0, together)+together+tileSide)*p.pixel+stepDepth, stepDepth)
}

// group is how many of so many images are interleaved.
func (p *Planes) group(images int) int {
	if p.wide {
		return 1
	}
	return images
}

// Floats is the size of the memory of so many images, in float32 numbers.
func (p *Planes) Floats(images int) int {
	group := p.group(images)
	return images / group * int(p.Parts) * p.plane(group) / 2
}

// Border draws the zeros around so many images.
func (p *Planes) Border(memory []float32, images int) {
	together := p.group(images)
	plane := p.plane(together)
	for a := words(memory[:p.Floats(images)]); len(a) > 0; a = a[plane:] {
		clear(a[:p.index(0, 0, 0, together)*p.pixel])
		for y := range p.height - 1 {
			clear(a[p.index(y, p.width, 0, together)*p.pixel:][:together*p.pixel])
		}
		clear(a[p.index(p.height-1, p.width, 0, together)*p.pixel : plane])
	}
}

// Split writes pixels x of one of so many images, from the given pixel on.
func (p *Planes) Split(u *Unit, memory, x []float32, images, image, pixel int) {
	together := p.group(images)
	plane := p.plane(together)
	a := words(memory[:p.Floats(images)])
	if p.wide {
		a, image = a[image*int(p.Parts)*plane:], 0
	}
	for len(x) > 0 {
		y, px, run := pixel/p.width, pixel%p.width, 1
		if p.wide {
			run = min(p.width-px, len(x)/p.channels) // pixels beside each other are one run of numbers
		}
		n := run * p.channels
		at := p.index(y, px, image, together) * p.pixel
		hi, lo := a[at:][:n], []uint16(nil)
		if p.Parts == Split {
			lo = a[at+plane:][:n]
		}
		u.split(hi, lo, x[:n])
		if !p.wide { // the rest of a step
			clear(a[at+n : at+p.pixel])
			if lo != nil {
				clear(a[at+plane+n : at+plane+p.pixel])
			}
		}
		x, pixel = x[n:], pixel+run
	}
}
