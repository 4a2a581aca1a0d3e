package quality

// This file goes through all pairs of rows, which KID, precision, recall, density and coverage are made of.

import (
	"context"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
)

// work is a long computation that can be stopped and followed.
type work struct {
	ctx      context.Context
	progress func(pairs int) // nil if nobody asks
}

// The pairs of rows of a tile: enough for the matrix product to be fast, and little memory.
const tileRows, tileColumns = 256, 1024

// products visits the inner products ⟨aᵢ, bⱼ⟩ of all pairs of rows, in float64, a tile of pairs at a time: only tiles are ever in
// memory. Of a set with itself, b = a, it visits each pair i < j once.
func (w work) products(a, b Features, same bool, visit func(i, j int, product float64)) error {
	out := make([]float64, tileRows*tileColumns)
	left, right := make([]float64, tileRows*a.Dim), make([]float64, tileColumns*a.Dim)
	for i := 0; i < a.Len(); i += tileRows {
		l, first := matrix(left, a, i, min(tileRows, a.Len()-i)), 0
		if same {
			first = i
		}
		for j := first; j < b.Len(); j += tileColumns {
			if err := w.ctx.Err(); err != nil {
				return err
			}
			r := matrix(right, b, j, min(tileColumns, b.Len()-j))
			tile := blas64.General{Rows: l.Rows, Cols: r.Rows, Stride: r.Rows, Data: out[:l.Rows*r.Rows]}
			blas64.Gemm(blas.NoTrans, blas.Trans, 1, l, r, 0, tile)
			for p, v := range tile.Data {
				if y, x := i+p/r.Rows, j+p%r.Rows; !same || y < x {
					visit(y, x, v)
				}
			}
			if w.progress != nil {
				w.progress(len(tile.Data))
			}
		}
	}
	return nil
}

// pairs is about how many pairs products goes through.
func pairs(n, m int, same bool) int64 {
	if same {
		return int64(n) * int64(n+tileRows) / 2
	}
	return int64(n) * int64(m)
}

// distances visits the squared distances of pairs of rows, ‖a‖² + ‖b‖² - 2⟨a, b⟩.
func (w work) distances(a, b Features, same bool, visit func(i, j int, squared float64)) error {
	na, nb := norms(a), norms(b)
	return w.products(a, b, same, func(i, j int, product float64) { visit(i, j, max(0, na[i]+nb[j]-2*product)) })
}

func norms(f Features) []float64 {
	out, row := make([]float64, f.Len()), make([]float64, f.Dim)
	for i := range out {
		v := blas64.Vector{N: f.Dim, Data: matrix(row, f, i, 1).Data, Inc: 1}
		out[i] = blas64.Dot(v, v)
	}
	return out
}

// matrix copies n rows from the i-th on.
func matrix(dst []float64, f Features, i, n int) blas64.General {
	for p, v := range f.Values[i*f.Dim:][:n*f.Dim] {
		dst[p] = float64(v)
	}
	return blas64.General{Rows: n, Cols: f.Dim, Stride: f.Dim, Data: dst[:n*f.Dim]}
}
