// Command asm writes the assembly of package kernels, once for AVX-512 and once for AVX2 with FMA, from one description of
// each kernel, and that of package matrix. Run it with go generate in those packages' directories. It is a module of its own, so
// that avo, the assembler library it is written with, is no dependency of the project.
package main

import (
	"flag"

	. "github.com/mmcloughlin/avo/build"
)

func main() {
	family := flag.String("family", "vector", "what to write: vector, or matrix for the matrix unit's")
	flag.Parse()
	ConstraintExpr("amd64")
	if *family == "matrix" {
		matrixUnit()
		Generate()
		return
	}
	for _, s := range []simd{avx512, avx2} {
		pointwise(s)
		reductions(s)
		columns(s)
		normSums(s)
		normalised(s)
		gatherSum(s)
		multiplyAdds(s)
	}
	for _, t := range []tile{{avx512, 12, 2}, {avx512, 8, 2}, {avx512, 4, 2}, {avx512, 12, 1}, {avx512, 8, 1}, {avx512, 4, 1}, {avx2, 6, 2}, {avx2, 4, 2}} {
		t.conv()
	}
	for _, t := range []tile{{avx512, 8, 2}, {avx512, 8, 1}, {avx2, 4, 2}} {
		t.grad()
	}
	for _, s := range []simd{avx512, avx2} {
		for _, m := range []int{2, 4} {
			winograd{s, m}.kernels()
		}
	}
	Generate()
}
