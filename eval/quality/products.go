package quality

import (
	"context"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
)

// products visits the inner products ⟨aᵢ, bⱼ⟩ of all pairs of rows, in float64, a tile of pairs at a time: only tiles are ever in
// memory. It visits rows in order: for each i, j goes up.
func products(ctx context.Context, a, b Features, visit func(i, j int, product float64)) error {
	const tileRows, tileColumns = 256, 1024
	out := make([]float64, tileRows*tileColumns)
	left, right := make([]float64, tileRows*a.Dim), make([]float64, tileColumns*a.Dim)
	for i := 0; i < a.Len(); i += tileRows {
		l := matrix(left, a, i, min(tileRows, a.Len()-i))
		for j := 0; j < b.Len(); j += tileColumns {
			if err := ctx.Err(); err != nil {
				return err
			}
			r := matrix(right, b, j, min(tileColumns, b.Len()-j))
			tile := blas64.General{Rows: l.Rows, Cols: r.Rows, Stride: r.Rows, Data: out[:l.Rows*r.Rows]}
			blas64.Gemm(blas.NoTrans, blas.Trans, 1, l, r, 0, tile)
			for p, v := range tile.Data {
				visit(i+p/r.Rows, j+p%r.Rows, v)
			}
		}
	}
	return nil
}

// matrix copies n rows from the i-th on.
func matrix(dst []float64, f Features, i, n int) blas64.General {
	for p, v := range f.Values[i*f.Dim:][:n*f.Dim] {
		dst[p] = float64(v)
	}
	return blas64.General{Rows: n, Cols: f.Dim, Stride: f.Dim, Data: dst[:n*f.Dim]}
}
