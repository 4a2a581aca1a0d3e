//go:build linux

package mpi_test

// This file has two hosts: network namespaces on this machine, each with a name and an address of its own, and a cable between them that
// takes its time and can be cut: this process carries the packets, from one TUN device to the other. Only root can make them.

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// cable carries packets.
type cable struct {
	ends [2]*os.File
	cut  atomic.Bool // nothing arrives any more, and nobody is told
	sent atomic.Int64
}

// delay is how long a packet is under way.
const delay = time.Millisecond

// lay makes two network devices with a cable between them.
func lay(names [2]string) (*cable, error) {
	c := &cable{}
	for i, name := range names {
		fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
		if err != nil {
			return nil, err
		}
		device, err := unix.NewIfreq(name)
		if err != nil {
			return nil, err
		}
		device.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
		if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, device); err != nil {
			return nil, err
		}
		c.ends[i] = os.NewFile(uintptr(fd), name) // only now, as Go asks at once whether it may wait for it
	}
	go c.carry(c.ends[0], c.ends[1])
	go c.carry(c.ends[1], c.ends[0])
	return c, nil
}

// carry takes packets from one end to the other until the cable is gone.
func (c *cable) carry(from, to *os.File) {
	type packet struct {
		content []byte
		arrives time.Time
	}
	underway := make(chan packet, 1000) // TCP slows down when packets wait to get in
	defer close(underway)
	go func() {
		for p := range underway {
			time.Sleep(time.Until(p.arrives))
			if !c.cut.Load() {
				_, _ = to.Write(p.content) // a device that is down takes none
				c.sent.Add(int64(len(p.content)))
			}
		}
	}()
	for buffer := make([]byte, 1<<16); ; {
		n, err := from.Read(buffer)
		if err != nil {
			return
		}
		underway <- packet{bytes.Clone(buffer[:n]), time.Now().Add(delay)}
	}
}

func (c *cable) remove() {
	for _, end := range c.ends {
		_ = end.Close()
	}
}

// hosts are two network namespaces.
type hosts struct {
	names [2]string // of the namespaces; the hosts are called hosta and hostb
	agent string    // the program by which mpirun starts something on the other host
	*cable
}

func newHosts(t *testing.T) hosts {
	t.Helper()
	program(t)
	id := os.Getpid() % 10000
	h := hosts{names: [2]string{fmt.Sprint("joule-a", id), fmt.Sprint("joule-b", id)}, agent: filepath.Join(t.TempDir(), "agent")}
	if out, err := exec.Command("ip", "netns", "add", h.names[0]).CombinedOutput(); err != nil {
		t.Skipf("cannot make network namespaces: %v: %s", err, bytes.TrimSpace(out))
	}
	t.Cleanup(func() {
		for _, name := range h.names {
			h.kill(name)
			_ = exec.Command("ip", "netns", "del", name).Run()
			_ = os.RemoveAll(filepath.Join("/etc/netns", name))
		}
	})
	ip(t, "netns", "add", h.names[1])
	devices := [2]string{fmt.Sprint("ja", id), fmt.Sprint("jb", id)}
	var err error
	if h.cable, err = lay(devices); err != nil {
		t.Skip("cannot make network devices: ", err)
	}
	t.Cleanup(h.remove)
	for i, name := range h.names {
		ip(t, "link", "set", devices[i], "netns", name)
		ip(t, "-n", name, "addr", "add", fmt.Sprintf("10.213.0.%d/24", i+1), "dev", devices[i])
		ip(t, "-n", name, "link", "set", "lo", "up")
		ip(t, "-n", name, "link", "set", devices[i], "up")
		etc := filepath.Join("/etc/netns", name)
		if err := os.MkdirAll(etc, 0o755); err != nil {
			t.Fatal(err)
		}
		known := "127.0.0.1 localhost\n10.213.0.1 hosta\n10.213.0.2 hostb\n"
		if err := os.WriteFile(filepath.Join(etc, "hosts"), []byte(known), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	script := "#!/bin/sh\nshift\nexec ip netns exec " + h.names[1] + ` unshare --uts sh -c 'hostname hostb; exec sh -c "$0"' "$*"` + "\n"
	if err := os.WriteFile(h.agent, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	return h
}

func ip(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		t.Fatalf("ip %s: %v: %s", strings.Join(args, " "), err, out)
	}
}

// processes are those of a host.
func (h hosts) processes(name string) (pids []int) {
	out, _ := exec.Command("ip", "netns", "pids", name).Output()
	for _, word := range strings.Fields(string(out)) {
		if pid, err := strconv.Atoi(word); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// kill ends a host's processes.
func (h hosts) kill(name string) {
	for _, pid := range h.processes(name) {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}

// ranks counts the processes of joule on both hosts.
func (h hosts) ranks() (n int) {
	for _, name := range h.names {
		for _, pid := range h.processes(name) {
			if comm, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid)); string(comm) == "joule\n" {
				n++
			}
		}
	}
	return n
}

// prepare is the command line of mpirun on the first host, with a rank on each.
func (h hosts) prepare(t *testing.T, args ...[]string) job {
	t.Helper()
	line := []string{"ip", "netns", "exec", h.names[0], "unshare", "--uts", "sh", "-c", `hostname hosta; exec "$@"`, "sh",
		"mpirun", "--bind-to", "none", "--mca", "plm_rsh_agent", h.agent, "--mca", "btl", "self,tcp",
		"--mca", "btl_tcp_if_include", "10.213.0.0/24", "--mca", "oob_tcp_if_include", "10.213.0.0/24"}
	for i, a := range args {
		host := []string{"--host", "hosta:1,hostb:1", "-n", "2"}
		if len(args) > 1 {
			host = []string{"--host", []string{"hosta:1", "hostb:1"}[i], "-n", "1"}
		}
		if i > 0 {
			line = append(line, ":")
		}
		line = append(append(line, host...), a...)
	}
	return command(t, line)
}

// TestTwoHosts: a run on two hosts is one on one host, and what differs is said with the host's name.
func TestTwoHosts(t *testing.T) {
	h := newHosts(t)
	data, dir := pictures(t, 1), t.TempDir()
	whole, at := filepath.Join(dir, "whole"), filepath.Join(dir, "run")
	alone(t, training(data, whole, "optimiser.lanes=16"))
	j := h.prepare(t, training(data, at, "optimiser.lanes=16"))
	if err := j.Start(); err != nil {
		t.Fatal(err)
	}
	j.succeed(t)
	if !strings.Contains(j.output.String(), "processes=2 hosts=2") {
		t.Errorf("the log is\n%s", j.output)
	}
	same(t, "on two hosts", at, kept(t, whole))
	if sent := h.sent.Load(); sent < 24*2*4*1000 { // bytes of a gradient of 1,000 numbers, each way
		t.Errorf("only %d bytes went through the cable", sent)
	} else {
		t.Logf("%d bytes went through the cable", sent)
	}

	other := training(data, filepath.Join(dir, "another"))
	j = h.prepare(t, other, append(other[:len(other):len(other)], "--seed", "5"))
	if err := j.Start(); err != nil {
		t.Fatal(err)
	}
	j.fail(t, "joule: rank 1 on hostb has the setting seed 5, rank 0 on hosta 1")
}

// TestCutNetwork: where the network between hosts is cut all ranks end, and the run goes on from the last checkpoint. What is left of
// mpirun is not joule's: it waits for the other host, for hours, as TCP does, unless that closes the connection.
func TestCutNetwork(t *testing.T) {
	h := newHosts(t)
	data, dir := pictures(t, 1), t.TempDir()
	whole, at := filepath.Join(dir, "whole"), filepath.Join(dir, "run")
	sets := []string{"sampler.steps=40"}
	alone(t, training(data, whole, sets...))
	j := h.prepare(t, append(training(data, at, sets...), "--patience", "2s"))
	if err := j.Start(); err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(at, "checkpoint.previous")); err == nil {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	h.cut.Store(true)
	for range 6000 { // a minute: patience, and a busy machine
		if h.ranks() == 0 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if n := h.ranks(); n > 0 {
		t.Errorf("%d ranks are still there", n)
	}
	for _, name := range h.names {
		h.kill(name)
	}
	if err := j.Wait(); err == nil {
		t.Errorf("the job has ended well:\n%s", j.output)
	}
	if !strings.Contains(j.output.String(), "waited 2s for the others") {
		t.Errorf("nobody says why:\n%s", j.output)
	}
	alone(t, resuming(at))
	same(t, "after a cut network", at, kept(t, whole))
}
