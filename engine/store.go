package engine

// This file lets what an iteration of training computes stay where it is computed: parameters, their gradient and what an optimiser keeps
// need not pass through the host.

// Store holds arrays of numbers where an engine computes. It is used by one goroutine at a time.
type Store interface {
	// Read copies an array to dst, and Write src to an array; both have its size.
	Read(array string, dst []float32) error
	Write(array string, src []float32) error
}

// Place is where in a store a value is: in an array, from the offset on, its elements in their order.
type Place struct {
	Array  string
	Offset int
}

// Keeper is an Engine that has stores. Its programs are of type StoreProgram.
type Keeper interface {
	Engine
	// NewStore makes arrays of zeros, of these sizes.
	NewStore(sizes map[string]int) (Store, error)
}

// StoreProgram is a Program that can take parameters from a store, and put outputs there (Call.Updates).
type StoreProgram interface {
	Program
	// BindStore is Bind with the parameters that have places in a store, which may be another engine's for the same device; others has the
	// rest. The program sees what becomes of the store's arrays, until the next Bind or BindStore.
	BindStore(s Store, places map[string]Place, others map[string][]float32) error
}
