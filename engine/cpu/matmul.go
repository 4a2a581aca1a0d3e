package cpu

import "github.com/joule-ebm/joule/internal/kernels"

// This file multiplies matrices, image by image, as attention does: c = a·b with H·W×C values read as matrices of H·W rows, either
// transposed first if asked. It is a convolution of one tap, whose kernel is the image's own b and is packed each time.

// matMul computes one product for a tile of images.
type matMul struct {
	a, b, c          *node
	ta, tb           bool
	rows, inner, out int // of the result: rows×out, each a sum of inner products
	tile             kernels.ConvTile
}

func (p *program) newMatMul(n *node) *matMul {
	m := &matMul{a: n.in[0], b: n.in[1], c: n, ta: n.attr.TA, tb: n.attr.TB}
	m.rows, m.out = n.shape[0]*n.shape[1], n.shape[2]
	m.inner = m.a.shape[2]
	if m.ta {
		m.inner = m.a.shape[0] * m.a.shape[1]
	}
	m.tile = convTile(p.kernels, m.out)
	return m
}

// scratch is a block of results, a transposed if need be, and b packed.
func (m *matMul) scratch() int {
	block, left := m.tile.Rows*m.tile.Cols, 0
	if m.ta {
		left = m.rows * m.inner
	}
	return block + left + roundUp(m.out, m.tile.Cols)*m.inner
}

func (m *matMul) run(f *frame) {
	cols := m.tile.Cols
	block, rest := f.scratch[:m.tile.Rows*cols], f.scratch[m.tile.Rows*cols:]
	for image := range f.images {
		a, b, c := f.at(m.a, image, m.rows*m.inner), f.at(m.b, image, m.inner*m.out), f.at(m.c, image, m.rows*m.out)
		scratch := rest
		if m.ta {
			transpose(scratch, a, m.inner, m.rows)
			a, scratch = scratch[:m.rows*m.inner], scratch[m.rows*m.inner:]
		}
		for j := 0; j < m.out; j += cols {
			panel := scratch[j*m.inner:][:cols*m.inner]
			m.packPanel(panel, b, j)
			m.runPanel(f, c, a, panel, j, block)
		}
	}
}

// packPanel copies the columns of b from j on, with zeros beyond the last.
func (m *matMul) packPanel(panel, b []float32, j int) {
	cols := m.tile.Cols
	used := min(cols, m.out-j)
	for k := range m.inner {
		row := panel[k*cols:][:cols]
		clear(row)
		if !m.tb {
			copy(row, b[k*m.out+j:k*m.out+j+used])
			continue
		}
		for o := range used {
			row[o] = b[(j+o)*m.inner+k]
		}
	}
}

// runPanel computes the columns of c from j on: whole blocks directly, what sticks out by way of a block in scratch memory.
func (m *matMul) runPanel(f *frame, c, a, panel []float32, j int, block []float32) {
	rows, cols := m.tile.Rows, m.tile.Cols
	used, offsets := min(cols, m.out-j), f.contiguousRows(rows, m.inner)
	for from := 0; from < m.rows; from += rows {
		n := min(rows, m.rows-from)
		at := offsets
		if n < rows {
			at = f.padRows(offsets, n)
		}
		if n == rows && used == cols {
			m.tile.Run(c[from*m.out+j:], m.out, a[from*m.inner:], at, 1, 1, m.inner, panel, nil)
			continue
		}
		m.tile.Run(block, cols, a[from*m.inner:], at, 1, 1, m.inner, panel, nil)
		for r := range n {
			copy(c[(from+r)*m.out+j:][:used], block[r*cols:])
		}
	}
}
