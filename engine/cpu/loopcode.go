package cpu

import (
	"slices"

	"github.com/joule-ebm/joule/expr"
	"github.com/joule-ebm/joule/internal/kernels/matrix"
)

// This file translates a group of pointwise nodes into the code of a loop: instruction selection, which finds multiply-adds, pairs of a
// value and its slope, and the sums of a normalisation's derivative; then an allocation of scratch registers by liveness.

// newLoop translates a group of fusible nodes.
func (p *program) newLoop(g *group) *loop {
	b := loopBuilder{program: p, group: g, loop: &loop{domain: g.domain, ones: -1}, registerOf: map[*node]int{}, fused: map[*node]bool{}}
	b.mergeImages()
	b.fuseMultiplyAdds()
	for _, n := range g.nodes {
		if _, done := b.registerOf[n]; !done && !b.fused[n] {
			b.translate(n)
		}
	}
	b.loop.fuseKernels()
	b.allocateSlots()
	return b.loop
}

type loopBuilder struct {
	program    *program
	group      *group
	loop       *loop
	registerOf map[*node]int
	fused      map[*node]bool // nodes that are part of their user's instruction
}

// operandClass is what an operand is to a loop.
type operandClass uint8

const (
	computedHere  operandClass = iota // by an instruction of this loop
	fullOperand                       // in memory, a number for each element of the domain
	rowOperand                        // in memory, a number per channel
	numberOperand                     // in memory, or a constant: one number
)

func (b *loopBuilder) classOf(n *node) operandClass {
	domain := b.group.domain
	sharedInSample := n.kind == expr.Shared && b.group.nodes[0].kind == expr.Sample
	switch {
	case n.op == expr.OpConst:
		return numberOperand
	case n.group == b.group && !n.isReduction():
		return computedHere
	case n.shape == expr.Scalar && (domain != expr.Scalar || sharedInSample):
		return numberOperand
	case n.shape == domain && !(sharedInSample && domain == domain.Channels()):
		return fullOperand
	case n.shape == domain.Channels():
		return rowOperand
	}
	return fullOperand
}

// mergeImages lets all images of a tile run as one long image where nothing in the loop is particular to an image: no sum over its pixels,
// no row or number of its own, no view, whose images do not lie one after the other.
func (b *loopBuilder) mergeImages() {
	b.loop.merged = b.group.nodes[0].kind == expr.Sample
	for _, n := range b.group.nodes {
		if n.isReduction() || n.op == opSplit {
			b.loop.merged = false
		}
		for _, in := range n.in {
			switch class := b.classOf(in); {
			case class == computedHere:
			case class == fullOperand && (in.kind == expr.Shared || in.view), class != fullOperand && in.kind == expr.Sample:
				b.loop.merged = false
			}
		}
	}
}

// fuseMultiplyAdds finds products and multiples that are added, or summed, and used for nothing else: a·b in a·b + c, k·a in b + k·a, and
// a·b in Sum(a·b).
func (b *loopBuilder) fuseMultiplyAdds() {
	private := func(n *node) bool {
		return n.group == b.group && len(n.users) == 1 && !b.program.needsMemory(n)
	}
	vector := func(n *node) bool { return b.classOf(n) != numberOperand }
	for _, n := range b.group.nodes {
		switch n.op {
		case expr.OpAdd:
			for i, in := range n.in {
				other := n.in[1-i]
				product := in.op == expr.OpMul && vector(in.in[0]) && vector(in.in[1])
				multiple := in.op == expr.OpAffine && in.attr.X[1] == 0 && vector(in.in[0])
				if private(in) && vector(other) && (product || multiple) {
					b.fused[in] = true
					break
				}
			}
		case expr.OpSum:
			if in := n.in[0]; in.op == expr.OpMul && private(in) && vector(in.in[0]) && vector(in.in[1]) {
				b.fused[in] = true
			}
		}
	}
}

func (b *loopBuilder) emit(op vectorOp) { b.loop.code = append(b.loop.code, op) }

// emitTo emits an instruction that computes n.
func (b *loopBuilder) emitTo(n *node, op vectorOp) {
	op.dst = b.newResult(n)
	b.emit(op)
}

func (b *loopBuilder) newRegister(r register) int {
	b.loop.registers = append(b.loop.registers, r)
	return len(b.loop.registers) - 1
}

// newResult is a register for the elements of n: its memory if something outside the loop reads it, else scratch.
func (b *loopBuilder) newResult(n *node) int {
	r := register{}
	if b.program.needsMemory(n) {
		r.node = n
	}
	b.registerOf[n] = b.newRegister(r)
	return b.registerOf[n]
}

// vector is the register that holds the elements of an operand.
func (b *loopBuilder) vector(n *node) int {
	if r, ok := b.registerOf[n]; ok {
		return r
	}
	class := b.classOf(n)
	if class == numberOperand {
		r := b.newRegister(register{})
		b.emit(vectorOp{op: opFill, dst: r, k0: b.coefficientOf(n)})
		b.registerOf[n] = r
		return r
	}
	r := b.newRegister(register{node: n, row: class == rowOperand})
	b.registerOf[n] = r
	return r
}

func (b *loopBuilder) coefficientOf(n *node) coefficient {
	if c, ok := n.constant(); ok {
		return coefficient{value: c}
	}
	return coefficient{node: n}
}

func constant(c float64) coefficient { return coefficient{value: float32(c)} }

// coefficientOps are the instructions of operations with one operand and two constants.
var coefficientOps = map[expr.Op]opcode{expr.OpAffine: opAffineV, expr.OpPow: opPowV, expr.OpExp: opExpV, expr.OpLog: opLogV,
	expr.OpClamp: opClampV, expr.OpWithin: opWithinV}

// translate emits the instruction of a node.
func (b *loopBuilder) translate(n *node) {
	switch n.op {
	case expr.OpAdd, expr.OpMul:
		b.translateArithmetic(n)
	case expr.OpSum:
		b.translateSum(n)
	case expr.OpSwish:
		b.translateSwish(n)
	case opSplit:
		b.emit(vectorOp{op: opSplitV, dst: len(b.loop.planes), a: b.vector(n.in[0])})
		b.loop.planes = append(b.loop.planes, planes{b.program.graph.planes(n.in[0].shape), n, matrix.Best()})
	default:
		b.emitTo(n, vectorOp{op: coefficientOps[n.op], a: b.vector(n.in[0]), k0: constant(n.attr.X[0]), k1: constant(n.attr.X[1])})
	}
}

// translateArithmetic emits x + y or x·y: with a number for y an affine map; with a fused y a multiply-add or the like.
func (b *loopBuilder) translateArithmetic(n *node) {
	isNumber := func(m *node) bool { return b.classOf(m) == numberOperand }
	x, y := n.in[0], n.in[1]
	if isNumber(x) && !isNumber(y) {
		x, y = y, x
	}
	switch {
	case isNumber(y) && n.op == expr.OpMul:
		b.emitTo(n, vectorOp{op: opAffineV, a: b.vector(x), k0: b.coefficientOf(y), k1: constant(0)})
		return
	case isNumber(y):
		b.emitTo(n, vectorOp{op: opAffineV, a: b.vector(x), k0: constant(1), k1: b.coefficientOf(y)})
		return
	case n.op == expr.OpMul:
		b.emitTo(n, vectorOp{op: opMulVV, a: b.vector(x), b: b.vector(y)})
		return
	}
	if b.fused[x] {
		x, y = y, x
	}
	switch {
	case !b.fused[y]:
		b.emitTo(n, vectorOp{op: opAddVV, a: b.vector(x), b: b.vector(y)})
	case y.op == expr.OpMul:
		b.emitTo(n, vectorOp{op: opMulAddVVV, a: b.vector(y.in[0]), b: b.vector(y.in[1]), c: b.vector(x)})
	case y.attr.X[0] == -1:
		b.emitTo(n, vectorOp{op: opSubVV, a: b.vector(x), b: b.vector(y.in[0])})
	default:
		b.emitTo(n, vectorOp{op: opAddScaledVV, a: b.vector(x), b: b.vector(y.in[0]), k0: constant(y.attr.X[0])})
	}
}

// translateSum emits a sum over pixels, to a number per channel or to one number, of a value or of a fused product. A sum to one number is
// a dot product, with ones if need be.
func (b *loopBuilder) translateSum(n *node) {
	total := n.shape != n.in[0].shape.Channels() || n.shape == expr.Scalar
	op := vectorOp{op: opSumV, dst: len(b.loop.accumulators)}
	b.loop.accumulators = append(b.loop.accumulators, accumulator{node: n, total: total})
	switch in := n.in[0]; {
	case b.fused[in]:
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
	b.emit(op)
}

// translateSwish emits the activation or a derivative of it; value and slope of the same operand together, for one exponential.
func (b *loopBuilder) translateSwish(n *node) {
	partner := b.swishPartner(n)
	if partner == nil {
		b.emitTo(n, vectorOp{op: opSwishV, a: b.vector(n.in[0]), order: n.attr.N[0]})
		return
	}
	op := vectorOp{op: opSwishPairV, a: b.vector(n.in[0])}
	op.dst, op.b = b.newResult(n), b.newResult(partner)
	if n.attr.N[0] == 1 {
		op.dst, op.b = op.b, op.dst
	}
	b.emit(op)
}

// swishPartner is the slope (order 1) of the same operand if n is the activation (order 0), and the other way about, if it is in the loop.
func (b *loopBuilder) swishPartner(n *node) *node {
	order := n.attr.N[0]
	if order > 1 {
		return nil
	}
	for _, u := range n.in[0].users {
		if u.op == expr.OpSwish && u.group == b.group && u.attr.N[0] == 1-order {
			return u
		}
	}
	return nil
}

// fuseKernels marks what one kernel does at once, all about a normalised value s that nothing else uses: the activation and its slope,
//
//	s = x·scale + shift;  value, slope = Swish(s)
//
// the gradient that goes on beyond the normalisation, and the sums that it needs,
//
//	s = x·scale + shift;  dst = a·factor + s
//	m = a·b;  s = x·scale + shift;  dot += m·s;  sum += m
//
// with rows for scale, shift and factor. The kernels do to each number what the instructions do.
func (l *loop) fuseKernels() {
	if l.domain[2]%16 != 0 {
		return
	}
	for i := 0; i < len(l.code); i += l.code[i].kernel.instructions() {
		l.code[i].kernel = l.kernelAt(i)
	}
	if !l.whole() {
		return
	}
	for i := range l.registers {
		l.registers[i].once = l.registers[i].row && i != l.ones
	}
	for i := 0; i < len(l.code); i += l.code[i].kernel.instructions() {
		if l.code[i].kernel == none {
			for _, r := range l.code[i].operands() {
				l.registers[r].once = false
			}
		}
	}
}

// kernelAt is the kernel that does the instruction there and the following ones.
func (l *loop) kernelAt(i int) kernel {
	vector := func(r int) bool { return !l.registers[r].row }
	row := func(r int) bool { return l.registers[r].row }
	// normalises says whether an instruction computes an s that is used by no instruction from the given place on.
	normalises := func(op vectorOp, from int) bool {
		usedLater := slices.ContainsFunc(l.code[from:], func(other vectorOp) bool { return slices.Contains(other.operands(), op.dst) })
		return op.op == opMulAddVVV && vector(op.a) && row(op.b) && row(op.c) && l.registers[op.dst].node == nil && !usedLater
	}
	code := l.code[i:]
	switch {
	case len(code) >= 2 && normalises(code[0], i+2):
		s, user := code[0].dst, code[1]
		switch {
		case user.op == opSwishV && user.order == 0 && user.a == s:
			return normSwish
		case user.op == opSwishPairV && user.a == s:
			return normSwishPair
		case user.op == opMulAddVVV && user.c == s && user.a != s && vector(user.a) && row(user.b):
			return normGrad
		}
	case len(code) >= 4 && code[0].op == opMulVV && normalises(code[1], i+4):
		m, s, dot, sum := code[0].dst, code[1].dst, code[2], code[3]
		both := dot.a == m && dot.b == s || dot.a == s && dot.b == m
		if code[1].a != m && dot.op == opDotV && both && sum.op == opSumV && sum.a == m {
			return normSums
		}
	}
	return none
}

// locate notes where the registers in memory lie, once that is known.
func (l *loop) locate() {
	for i, r := range l.registers {
		if r.node == nil {
			continue
		}
		v := value{i, r.node.address, r.node.stride()}
		if r.row {
			l.rows = append(l.rows, v)
		} else {
			l.values = append(l.values, v)
		}
	}
}

// allocateSlots gives scratch registers their place, and reuses a place once its last reader has passed. Rows keep theirs: they are filled
// before the code runs.
func (b *loopBuilder) allocateSlots() {
	l := b.loop
	last := make([]int, len(l.registers)) // instruction that touches a register last
	for i, op := range l.code {
		for _, r := range op.operands() {
			last[r] = i
		}
	}
	var free []int
	alloc := func() int {
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
		if l.registers[r].row {
			l.registers[r].slot, placed[r] = alloc(), true
		}
	}
	for i, op := range l.code {
		for _, r := range op.operands() {
			if reg := &l.registers[r]; !placed[r] && reg.node == nil {
				reg.slot, placed[r] = alloc(), true
			}
		}
		freed := map[int]bool{} // a register may be an operand twice
		for _, r := range op.operands() {
			if reg := l.registers[r]; last[r] == i && reg.node == nil && !reg.row && !freed[r] {
				free, freed[r] = append(free, reg.slot), true
			}
		}
	}
}
