package dataset

import "strings"

func isNPZ(name string) bool { return strings.HasSuffix(strings.ToLower(name), ".npz") }
