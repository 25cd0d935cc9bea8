//go:build linux

package proc

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// errFormat is returned for a file of /proc that looks different.
var errFormat = errors.New("unexpected format")

// CPU is the processor time that a process has used, user and system. It is the
// process's clock, which counts in nanoseconds what utime and stime of
// /proc/PID/stat show in ticks of 10 ms.
func CPU(pid int) (time.Duration, error) {
	var ts unix.Timespec
	// Clock ids of processes: include/linux/posix-timers.h, CPUCLOCK_SCHED is 2.
	if err := unix.ClockGettime(int32(^pid<<3|2), &ts); err != nil {
		return 0, fmt.Errorf("reading the clock of process %d: %w", pid, err)
	}
	return time.Duration(ts.Nano()), nil
}

// CPUSelf is the processor time of this process.
func CPUSelf() (time.Duration, error) { return CPU(os.Getpid()) }

// Usage is the processor time of the processes that a server consists of.
type Usage struct {
	Server  time.Duration // of the process that clients talk to
	Storage time.Duration // of a storage process beside it
}

// Sub is what was used since an earlier moment.
func (u Usage) Sub(earlier Usage) Usage {
	return Usage{Server: u.Server - earlier.Server, Storage: u.Storage - earlier.Storage}
}

// Times are user and system time of /proc/PID/stat, in ticks of 10 ms.
func Times(pid int) (user, system time.Duration, err error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, 0, fmt.Errorf("reading times: %w", err)
	}
	return parseTimes(data)
}

// parseTimes reads fields 14 and 15; the name in field 2 may hold anything.
func parseTimes(stat []byte) (user, system time.Duration, err error) {
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 13 {
		return 0, 0, fmt.Errorf("/proc/PID/stat: %w", errFormat)
	}
	u, err1 := strconv.ParseInt(string(fields[11]), 10, 64)
	s, err2 := strconv.ParseInt(string(fields[12]), 10, 64)
	if err := errors.Join(err1, err2); err != nil {
		return 0, 0, fmt.Errorf("/proc/PID/stat: %w", err)
	}
	const tick = 10 * time.Millisecond // USER_HZ is 100 on every Linux
	return time.Duration(u) * tick, time.Duration(s) * tick, nil
}

// Memory is what a process and the kernel's sockets hold, in bytes.
type Memory struct {
	RSS, PSS int64 // of the process
	Sockets  int64 // buffers of all TCP sockets of this network namespace
	Slab     int64 // kernel objects of the whole machine, among them sockets and files
}

// ReadMemory reads the memory of a process and of the kernel.
func ReadMemory(pid int) (m Memory, err error) {
	rollup, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return m, fmt.Errorf("reading memory: %w", err)
	}
	sockstat, err := os.ReadFile("/proc/net/sockstat")
	if err != nil {
		return m, fmt.Errorf("reading memory of sockets: %w", err)
	}
	meminfo, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return m, fmt.Errorf("reading memory of the kernel: %w", err)
	}
	var errs [3]error
	m.RSS, errs[0] = kilobytes(rollup, "Rss:")
	m.PSS, errs[1] = kilobytes(rollup, "Pss:")
	m.Slab, errs[2] = kilobytes(meminfo, "Slab:")
	pages, err := socketPages(sockstat)
	m.Sockets = pages * int64(os.Getpagesize())
	return m, errors.Join(err, errs[0], errs[1], errs[2])
}

// kilobytes finds a line "Name:   123 kB".
func kilobytes(data []byte, name string) (int64, error) {
	for line := range strings.Lines(string(data)) {
		if rest, ok := strings.CutPrefix(line, name); ok {
			n, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
			return n << 10, err
		}
	}
	return 0, fmt.Errorf("%s %w", name, errFormat)
}

// socketPages is the value of mem in the line TCP.
func socketPages(sockstat []byte) (int64, error) {
	for line := range strings.Lines(string(sockstat)) {
		if !strings.HasPrefix(line, "TCP:") {
			continue
		}
		fields := strings.Fields(line)
		for i := 1; i+1 < len(fields); i += 2 {
			if fields[i] == "mem" {
				return strconv.ParseInt(fields[i+1], 10, 64)
			}
		}
	}
	return 0, fmt.Errorf("/proc/net/sockstat: %w", errFormat)
}
