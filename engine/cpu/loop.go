package cpu

import (
	"math"
	"slices"

	"github.com/joule-ebm/joule/expr"
	"github.com/joule-ebm/joule/internal/kernels/matrix"
)

// This file runs fused pointwise operations: a small program of vector instructions, executed for one chunk of pixels at a time
// on registers that are slices of the first-level cache or of the values' own memory. Values of one number per channel are
// repeated to the length of a chunk once per image; single numbers are coefficients.

// chunkFloats is the length of a register.
const chunkFloats = 1024

type opcode uint8

const (
	opFill opcode = iota // dst = s
	opAddVV
	opMulVV
	opSubVV
	opMulAddVVV
	opAddScaledVV // a + k0·b
	opAffineV     // k0·a + k1, each a constant or a number in memory
	opPowV
	opExpV
	opLogV
	opSwishV
	opSwishPairV // dst = Swish(a, 0), b = Swish(a, 1)
	opClampV
	opWithinV
	opSumV   // accumulator[dst] += sum per channel of a
	opDotV   // ... of a·b
	opTotalV // accumulator[dst] += sum of a·b
	opSplitV // planes[dst] = a in parts
)

// coefficient is a constant, or a number in memory.
type coefficient struct {
	node  *node
	value float32
}

type vectorOp struct {
	op      opcode
	sums    bool // of a product: it and the three instructions that follow are NormSums of package kernels
	dst     int
	a, b, c int
	k0, k1  coefficient
	order   int
}

// register is an operand of vector instructions.
type register struct {
	node *node // whose memory it is; nil: scratch
	row  bool  // one number per channel, repeated in scratch
	slot int   // of scratch
}

type accumulator struct {
	node  *node
	total bool
}

// planes are where a loop leaves a value in parts.
type planes struct {
	matrix.Planes
	node *node
	unit *matrix.Unit
}

type loop struct {
	domain       expr.Shape
	flat         bool // all images as one
	registers    []register
	accumulators []accumulator
	planes       []planes
	code         []vectorOp
	slots        int
	ones         int // register of ones, or -1
}

// newLoop translates a unit of fusible nodes.
func (p *program) newLoop(u *unit) *loop {
	b := loopBuilder{program: p, unit: u, loop: &loop{domain: u.domain, ones: -1}, of: map[*node]int{}, absorbed: map[*node]bool{}}
	b.flatten()
	b.absorb()
	for _, n := range u.nodes {
		if _, done := b.of[n]; !done && !b.absorbed[n] {
			b.emit(n)
		}
	}
	b.loop.findNormSums()
	b.assignSlots()
	return b.loop
}

// findNormSums marks the instructions that one kernel does at once:
//
//	m = a·b,  s = x·scale + shift,  dot += m·s,  sum += m
func (l *loop) findNormSums() {
	if l.domain[2]%16 != 0 {
		return
	}
	for i := range max(0, len(l.code)-3) {
		m, s, dot, sum := &l.code[i], &l.code[i+1], &l.code[i+2], &l.code[i+3]
		if m.op != opMulVV || s.op != opMulAddVVV || dot.op != opDotV || sum.op != opSumV {
			continue
		}
		private := l.registers[s.dst].node == nil && !slices.ContainsFunc(l.code[i+3:], func(op vectorOp) bool { return slices.Contains(op.operands(), s.dst) })
		m.sums = private && l.registers[s.b].row && l.registers[s.c].row && !l.registers[s.a].row && s.a != m.dst &&
			sum.a == m.dst && (dot.a == m.dst && dot.b == s.dst || dot.a == s.dst && dot.b == m.dst)
	}
}

type loopBuilder struct {
	program  *program
	unit     *unit
	loop     *loop
	of       map[*node]int // register of a node
	absorbed map[*node]bool
}

type operandClass uint8

const (
	inRegister operandClass = iota
	fullOperand
	rowOperand
	numberOperand
)

func (b *loopBuilder) class(n *node) operandClass {
	domain := b.unit.domain
	sharedInSample := n.kind == expr.Shared && b.unit.nodes[0].kind == expr.Sample
	switch {
	case n.op == expr.OpConst:
		return numberOperand
	case n.unit == b.unit && !n.isReduction():
		return inRegister
	case n.shape == expr.Scalar && (domain != expr.Scalar || sharedInSample):
		return numberOperand
	case n.shape == domain && !(sharedInSample && domain == domain.Channels()):
		return fullOperand
	case n.shape == domain.Channels():
		return rowOperand
	}
	return fullOperand
}

// flatten runs all images of a tile as one where nothing in the loop is particular to an image.
func (b *loopBuilder) flatten() {
	b.loop.flat = b.unit.nodes[0].kind == expr.Sample
	for _, n := range b.unit.nodes {
		if n.isReduction() || n.op == opSplit {
			b.loop.flat = false
		}
		for _, in := range n.in {
			switch class := b.class(in); {
			case class == inRegister:
			case class == fullOperand && (in.kind == expr.Shared || in.alias), class != fullOperand && in.kind == expr.Sample:
				b.loop.flat = false
			}
		}
	}
}

// absorb finds products and multiples that are added, or summed, and used for nothing else.
func (b *loopBuilder) absorb() {
	private := func(n *node) bool {
		return n.unit == b.unit && len(n.users) == 1 && !b.program.inMemory(n)
	}
	vector := func(n *node) bool { return b.class(n) != numberOperand }
	for _, n := range b.unit.nodes {
		switch n.op {
		case expr.OpAdd:
			for i, in := range n.in {
				other := n.in[1-i]
				product := in.op == expr.OpMul && vector(in.in[0]) && vector(in.in[1])
				multiple := in.op == expr.OpAffine && in.attr.X[1] == 0 && vector(in.in[0])
				if private(in) && vector(other) && (product || multiple) {
					b.absorbed[in] = true
					break
				}
			}
		case expr.OpSum:
			if in := n.in[0]; in.op == expr.OpMul && private(in) && vector(in.in[0]) && vector(in.in[1]) {
				b.absorbed[in] = true
			}
		}
	}
}

func (b *loopBuilder) newRegister(r register) int {
	b.loop.registers = append(b.loop.registers, r)
	return len(b.loop.registers) - 1
}

// vector is the register that holds n's elements.
func (b *loopBuilder) vector(n *node) int {
	if r, ok := b.of[n]; ok {
		return r
	}
	class := b.class(n)
	if class == numberOperand {
		r := b.newRegister(register{})
		b.code(vectorOp{op: opFill, dst: r, k0: b.number(n)})
		b.of[n] = r
		return r
	}
	r := b.newRegister(register{node: n, row: class == rowOperand})
	b.of[n] = r
	return r
}

func (b *loopBuilder) number(n *node) coefficient {
	if c, ok := n.constant(); ok {
		return coefficient{value: c}
	}
	return coefficient{node: n}
}

func constant(c float64) coefficient { return coefficient{value: float32(c)} }

func (b *loopBuilder) code(op vectorOp) { b.loop.code = append(b.loop.code, op) }

func (b *loopBuilder) result(n *node) int {
	r := register{}
	if b.program.inMemory(n) {
		r.node = n
	}
	b.of[n] = b.newRegister(r)
	return b.of[n]
}

func (b *loopBuilder) emit(n *node) {
	isNumber := func(m *node) bool { return b.class(m) == numberOperand }
	switch n.op {
	case expr.OpAdd, expr.OpMul:
		x, y := n.in[0], n.in[1]
		if isNumber(x) && !isNumber(y) {
			x, y = y, x
		}
		if isNumber(y) {
			op := vectorOp{op: opAffineV, a: b.vector(x), k0: constant(1), k1: b.number(y)}
			if n.op == expr.OpMul {
				op.k0, op.k1 = b.number(y), constant(0)
			}
			op.dst = b.result(n)
			b.code(op)
			return
		}
		if n.op == expr.OpMul {
			op := vectorOp{op: opMulVV, a: b.vector(x), b: b.vector(y)}
			op.dst = b.result(n)
			b.code(op)
			return
		}
		if b.absorbed[x] {
			x, y = y, x
		}
		var op vectorOp
		switch {
		case !b.absorbed[y]:
			op = vectorOp{op: opAddVV, a: b.vector(x), b: b.vector(y)}
		case y.op == expr.OpMul:
			op = vectorOp{op: opMulAddVVV, a: b.vector(y.in[0]), b: b.vector(y.in[1]), c: b.vector(x)}
		case y.attr.X[0] == -1:
			op = vectorOp{op: opSubVV, a: b.vector(x), b: b.vector(y.in[0])}
		default:
			op = vectorOp{op: opAddScaledVV, a: b.vector(x), b: b.vector(y.in[0]), k0: constant(y.attr.X[0])}
		}
		op.dst = b.result(n)
		b.code(op)
	case expr.OpSum:
		acc := len(b.loop.accumulators)
		total := n.shape != n.in[0].shape.Channels() || n.shape == expr.Scalar
		b.loop.accumulators = append(b.loop.accumulators, accumulator{node: n, total: total})
		op := vectorOp{op: opSumV, dst: acc}
		switch in := n.in[0]; {
		case b.absorbed[in]:
			op.op, op.a, op.b = opDotV, b.vector(in.in[0]), b.vector(in.in[1])
		case total:
			if b.loop.ones < 0 {
				b.loop.ones = b.newRegister(register{row: true})
			}
			op.a, op.b = b.vector(in), b.loop.ones
		default:
			op.a = b.vector(in)
		}
		if total {
			op.op = opTotalV
		}
		b.code(op)
	case expr.OpSwish:
		if pair := b.swishSlope(n); pair != nil {
			op := vectorOp{op: opSwishPairV, a: b.vector(n.in[0])}
			op.dst, op.b = b.result(n), b.result(pair)
			if n.attr.N[0] == 1 {
				op.dst, op.b = op.b, op.dst
			}
			b.code(op)
			return
		}
		op := vectorOp{op: opSwishV, a: b.vector(n.in[0]), order: n.attr.N[0]}
		op.dst = b.result(n)
		b.code(op)
	case opSplit:
		b.code(vectorOp{op: opSplitV, dst: len(b.loop.planes), a: b.vector(n.in[0])})
		b.loop.planes = append(b.loop.planes, planes{b.program.graph.planes(n.in[0].shape), n, matrix.Best()})
	default:
		codes := map[expr.Op]opcode{expr.OpAffine: opAffineV, expr.OpPow: opPowV, expr.OpExp: opExpV, expr.OpLog: opLogV,
			expr.OpClamp: opClampV, expr.OpWithin: opWithinV}
		op := vectorOp{op: codes[n.op], a: b.vector(n.in[0]), k0: constant(n.attr.X[0]), k1: constant(n.attr.X[1])}
		op.dst = b.result(n)
		b.code(op)
	}
}

// swishSlope is the node of the other order, if both the activation (0) and its slope (1) of the same value are in the loop.
func (b *loopBuilder) swishSlope(n *node) *node {
	order := n.attr.N[0]
	if order > 1 {
		return nil
	}
	for _, u := range n.in[0].users {
		if u.op == expr.OpSwish && u.unit == b.unit && u.attr.N[0] == 1-order {
			return u
		}
	}
	return nil
}

// assignSlots gives scratch registers their place, reusing those whose last reader has passed.
func (b *loopBuilder) assignSlots() {
	l := b.loop
	last := make([]int, len(l.registers))
	for i, op := range l.code {
		for _, r := range op.operands() {
			last[r] = i
		}
	}
	var free []int
	take := func() int {
		if n := len(free); n > 0 {
			slot := free[n-1]
			free = free[:n-1]
			return slot
		}
		l.slots++
		return l.slots - 1
	}
	placed := make([]bool, len(l.registers))
	for r := range l.registers {
		if l.registers[r].row { // filled before the loop
			l.registers[r].slot, placed[r] = take(), true
		}
	}
	for i, op := range l.code {
		for _, r := range op.operands() {
			if reg := &l.registers[r]; !placed[r] && reg.node == nil {
				reg.slot, placed[r] = take(), true
			}
		}
		done := map[int]bool{}
		for _, r := range op.operands() {
			if reg := l.registers[r]; last[r] == i && reg.node == nil && !reg.row && !done[r] {
				free, done[r] = append(free, reg.slot), true
			}
		}
	}
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

// lastRead is the place of the last instruction that reads a value from memory, firstWrite of the first that writes it.
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

func (l *loop) firstWrite(n *node) int {
	return slices.IndexFunc(l.code, func(op vectorOp) bool {
		return slices.ContainsFunc(op.operands(), func(r int) bool { return l.registers[r].node == n && op.writes(r) })
	})
}

func (l *loop) chunkPixels() int { return max(1, chunkFloats/l.domain[2]) }

// register size in scratch memory.
func (l *loop) chunk() int { return (l.chunkPixels()*l.domain[2] + 15) &^ 15 }

// scratch is the memory a loop needs beside the arenas: its registers, and the sums of its accumulators.
func (l *loop) scratch() int { return l.slots*l.chunk() + len(l.accumulators)*l.sumWidth() }

// sumWidth is the number of sums of an accumulator: one for each channel, or, of few channels, one for each channel of as many pixels as
// fill the registers.
func (l *loop) sumWidth() int {
	const full = 64
	if c := l.domain[2]; c < full && full%c == 0 {
		return full
	}
	return l.domain[2]
}

// sums are those of an accumulator that n numbers are added to.
func (l *loop) sums(f *frame, accumulator, n int) []float32 {
	width := l.sumWidth()
	all := f.scratch[l.slots*l.chunk()+accumulator*width:][:width]
	if n%width != 0 {
		return all[:l.domain[2]]
	}
	return all
}

func (l *loop) run(f *frame) {
	pixels, channels := l.domain[0]*l.domain[1], l.domain[2]
	images := f.images
	if l.flat {
		pixels, images = pixels*images, 1
	}
	step := l.chunkPixels()
	chunk := l.chunk()
	regs := f.registers(len(l.registers))
	for _, p := range l.planes {
		p.Border(f.tileOf(p.node), f.images)
	}
	for image := range images {
		for i, r := range l.registers {
			if !r.row {
				continue
			}
			row := f.scratch[r.slot*chunk:][:min(step, pixels)*channels]
			if image > 0 && (r.node == nil || r.node.kind == expr.Shared) {
				continue
			}
			if i == l.ones {
				fill(row, 1)
			} else {
				repeat(row, f.at(r.node, image, channels))
			}
		}
		for i, acc := range l.accumulators {
			clear(f.at(acc.node, image, acc.node.shape.Size()))
			clear(l.sums(f, i, 0))
		}
		for from := 0; from < pixels; from += step {
			n := min(step, pixels-from) * channels
			for i, r := range l.registers {
				if r.node != nil && !r.row {
					regs[i] = f.at(r.node, image, (from*channels)+n)[from*channels:]
				} else {
					regs[i] = f.scratch[r.slot*chunk:][:n]
				}
			}
			for i := 0; i < len(l.code); i++ {
				if l.code[i].sums && n%l.sumWidth() == 0 {
					l.normSums(l.code[i:], f, regs)
					i += 3
				} else {
					l.execute(&l.code[i], f, image, from, regs)
				}
			}
		}
		for i, acc := range l.accumulators {
			if acc.total {
				continue
			}
			for sums, sum := l.sums(f, i, 0), f.at(acc.node, image, channels); len(sums) > 0; sums = sums[channels:] {
				f.kernels.Add(sum, sum, sums)
			}
		}
	}
}

// normSums does what findNormSums has found.
func (l *loop) normSums(code []vectorOp, f *frame, r [][]float32) {
	m, s := &code[0], &code[1]
	dst := r[m.dst]
	dot, sum := l.sums(f, code[2].dst, len(dst)), l.sums(f, code[3].dst, len(dst))
	f.kernels.NormSums(dst, r[m.a], r[m.b], r[s.a], r[s.b][:len(sum)], r[s.c][:len(sum)], sum, dot, len(dst)/len(sum))
}

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

// at is the memory of a node's value for one image of the tile, n floats of it.
func (f *frame) at(n *node, image, size int) []float32 {
	from := n.place.offset + image*n.stride()
	return f.mem[n.place.space][from : from+size : from+size]
}

func (f *frame) number(c coefficient, image int) float32 {
	if c.node == nil {
		return c.value
	}
	return f.at(c.node, image, 1)[0]
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
			dst[i] = float32(1 / math.Sqrt(float64(x)))
		}
	default:
		for i, x := range a {
			dst[i] = float32(math.Pow(float64(x), float64(p)))
		}
	}
}
