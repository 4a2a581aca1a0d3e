package matrix

import "syscall"

// tilesPermitted asks Linux for the use of tiles, once for the process and for good: arch_prctl(ARCH_REQ_XCOMP_PERM, TILEDATA).
// Source: Documentation/arch/x86/xstate.rst of the kernel.
func tilesPermitted() bool {
	const request, tileData = 0x1023, 18
	_, _, errno := syscall.RawSyscall(syscall.SYS_ARCH_PRCTL, request, tileData, 0)
	return errno == 0
}
