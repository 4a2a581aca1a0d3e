package benchmark

// BootstrapFrom is Bootstrap with the random numbers given.
var BootstrapFrom = bootstrap
