package dataset

// Which images a set has: a checksum of 8 bytes and the name of each, so that when the set has changed it can be said which came and went.
// As a file it is a line an image, in their order, compressed by gzip:
//
//	5f0c2a9be4d17368 "cat/1.png"
//
// The checksum is that of the pixels alone: of two CRCs, which together are one of 64 bits, as their polynomials have no common factor.

import (
	"bufio"
	"compress/gzip"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
	"strconv"
	"strings"
)

// Inventory lists the images of a set.
type Inventory struct {
	Sums  []uint64 // of the values, an image each
	Names []string // within the source; nil where images are known by their places alone, as those of an array
}

// Inventory lists the images of the set. Those of a set that was split have no names any more.
func (s *Set) Inventory() Inventory {
	v := Inventory{Sums: make([]uint64, s.Len()), Names: s.names}
	castagnoli := crc32.MakeTable(crc32.Castagnoli)
	for i := range v.Sums {
		image := s.Image(i)
		v.Sums[i] = uint64(crc32.Checksum(image, castagnoli))<<32 | uint64(crc32.ChecksumIEEE(image))
	}
	return v
}

// WriteTo writes the inventory as a file.
func (v Inventory) WriteTo(w io.Writer) (int64, error) {
	out := gzip.NewWriter(w)
	line := []byte(nil)
	for i, sum := range v.Sums {
		line = fmt.Appendf(line[:0], "%016x", sum)
		if v.Names != nil {
			line = strconv.AppendQuote(append(line, ' '), v.Names[i])
		}
		if _, err := out.Write(append(line, '\n')); err != nil {
			return 0, err
		}
	}
	return 0, out.Close()
}

// ReadInventory reads one of n images.
func ReadInventory(r io.Reader, n int) (v Inventory, err error) {
	in, err := gzip.NewReader(r)
	if err != nil {
		return v, fmt.Errorf("not an inventory of images: %w", err)
	}
	for lines := bufio.NewScanner(in); ; {
		if !lines.Scan() {
			if err := lines.Err(); err != nil {
				return v, fmt.Errorf("damaged inventory of images: %w", err)
			}
			break
		}
		text, name, named := strings.Cut(lines.Text(), " ")
		sum, err := strconv.ParseUint(text, 16, 64)
		if err == nil && named {
			name, err = strconv.Unquote(name)
		}
		if err != nil || len(v.Sums) == n || named != (len(v.Sums) == len(v.Names)) && len(v.Sums) > 0 {
			return v, fmt.Errorf("damaged inventory of images: line %d", len(v.Sums)+1)
		}
		if v.Sums = append(v.Sums, sum); named {
			v.Names = append(v.Names, name)
		}
	}
	if len(v.Sums) != n {
		return v, fmt.Errorf("damaged inventory of images: %d of %d", len(v.Sums), n)
	}
	return v, nil
}

// name is what image i is called.
func (v Inventory) name(i int) string {
	if v.Names == nil {
		return fmt.Sprintf("[%d]", i)
	}
	return quoted(v.Names[i])
}

// Since says in one line what has become of the images since there were those of an earlier inventory: which came, went, have other pixels
// or go by another name. It says so too if they are all the same.
func (v Inventory) Since(was Inventory) string {
	type like struct {
		sum  uint64
		name string
	}
	// Pairs of an image then and one now are made of those of like pixels and name first, then of those alike in one of the two.
	named := v.Names != nil && was.Names != nil
	of := func(from Inventory, i int, sum, name bool) (key like) {
		if sum {
			key.sum = from.Sums[i]
		}
		if name && named {
			key.name = from.Names[i]
		}
		return key
	}
	before, after := indices(len(was.Sums)), indices(len(v.Sums))
	pair := func(sum, name bool) (pairs [][2]int) {
		waiting := map[like][]int{}
		for _, i := range before {
			key := of(was, i, sum, name)
			waiting[key] = append(waiting[key], i)
		}
		after = slices.DeleteFunc(after, func(i int) bool {
			key := of(v, i, sum, name)
			if len(waiting[key]) == 0 {
				return false
			}
			pairs = append(pairs, [2]int{waiting[key][0], i})
			waiting[key] = waiting[key][1:]
			return true
		})
		before = before[:0]
		for _, left := range waiting {
			before = append(before, left...)
		}
		slices.Sort(before)
		return pairs
	}
	pair(true, true)
	var renamed, changed [][2]int
	if named {
		renamed, changed = pair(true, false), pair(false, true)
	}
	var parts []string
	say := func(n int, what string, name func(k int) string) {
		const few = 3
		if n == 0 {
			return
		}
		var names []string
		for k := range min(n, few) {
			names = append(names, name(k))
		}
		if n > few {
			names = append(names, "...")
		}
		parts = append(parts, fmt.Sprintf("%d %s (%s)", n, what, strings.Join(names, ", ")))
	}
	say(len(after), "came", func(k int) string { return v.name(after[k]) })
	say(len(before), "went", func(k int) string { return was.name(before[k]) })
	say(len(changed), "with other pixels", func(k int) string { return v.name(changed[k][1]) })
	say(len(renamed), "by another name", func(k int) string {
		return was.name(renamed[k][0]) + ", now " + v.name(renamed[k][1])
	})
	switch {
	case len(parts) > 0:
		return strings.Join(parts, ", ")
	case slices.Equal(v.Sums, was.Sums):
		return "the same pixels in the same order, with other labels or numbers"
	}
	return "the same images in another order"
}

// indices are 0 to n-1.
func indices(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return all
}
