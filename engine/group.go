package engine

import "encoding/binary"

// Group is the processes that compute together. Each has a rank, 0 to Size-1, and holds the same parameters; all make the same calls in the
// same order. An engine with a group computes its share of the images and gets what it lacks from the others: its results are the same in
// all processes, and the same, to the bit, as those of one process alone. A nil Group stands for a process that is alone.
//
// The methods that communicate return when this process has what it is to receive. They are for one goroutine at a time. After an error
// the group is of no use: the process should end, so that the others do.
type Group interface {
	Rank() int
	Size() int
	// Gather makes every process's part of all known to all of them: all has counts[r] bytes of rank r after those of the ranks below it.
	Gather(all []byte, counts []int) error
	// Exchange sends each rank a part of out, and receives a part of in from each: to[r] bytes for rank r lie in out after those for the
	// ranks below it, and from[r] bytes of rank r in in after those of the ranks below it.
	Exchange(in []byte, from []int, out []byte, to []int) error
}

// Collect makes a message of each process known to all: message r is that of rank r. The processes' messages may differ in length.
func Collect(g Group, message []byte) ([][]byte, error) {
	const size = 8 // of a length
	lengths, counts := make([]byte, size*g.Size()), make([]int, g.Size())
	for r := range counts {
		counts[r] = size
	}
	binary.LittleEndian.PutUint64(lengths[size*g.Rank():], uint64(len(message)))
	if err := g.Gather(lengths, counts); err != nil {
		return nil, err
	}
	total := 0
	for r := range counts {
		counts[r] = int(binary.LittleEndian.Uint64(lengths[size*r:]))
		total += counts[r]
	}
	all, messages := make([]byte, total), make([][]byte, g.Size())
	for r, from := 0, 0; r < len(counts); r++ {
		messages[r] = all[from : from+counts[r] : from+counts[r]]
		from += counts[r]
	}
	copy(messages[g.Rank()], message)
	return messages, g.Gather(all, counts)
}

// Broadcast makes the message of rank 0 known to all, who get it; what others give is ignored.
func Broadcast(g Group, message []byte) ([]byte, error) {
	if g.Rank() != 0 {
		message = nil
	}
	messages, err := Collect(g, message)
	if err != nil {
		return nil, err
	}
	return messages[0], nil
}
