package dataset

import (
	"bytes"
	"compress/gzip"
	"slices"
	"strings"
	"testing"
)

// Of a set that has changed it is said which images came and went, by their names where they have some.
func TestInventorySince(t *testing.T) {
	was := Inventory{[]uint64{1, 2, 3, 4, 4, 6}, []string{"a", "b", "c", "black", "black too", "x, y"}}
	for _, c := range []struct {
		name string
		now  Inventory
		want string
	}{
		{"came", Inventory{append(slices.Clone(was.Sums), 9), append(slices.Clone(was.Names), "d")}, "1 came (d)"},
		{"went", Inventory{[]uint64{1, 3, 4}, []string{"a", "c", "black too"}}, `3 went (b, black, "x, y")`},
		{"overwritten", Inventory{[]uint64{1, 7, 3, 4, 4, 6}, was.Names}, "1 with other pixels (b)"},
		{"renamed", Inventory{was.Sums, []string{"a", "z", "c", "black", "black too", "x, y"}}, "1 by another name (b, now z)"},
		{"labels", was, "the same pixels in the same order, with other labels or numbers"},
		{"order", Inventory{[]uint64{2, 1, 3, 4, 4, 6}, []string{"b", "a", "c", "black", "black too", "x, y"}}, "the same images in another order"},
		{"all at once", Inventory{[]uint64{1, 20, 30, 40, 41, 42, 43, 6}, []string{"a", "b", "e", "f", "g", "h", "i", "z"}},
			`5 came (e, f, g, ...), 3 went (c, black, black too), 1 with other pixels (b), 1 by another name ("x, y", now z)`},
		{"an array", Inventory{Sums: []uint64{1, 3, 4, 4, 6, 8}}, "1 came ([5]), 1 went (b)"},
	} {
		if got := c.now.Since(was); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// An inventory is read as it was written, 9 bytes an image and little more; the pixels alone count.
func TestInventoryFile(t *testing.T) {
	set := numbered(20000)
	set.Height, set.Width = 2, 2
	for i := range set.Pixels {
		set.Pixels[i] = uint8(uint32(i) * 2654435761 >> 13)
	}
	for _, names := range [][]string{nil, make([]string, set.Len())} {
		for i := range names {
			names[i] = "ünusual\xff \"name\"\n" + string(rune('a'+i%26))
		}
		set.names = names
		v := set.Inventory()
		var file bytes.Buffer
		if _, err := v.WriteTo(&file); err != nil {
			t.Fatal(err)
		}
		if names == nil && file.Len() > 11*set.Len() {
			t.Errorf("%d bytes for %d images", file.Len(), set.Len())
		}
		got, err := ReadInventory(bytes.NewReader(file.Bytes()), set.Len())
		if err != nil || !slices.Equal(got.Sums, v.Sums) || !slices.Equal(got.Names, v.Names) {
			t.Errorf("read back: %v", err)
		}
		for _, n := range []int{0, set.Len() - 1, set.Len() + 1} {
			if _, err := ReadInventory(bytes.NewReader(file.Bytes()), n); err == nil {
				t.Errorf("%d images are read as %d", set.Len(), n)
			}
		}
	}
	if sums := set.Inventory().Sums; sums[0] == sums[1] {
		t.Error("different images have one checksum")
	}
}

func FuzzReadInventory(f *testing.F) {
	add := func(text string) {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		_, _ = w.Write([]byte(text))
		w.Close()
		f.Add(b.Bytes(), 2)
	}
	add("5f0c2a9be4d17368 \"cat/1.png\"\n5f0c2a9be4d17369 \"\\xff\"\n")
	add("5f0c2a9be4d17368\n5f0c2a9be4d17369\n")
	add("5f0c2a9be4d17368\n5f0c2a9be4d17369 \"b\"\n")
	add(strings.Repeat("0", 1<<17))
	f.Fuzz(func(t *testing.T, data []byte, n int) {
		v, err := ReadInventory(bytes.NewReader(data), n)
		if err == nil && (len(v.Sums) != n || v.Names != nil && len(v.Names) != n) {
			t.Fatalf("%d checksums and %d names for %d images", len(v.Sums), len(v.Names), n)
		}
	})
}
