package emulate

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/joule-ebm/joule/internal/kernels/matrix/amx"
)

// Run starts a program with its output going to a file, emulates for it, and waits for its end. It returns ErrNotPermitted where
// the system does not allow to trace, and an error if an instruction could not be done as the processor would, which ends the program.
func Run(arguments, environment []string, output *os.File) (Report, error) {
	runtime.LockOSThread() // the thread that starts a program is its only tracer
	defer runtime.UnlockOSThread()
	process, err := os.StartProcess(arguments[0], arguments, &os.ProcAttr{
		Env: environment, Files: []*os.File{nil, output, output}, Sys: &syscall.SysProcAttr{Ptrace: true}})
	if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EACCES) || errors.Is(err, syscall.ENOSYS) {
		return Report{}, ErrNotPermitted
	}
	if err != nil {
		return Report{}, err
	}
	defer process.Release()
	t := tracer{process: process.Pid, threads: map[int]*unit{}}
	if err := t.begin(); err != nil {
		_ = process.Kill()
		_, _ = syscall.Wait4(t.process, nil, syscall.WALL, nil)
		return Report{}, fmt.Errorf("%w: %v", ErrNotPermitted, err)
	}
	err = t.follow()
	if err != nil {
		_ = process.Kill()
		for { // until the last thread has gone
			if _, err := syscall.Wait4(-1, nil, syscall.WALL|syscall.WNOTHREAD, nil); err != nil && err != syscall.EINTR {
				break
			}
		}
	}
	return t.report, err
}

// tracer follows the threads of a process.
type tracer struct {
	process int
	threads map[int]*unit
	report  Report
}

// begin waits for the program's start, and asks to trace its threads and to end with the tracer.
func (t *tracer) begin() error {
	var status syscall.WaitStatus
	if _, err := retry(func() (int, error) { return syscall.Wait4(t.process, &status, syscall.WALL, nil) }); err != nil {
		return err
	}
	if !status.Stopped() {
		return fmt.Errorf("the program did not stop at its start")
	}
	if err := syscall.PtraceSetOptions(t.process, syscall.PTRACE_O_TRACECLONE|unix.PTRACE_O_EXITKILL); err != nil {
		return err
	}
	t.threads[t.process] = &unit{}
	return syscall.PtraceCont(t.process, 0)
}

func retry(call func() (int, error)) (int, error) {
	for {
		if n, err := call(); err != syscall.EINTR {
			return n, err
		}
	}
}

// follow handles what happens to the threads until the process has ended.
func (t *tracer) follow() error {
	for {
		var status syscall.WaitStatus
		thread, err := retry(func() (int, error) { return syscall.Wait4(-1, &status, syscall.WALL|syscall.WNOTHREAD, nil) })
		if err != nil {
			return fmt.Errorf("emulate: waiting for the program: %w", err)
		}
		if status.Exited() || status.Signaled() {
			if u := t.threads[thread]; u != nil && u.configured() {
				t.report.Open++
			}
			delete(t.threads, thread)
			if thread == t.process {
				if t.report.ExitCode = status.ExitStatus(); status.Signaled() {
					return fmt.Errorf("emulate: the program ended by %v", status.Signal())
				}
				return nil
			}
			continue
		}
		if !status.Stopped() {
			continue
		}
		signal := status.StopSignal()
		switch {
		case signal == syscall.SIGTRAP && status.TrapCause() > 0: // a thread has been made
			signal = 0
		case signal == syscall.SIGSTOP && t.threads[thread] == nil: // and begins
			signal = 0
		case signal == syscall.SIGILL:
			done, err := t.instruction(thread)
			if err != nil {
				return err
			}
			if done {
				signal = 0
			}
		}
		if t.threads[thread] == nil {
			t.threads[thread] = &unit{}
		}
		if err := syscall.PtraceCont(thread, int(signal)); err != nil && err != syscall.ESRCH { // it may be gone already
			return fmt.Errorf("emulate: going on: %w", err)
		}
	}
}

// instruction emulates the one that a thread stopped at, if it is one of the unit's.
func (t *tracer) instruction(thread int) (done bool, err error) {
	var regs syscall.PtraceRegs
	if err := syscall.PtraceGetRegs(thread, &regs); err != nil {
		return false, fmt.Errorf("emulate: reading registers: %w", err)
	}
	const longest = 15
	var code [longest]byte
	n, err := syscall.PtracePeekText(thread, uintptr(regs.Rip), code[:])
	if err != nil {
		return false, fmt.Errorf("emulate: reading code: %w", err)
	}
	i, length, ok := amx.Decode(code[:n])
	if !ok {
		return false, nil
	}
	u := t.threads[thread]
	if u == nil {
		u = &unit{}
		t.threads[thread] = u
	}
	address := *general(&regs, i.Base) + uint64(int64(i.Displacement))
	distance := int64(*general(&regs, i.Index)) * int64(i.Scale)
	if err := u.execute(i, traced(thread), address, distance); err != nil {
		return false, fmt.Errorf("emulate: %v at %#x: %w", i.Op, regs.Rip, err)
	}
	if t.report.Instructions++; i.Op == amx.DotBF16 {
		t.report.Products++
	}
	regs.Rip += uint64(length)
	if err := syscall.PtraceSetRegs(thread, &regs); err != nil {
		return false, fmt.Errorf("emulate: writing registers: %w", err)
	}
	return true, nil
}

// general is a general-purpose register by its number.
func general(r *syscall.PtraceRegs, n amx.Register) *uint64 {
	return [16]*uint64{&r.Rax, &r.Rcx, &r.Rdx, &r.Rbx, &r.Rsp, &r.Rbp, &r.Rsi, &r.Rdi,
		&r.R8, &r.R9, &r.R10, &r.R11, &r.R12, &r.R13, &r.R14, &r.R15}[n]
}

// traced is the memory of the process that a thread belongs to.
type traced int

func (m traced) read(dst []byte, address uint64, distance int64, pieces int) error {
	return move(unix.ProcessVMReadv, int(m), dst, address, distance, pieces)
}

func (m traced) write(src []byte, address uint64, distance int64, pieces int) error {
	return move(unix.ProcessVMWritev, int(m), src, address, distance, pieces)
}

func move(call func(int, []unix.Iovec, []unix.RemoteIovec, uint) (int, error), thread int, local []byte, address uint64, distance int64,
	pieces int) error {
	remote := make([]unix.RemoteIovec, pieces)
	for i := range remote {
		remote[i] = unix.RemoteIovec{Base: uintptr(address + uint64(int64(i)*distance)), Len: len(local) / pieces}
	}
	iov := []unix.Iovec{{Base: &local[0], Len: uint64(len(local))}}
	n, err := call(thread, iov, remote, 0)
	if err == nil && n != len(local) {
		err = unix.EFAULT
	}
	if err != nil {
		return fmt.Errorf("%d pieces of memory at %#x, %d bytes apart: %w", pieces, address, distance, err)
	}
	return nil
}
