package expr

// HasRule says whether there is a derivative rule for the operation.
func HasRule(op Op) bool { return rules[op] != nil }
