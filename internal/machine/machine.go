// Package machine tells what the machine offers: processor, instruction sets, memory. What the system does not tell is empty or
// zero. Sources: CPUID as golang.org/x/sys/cpu reads it; on Linux proc(5) and, in a container, cgroup v2's memory.max.
package machine

import (
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/cpu"
)

// Processor is the name of the processor.
func Processor() string { return value("/proc/cpuinfo", "model name") }

// Features lists the instruction sets that matter here, as far as both the processor and the operating system support them.
func Features() []string {
	var present []string
	for _, f := range []struct {
		name string
		has  bool
	}{
		{"sse4.1", cpu.X86.HasSSE41},
		{"avx", cpu.X86.HasAVX},
		{"avx2", cpu.X86.HasAVX2},
		{"fma", cpu.X86.HasFMA},
		{"bmi2", cpu.X86.HasBMI2},
		{"avx512f", cpu.X86.HasAVX512F},
		{"avx512dq", cpu.X86.HasAVX512DQ},
		{"avx512bw", cpu.X86.HasAVX512BW},
		{"avx512vl", cpu.X86.HasAVX512VL},
		{"avx512vnni", cpu.X86.HasAVX512VNNI},
		{"avx512bf16", cpu.X86.HasAVX512BF16},
		{"amx-tile", cpu.X86.HasAMXTile},
		{"amx-bf16", cpu.X86.HasAMXBF16},
		{"asimd", cpu.ARM64.HasASIMD},
		{"asimdhp", cpu.ARM64.HasASIMDHP},
		{"sve", cpu.ARM64.HasSVE},
		{"sve2", cpu.ARM64.HasSVE2},
	} {
		if f.has {
			present = append(present, f.name)
		}
	}
	return present
}

// Memory is how many bytes of memory there are for this process, and how many of them are free: of the machine, of its container, and
// of the address space that the process may have.
func Memory() (total, available uint64) {
	total, available = kibibytes("/proc/meminfo", "MemTotal"), kibibytes("/proc/meminfo", "MemAvailable")
	if limit := number("/sys/fs/cgroup/memory.max"); limit > 0 && limit < total {
		total = limit
		available = min(available, limit-min(limit, number("/sys/fs/cgroup/memory.current")))
	}
	if limit := addressSpace(); limit > 0 {
		total, available = min(total, limit), min(available, limit-min(limit, kibibytes("/proc/self/status", "VmSize")))
	}
	return total, available
}

// addressSpace is the limit that ulimit -v sets, in bytes; 0 if there is none.
func addressSpace() uint64 {
	text, _ := os.ReadFile("/proc/self/limits")
	for line := range strings.Lines(string(text)) {
		if limits, ok := strings.CutPrefix(line, "Max address space"); ok {
			soft, _, _ := strings.Cut(strings.TrimSpace(limits), " ")
			n, _ := strconv.ParseUint(soft, 10, 64) // "unlimited" is none
			return n
		}
	}
	return 0
}

var started = time.Now()

// PeakResident is the most memory that this process has had resident so far, in bytes.
func PeakResident() uint64 { return kibibytes("/proc/self/status", "VmHWM") }

// value finds the first line "key: value" of a file.
func value(path, key string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(text)) {
		if name, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == key {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

func kibibytes(path, key string) uint64 {
	n, _ := strconv.ParseUint(strings.TrimSuffix(value(path, key), " kB"), 10, 64)
	return n << 10
}

// number reads a file that holds one; 0 if it does not.
func number(path string) uint64 {
	text, _ := os.ReadFile(path)
	n, _ := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
	return n
}
