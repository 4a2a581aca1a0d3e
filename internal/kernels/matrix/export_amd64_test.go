package matrix

// Assembly is the assembly whether this processor has the unit or not.
func Assembly() *Unit { return assembly() }

// Vectors may be nil.
func Vectors() *Unit { return vectors() }
