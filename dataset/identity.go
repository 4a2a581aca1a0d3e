package dataset

// Telling data by their content: a set by a checksum of all its images, an image by a hash of its values. Names and places do not count.

import (
	"encoding/binary"
	"hash/crc32"
	"hash/maphash"
	"math"
	"slices"
)

// Fingerprint tells one set from another, whatever it is called and wherever it is. It depends on the order of the images.
type Fingerprint struct {
	Images   int    `json:"images"`
	Checksum uint32 `json:"checksum"` // CRC-32C of the pixels and labels, and of numbers
}

// ByClass stands for the classes among the names that [Set.Fingerprint] takes.
const ByClass = "class"

// Fingerprint is that of the set, and of the numbers of these names with it. Labels that a table beside the images has count if the names have
// [ByClass]: models that know no classes know nothing of them.
func (s *Set) Fingerprint(numbers ...string) Fingerprint {
	table := crc32.MakeTable(crc32.Castagnoli)
	sum := uint32(0)
	for i := range s.Len() {
		sum = crc32.Update(sum, table, s.Image(i))
	}
	for i := 0; i < len(s.Labels) && (!s.byTable || slices.Contains(numbers, ByClass)); i++ {
		l := s.Labels[i]
		sum = crc32.Update(sum, table, binary.LittleEndian.AppendUint32(nil, uint32(l)))
	}
	for _, n := range s.Numbers {
		for i := 0; slices.Contains(numbers, n.Name) && i < len(n.Values); i++ {
			sum = crc32.Update(sum, table, binary.LittleEndian.AppendUint64(nil, math.Float64bits(n.Values[i])))
		}
	}
	for _, a := range s.Attributes {
		for i := 0; slices.Contains(numbers, a.Name) && i < len(a.Labels); i++ {
			sum = crc32.Update(sum, table, binary.LittleEndian.AppendUint32(nil, uint32(a.Labels[i])))
		}
	}
	return Fingerprint{s.Len(), sum}
}

// Shared counts the images of the set that others have too, to the last value. Images of one colour, of which any two sets may have some,
// do not count.
func (s *Set) Shared(others *Set) (n int) {
	if s.Size() != others.Size() {
		return 0
	}
	seed := maphash.MakeSeed()
	known := make(map[uint64]struct{}, others.Len())
	for i := range others.Len() {
		known[maphash.Bytes(seed, others.Image(i))] = struct{}{}
	}
	for i := range s.Len() {
		image := s.Image(i)
		if _, ok := known[maphash.Bytes(seed, image)]; ok && !uniform(image, s.Channels) {
			n++
		}
	}
	return n
}
