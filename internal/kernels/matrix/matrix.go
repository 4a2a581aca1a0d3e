// Package matrix carries convolutions on the processor's matrix unit, which multiplies bf16 numbers (8 bits of precision) and adds
// the products in float32. A float32 number is written as the sum of two bf16 ones, and a product of two such sums without its
// smallest term is
//
//	x·w ≈ lo(x)·hi(w) + hi(x)·hi(w) + hi(x)·lo(w)        hi(x) = bf16(x), lo(x) = bf16(x - hi(x))
//
// off by about 2⁻¹⁶ of |x·w|, instead of 2⁻⁸ for hi(x)·hi(w) alone.
//
// A Unit is what multiplies: the AMX instructions of Intel's processors, in assembly that the generator in ../asm writes; vectors
// that compute the same without them; or the portable Go that defines it, instruction by instruction. Conv and KernelGrad are plans
// of convolutions and of their kernel gradients; the gradient with respect to the image is the convolution with flipped weights.
// Like its parent, the package knows nothing of graphs: it sees slices of float32, channels last, and trusts their lengths.
package matrix

import (
	"sync"
	"time"
	"unsafe"

	"github.com/joule-ebm/joule/internal/kernels"
	"github.com/joule-ebm/joule/internal/kernels/matrix/amx"
)

//go:generate go -C ../asm run . -family matrix -pkg matrix -out ../matrix/matrix_amd64.s -stubs ../matrix/stubs_amd64.go

// Parts is the number of bf16 numbers that stand for one float32 number.
type Parts int

const (
	Plain Parts = 1 // hi alone
	Split Parts = 2 // hi + lo
)

// The sizes of a tile: 16 rows of 16 float32 numbers, or of 32 bf16 numbers. A step is the product of two such tiles.
const (
	tileSide  = 16
	stepDepth = 32
	tileWords = tileSide * stepDepth // bf16 numbers
)

// Unit multiplies matrices.
type Unit struct {
	Name string // "amx", "avx512" or "portable"

	// split writes hi, and lo unless it is nil, for the len(x) numbers of x.
	split func(hi, lo []uint16, x []float32)
	// pack writes the tiles of hi, and of lo unless it is nil, for a step of the right operand: 32 rows of 16 columns, of which a row
	// of a tile holds two.
	pack func(hi, lo []uint16, rows []float32)
	// products are by parts, tiles of rows, and tiles of columns, each less one.
	products [2][2][2]product
	// multiplyAdds runs a loop of independent products and returns how many floating-point operations it did; nil if it is of no
	// interest how fast the unit is.
	multiplyAdds func(rounds int) float64
}

// product computes blocks of a product of matrices, each of 16 or 32 rows and columns. A block is three numbers, from, to and
// first: for every row r and column j of it
//
//	dst[to + r·stride + j] = start[first + r·startStride + j] + Σ_s Σ_k a[from + segments[s] + r·aStride + k] · b[s][k][j]
//
// with k < 32·steps. a is the hi part; lo lies plane numbers behind it. b holds panels of 16 columns, panel numbers apart, as
// pack lays them out. Each step adds, in this order, lo·hi, hi·hi and hi·lo, or hi·hi alone, as TDPBF16PS does.
// There is at least one block, segment and step. Start may be dst itself.
type product func(dst []float32, stride int, start []float32, startStride int, a []uint16, plane, aStride int, blocks, segments []int32,
	steps int, b []uint16, panel int)

// Native is this machine's matrix unit, or nil if it has none.
func Native() *Unit { return nativeOnce() }

var nativeOnce = sync.OnceValue(native)

// Best is what multiplies fastest here: the matrix unit, vectors that compute the same to the last bit, or plain Go.
func Best() *Unit {
	for _, u := range []*Unit{Native(), vectors()} {
		if u != nil {
			return u
		}
	}
	return Portable()
}

// Portable is the unit in plain Go, which runs everywhere, slowly, and defines what the others compute.
func Portable() *Unit {
	u := &Unit{Name: "portable", split: portableSplit, pack: portablePack}
	for i := range u.products {
		for r := range u.products[i] {
			for c := range u.products[i][r] {
				u.products[i][r][c] = portableProduct(Parts(i+1), r+1, c+1)
			}
		}
	}
	return u
}

func portableProduct(parts Parts, rowTiles, columnTiles int) product {
	return func(dst []float32, stride int, start []float32, startStride int, a []uint16, plane, aStride int, blocks, segments []int32,
		steps int, b []uint16, panel int) {
		rows, columns := rowTiles*tileSide, columnTiles*tileSide
		var (
			sums   [4 * tileSide * tileSide]float32
			hi, lo amx.Right
		)
		for ; len(blocks) >= 3; blocks = blocks[3:] {
			from, to, first := int(blocks[0]), int(blocks[1]), int(blocks[2])
			for r := range rows {
				copy(sums[r*columns:][:columns], start[first+r*startStride:])
			}
			for c := 0; c < columns; c += tileSide {
				weights := b[c/tileSide*panel:]
				for _, segment := range segments {
					for step := range steps {
						if hi.Set(weights[:tileWords], tileSide); parts == Split {
							lo.Set(weights[tileWords:][:tileWords], tileSide)
						}
						weights = weights[int(parts)*tileWords:]
						for r := range rows {
							at, sum := from+int(segment)+r*aStride+step*stepDepth, sums[r*columns+c:][:tileSide]
							if parts == Split {
								hi.AddProduct(sum, a[at+plane:][:stepDepth])
							}
							hi.AddProduct(sum, a[at:][:stepDepth])
							if parts == Split {
								lo.AddProduct(sum, a[at:][:stepDepth])
							}
						}
					}
				}
			}
			for r := range rows {
				copy(dst[to+r*stride:][:columns], sums[r*columns:])
			}
		}
	}
}

// multiply runs a product over all columns, a multiple of 16. Without a start the sums begin at zero.
func (u *Unit) multiply(parts Parts, columns int, dst []float32, stride int, start []float32, startStride int, a []uint16,
	plane, aStride int, lists blockLists, segments []int32, steps int, b []uint16) {
	panel := len(segments) * steps * int(parts) * tileWords
	for j := 0; j < columns; j += 2 * tileSide {
		c, first := min(2, (columns-j)/tileSide)-1, zeros[:]
		if start != nil {
			first = start[j:]
		}
		for r, blocks := range lists {
			if len(blocks) > 0 {
				u.products[parts-1][r][c](dst[j:], stride, first, startStride, a, plane, aStride, blocks, segments, steps,
					b[j/tileSide*panel:], panel)
			}
		}
	}
}

// blockLists are the blocks of 16 and of 32 rows, as product takes them.
type blockLists [2][]int32

// addBlock adds one block of so many tiles of rows.
func (l *blockLists) addBlock(tiles, from, to, first int) {
	l[tiles-1] = append(l[tiles-1], int32(from), int32(to), int32(first))
}

// cover adds blocks for rows that lie one after the other in a and dst and all start from the same sums. Blocks overlap where need be, which
// computes some rows twice: 40 rows are a block of 32 and one of 16 that begins at row 24. If there are fewer than 16, a block runs over
// their end.
func (l *blockLists) cover(rows, from, aStride, to, stride int) {
	add := func(tiles, row int) { l.addBlock(tiles, from+row*aStride, to+row*stride, 0) }
	row := 0
	for ; rows-row >= 2*tileSide; row += 2 * tileSide {
		add(2, row)
	}
	switch left := rows - row; {
	case left == 0:
	case left <= tileSide:
		add(1, max(0, rows-tileSide))
	case rows >= 2*tileSide:
		add(2, rows-2*tileSide)
	default:
		add(1, 0)
		add(1, rows-tileSide)
	}
}

// step gives the tiles of one step in a panel of so many steps in all, as pack wants them.
func (p Parts) step(panels []uint16, panel, steps, step int) (hi, lo []uint16) {
	tiles := panels[(panel*steps+step)*int(p)*tileWords:]
	if p == Split {
		lo = tiles[tileWords:][:tileWords]
	}
	return tiles[:tileWords], lo
}

// words views memory of float32 numbers as one of twice as many bf16 numbers.
func words(memory []float32) []uint16 {
	return unsafe.Slice((*uint16)(unsafe.Pointer(unsafe.SliceData(memory))), 2*len(memory))
}

func roundUp(n, to int) int { return (n + to - 1) / to * to }

// zeros start sums that begin at zero.
var zeros [2 * tileSide]float32

// Peak measures what the unit can do at all: GFLOP/s of bf16 products, two operations a multiply-add, summed over that many
// goroutines running for the given time. It is 0 for the portable unit.
func (u *Unit) Peak(threads int, d time.Duration) float64 {
	if u.multiplyAdds == nil {
		return 0
	}
	const rounds = 1000 // some tens of microseconds between looks at the clock
	return kernels.Rate(threads, d, func() float64 { return u.multiplyAdds(rounds) })
}
