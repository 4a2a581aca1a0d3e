package matrix

// Assembly is the assembly whether this processor has the unit or not.
func Assembly() *Unit { return assembly() }
