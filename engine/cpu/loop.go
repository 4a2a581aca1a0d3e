package cpu

import (
	"math"
	"slices"

	"github.com/joule-ebm/joule/expr"
	"github.com/joule-ebm/joule/internal/kernels/matrix"
)

// This file runs fused loops. A loop is a small program of vector instructions, interpreted for one chunk of pixels after the other. Its
// registers are slices of chunkFloats numbers: scratch memory that stays in the first-level cache, or a value's own memory, read or
// written in place. For y = Swish(x·γ + β), with x and y in memory, the code is
//
//	r3 = MulAdd(r0, r1, r2)      r0: x in memory    r1, r2: γ and β, a number per channel, repeated    r3: scratch
//	r4 = Swish(r3)               r4: y in memory
//
// Rows (values of one number per channel) are repeated to the length of a chunk once per image; single numbers are coefficients of
// instructions. loopcode.go makes the code.

// chunkFloats is the length of a register, about: whole pixels.
const chunkFloats = 1024

// opcode says what a vector instruction does. V stands for an operand that is a vector; k0 and k1 are coefficients.
type opcode uint8

const (
	opFill opcode = iota // dst = k0
	opAddVV
	opMulVV
	opSubVV
	opMulAddVVV   // a·b + c
	opAddScaledVV // a + k0·b
	opAffineV     // k0·a + k1
	opPowV
	opExpV
	opLogV
	opSwishV
	opSwishPairV // dst = Swish(a, 0), b = Swish(a, 1)
	opClampV
	opWithinV
	opSumV   // accumulator[dst] += sum per channel of a
	opDotV   // ... of a·b
	opTotalV // accumulator[dst] += sum of all of a·b
	opSplitV // planes[dst] = a as bf16 numbers; see unitconv.go
)

// vectorOp is a vector instruction.
type vectorOp struct {
	op      opcode
	kernel  kernel // what does this instruction and those that follow at once, if anything does
	dst     int    // a register, or what the opcode says
	a, b, c int    // registers
	k0, k1  coefficient
	order   int // of Swish
}

// kernel does several instructions at once, each for so many pixels that the rows among its operands need not be repeated; see fuseKernels.
type kernel uint8

const (
	none          kernel = iota
	normSums             // Mul, MulAdd, Dot, Sum
	normSwish            // MulAdd, Swish
	normSwishPair        // MulAdd, SwishPair
	normGrad             // MulAdd, MulAdd
)

// instructions is how many a kernel does.
func (k kernel) instructions() int {
	return [...]int{none: 1, normSums: 4, normSwish: 2, normSwishPair: 2, normGrad: 2}[k]
}

// coefficient is a constant, or a number in memory.
type coefficient struct {
	node  *node // nil: the value
	value float32
}

// register is an operand of vector instructions.
type register struct {
	node *node // whose memory it is; nil: scratch
	row  bool  // one number per channel, repeated in scratch
	once bool  // a row that is repeated to a kernel's width at most
	slot int   // of scratch
}

// value is where a register in memory lies.
type value struct {
	register int
	address  address
	stride   int // from one image's to the next one's
}

// accumulator is a sum over the pixels of an image.
type accumulator struct {
	node  *node
	total bool // one number instead of one per channel
}

// planes are where a loop leaves a value as bf16 numbers, for the matrix unit.
type planes struct {
	matrix.Planes
	node *node
	unit *matrix.Unit
}

// loop is the code of a group, and what it needs.
type loop struct {
	domain       expr.Shape
	merged       bool // all images of a tile run as one long image
	registers    []register
	values       []value // the registers in memory
	rows         []value // those that are rows
	accumulators []accumulator
	planes       []planes
	code         []vectorOp
	slots        int // registers of scratch memory
	ones         int // register of ones, or -1
}

func (l *loop) chunkPixels() int { return max(1, chunkFloats/l.domain[2]) }

// chunk is the size of a register in scratch memory.
func (l *loop) chunk() int { return roundUp(l.chunkPixels()*l.domain[2], 16) }

// scratch is the memory a loop needs beside the arenas: its registers, and the sums of its accumulators.
func (l *loop) scratch() int { return l.slots*l.chunk() + len(l.accumulators)*l.sumWidth() }

// sumWidth is the number of partial sums of an accumulator: one for each channel or, of few channels, one for each channel of as many
// pixels as fill four vectors of 16, so that several additions are under way at a time. Of 8 channels there are 64: those of pixels 0, 8,
// 16, ..., those of 1, 9, 17, ..., and so on; they are added in the end.
func (l *loop) sumWidth() int {
	const full = 64
	if c := l.domain[2]; c < full && full%c == 0 {
		return full
	}
	return l.domain[2]
}

// whole says whether every chunk, of every image, is a multiple of so many numbers as a kernel takes at a time: its rows are then not repeated
// for more.
func (l *loop) whole() bool {
	return l.domain.Size()%l.sumWidth() == 0 && l.chunkPixels()*l.domain[2]%l.sumWidth() == 0
}

// sums are the partial sums of an accumulator that n numbers are added to: all, or those of one pixel if the last chunk of an image is no
// multiple of them.
func (l *loop) sums(f *frame, accumulator, n int) []float32 {
	width := l.sumWidth()
	all := f.scratch[l.slots*l.chunk()+accumulator*width:][:width]
	if n%width != 0 {
		return all[:l.domain[2]]
	}
	return all
}

// run executes the loop for the images of a tile.
func (l *loop) run(f *frame) {
	pixels, channels := l.domain[0]*l.domain[1], l.domain[2]
	images := f.images
	if l.merged {
		pixels, images = pixels*images, 1
	}
	step := l.chunkPixels()
	registers, size := f.registers(len(l.registers)), 0
	for _, p := range l.planes {
		p.Border(f.tileOf(p.node), f.images)
	}
	for image := range images {
		l.fillRows(f, image, min(step, pixels))
		l.clearSums(f, image)
		for from := 0; from < pixels; from += step {
			n := min(step, pixels-from) * channels
			l.point(registers, f, image, from*channels, n)
			if n != size {
				l.pointScratch(registers, f, n)
				size = n
			}
			for i := 0; i < len(l.code); i++ {
				if k := l.code[i].kernel; k != none && n%l.sumWidth() == 0 {
					l.runKernel(k, l.code[i:], f, registers)
					i += k.instructions() - 1
				} else {
					l.execute(&l.code[i], f, image, from, registers)
				}
			}
		}
		l.addSums(f, image)
	}
}

// fillRows repeats rows for so many pixels: those of the image, and once those that are the same for all images.
func (l *loop) fillRows(f *frame, image, pixels int) {
	channels, chunk, width := l.domain[2], l.chunk(), l.sumWidth()
	if l.ones >= 0 && image == 0 {
		fill(f.scratch[l.registers[l.ones].slot*chunk:][:pixels*channels], 1)
	}
	for _, v := range l.rows {
		if image > 0 && v.stride == 0 {
			continue
		}
		r, n := &l.registers[v.register], pixels*channels
		if r.once {
			n = width
		}
		from := v.address.offset + image*v.stride
		repeat(f.scratch[r.slot*chunk:][:n], f.mem[v.address.space][from:from+channels])
	}
}

// point makes the registers in memory slices of n numbers of the image's values, from a place on.
func (l *loop) point(registers [][]float32, f *frame, image, from, n int) {
	for _, v := range l.values {
		at := v.address.offset + image*v.stride + from
		registers[v.register] = f.mem[v.address.space][at : at+n : at+n]
	}
}

// pointScratch makes the other registers slices of n numbers, or of as many as a kernel takes of a row that is not repeated for more.
func (l *loop) pointScratch(registers [][]float32, f *frame, n int) {
	for i := range l.registers {
		switch r := &l.registers[i]; {
		case r.once:
			registers[i] = f.scratch[r.slot*l.chunk():][:l.sumWidth()]
		case r.row || r.node == nil:
			registers[i] = f.scratch[r.slot*l.chunk():][:n]
		}
	}
}

func (l *loop) clearSums(f *frame, image int) {
	for i, acc := range l.accumulators {
		clear(f.at(acc.node, image, acc.node.shape.Size()))
		clear(l.sums(f, i, 0))
	}
}

// addSums adds the partial sums per channel to the results.
func (l *loop) addSums(f *frame, image int) {
	channels := l.domain[2]
	for i, acc := range l.accumulators {
		if acc.total {
			continue
		}
		for sums, sum := l.sums(f, i, 0), f.at(acc.node, image, channels); len(sums) > 0; sums = sums[channels:] {
			f.kernels.Add(sum, sum, sums)
		}
	}
}

// runKernel does the instructions that fuseKernels has found in one pass.
func (l *loop) runKernel(k kernel, code []vectorOp, f *frame, r [][]float32) {
	first, second := &code[0], &code[1]
	width := l.sumWidth()
	row := func(register int) []float32 { return r[register][:width] }
	switch k {
	case normSums:
		dst := r[first.dst]
		dot, sum := l.sums(f, code[2].dst, len(dst)), l.sums(f, code[3].dst, len(dst))
		f.kernels.NormSums(dst, r[first.a], r[first.b], r[second.a], row(second.b), row(second.c), sum, dot, len(dst)/width)
	case normSwish:
		f.kernels.NormSwish(r[second.dst], r[first.a], row(first.b), row(first.c))
	case normSwishPair:
		f.kernels.NormSwishPair(r[second.dst], r[second.b], r[first.a], row(first.b), row(first.c))
	case normGrad:
		f.kernels.NormGrad(r[second.dst], r[second.a], r[first.a], row(second.b), row(first.b), row(first.c))
	}
}

// execute does one instruction on registers r, which hold the image's pixels from the given one on.
func (l *loop) execute(op *vectorOp, f *frame, image, pixel int, r [][]float32) {
	k := f.kernels
	switch op.op {
	case opFill:
		fill(r[op.dst], f.number(op.k0, image))
	case opAddVV:
		k.Add(r[op.dst], r[op.a], r[op.b])
	case opMulVV:
		k.Mul(r[op.dst], r[op.a], r[op.b])
	case opSubVV:
		k.Sub(r[op.dst], r[op.a], r[op.b])
	case opMulAddVVV:
		k.MulAdd(r[op.dst], r[op.a], r[op.b], r[op.c])
	case opAddScaledVV:
		k.AddScaled(r[op.dst], r[op.a], r[op.b], op.k0.value)
	case opAffineV:
		k.Affine(r[op.dst], r[op.a], f.number(op.k0, image), f.number(op.k1, image))
	case opPowV:
		pow(r[op.dst], r[op.a], op.k0.value)
	case opExpV:
		k.Exp(r[op.dst], r[op.a])
	case opLogV:
		for i, x := range r[op.a] {
			r[op.dst][i] = float32(math.Log(float64(x)))
		}
	case opSwishV:
		k.Swish(r[op.dst], r[op.a], op.order)
	case opSwishPairV:
		k.SwishPair(r[op.dst], r[op.b], r[op.a])
	case opClampV:
		k.Clamp(r[op.dst], r[op.a], op.k0.value, op.k1.value)
	case opWithinV:
		k.Within(r[op.dst], r[op.a], op.k0.value, op.k1.value)
	case opSumV:
		k.ChannelSum(l.sums(f, op.dst, len(r[op.a])), r[op.a])
	case opDotV:
		k.ChannelDot(l.sums(f, op.dst, len(r[op.a])), r[op.a], r[op.b])
	case opTotalV:
		f.at(l.accumulators[op.dst].node, image, 1)[0] += k.Dot(r[op.a], r[op.b])
	case opSplitV:
		p := &l.planes[op.dst]
		p.Split(p.unit, f.tileOf(p.node), r[op.a], f.images, image, pixel)
	}
}

// number is the value of a coefficient for an image.
func (f *frame) number(c coefficient, image int) float32 {
	if c.node == nil {
		return c.value
	}
	return f.at(c.node, image, 1)[0]
}

// operands lists the registers an instruction touches.
func (op vectorOp) operands() []int {
	switch op.op {
	case opFill:
		return []int{op.dst}
	case opSumV, opSplitV:
		return []int{op.a}
	case opDotV, opTotalV:
		return []int{op.a, op.b}
	case opAddVV, opMulVV, opSubVV, opAddScaledVV, opSwishPairV:
		return []int{op.dst, op.a, op.b}
	case opMulAddVVV:
		return []int{op.dst, op.a, op.b, op.c}
	}
	return []int{op.dst, op.a}
}

// writes says whether the instruction writes the register.
func (op vectorOp) writes(r int) bool {
	switch op.op {
	case opSumV, opDotV, opTotalV, opSplitV:
		return false
	case opSwishPairV:
		return r == op.dst || r == op.b
	}
	return r == op.dst
}

// lastRead is the place of the last instruction that reads a value from memory, -1 if there is none.
func (l *loop) lastRead(n *node) int {
	last := -1
	for i, op := range l.code {
		for _, r := range op.operands() {
			if l.registers[r].node == n && !op.writes(r) {
				last = i
			}
		}
	}
	return last
}

// firstWrite is the place of the first instruction that writes a value to memory, -1 if there is none.
func (l *loop) firstWrite(n *node) int {
	return slices.IndexFunc(l.code, func(op vectorOp) bool {
		return slices.ContainsFunc(op.operands(), func(r int) bool { return l.registers[r].node == n && op.writes(r) })
	})
}

func fill(dst []float32, value float32) {
	for i := range dst {
		dst[i] = value
	}
}

// repeat fills dst with copies of row.
func repeat(dst, row []float32) {
	n := copy(dst, row)
	for n < len(dst) {
		n += copy(dst[n:], dst[:n])
	}
}

// pow is a^p, exactly rounded for the powers that occur in norms.
func pow(dst, a []float32, p float32) {
	switch p {
	case -1:
		for i, x := range a {
			dst[i] = 1 / x
		}
	case 0.5:
		for i, x := range a {
			dst[i] = float32(math.Sqrt(float64(x)))
		}
	case -0.5:
		for i, x := range a {
			dst[i] = float32(1 / math.Sqrt(float64(x)+0)) // of -0 as of 0
		}
	default:
		for i, x := range a {
			dst[i] = float32(math.Pow(float64(x), float64(p)))
		}
	}
}
