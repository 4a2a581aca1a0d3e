package engine

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
