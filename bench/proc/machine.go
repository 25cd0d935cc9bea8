//go:build linux

package proc

import (
	"fmt"
	"os"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// Machine describes where the figures come from.
type Machine struct {
	CPU     string // model
	Cores   int
	Memory  int64 // bytes
	Kernel  string
	Go      string
	Load    string // load averages
	DataDir string // file system of the data directory
	Files   uint64 // limit of open files
}

// Describe reads the machine's description. dir is where servers keep data.
func Describe(dir string) (m Machine, err error) {
	cpuinfo, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return m, fmt.Errorf("describing the machine: %w", err)
	}
	m.CPU = "unknown"
	for line := range strings.Lines(string(cpuinfo)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			m.CPU = strings.TrimSpace(value)
			break
		}
	}
	cpus, err := CPUs()
	if err != nil {
		return m, err
	}
	m.Cores, m.Go = len(cpus), runtime.Version()
	meminfo, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return m, fmt.Errorf("describing the machine: %w", err)
	}
	if m.Memory, err = kilobytes(meminfo, "MemTotal:"); err != nil {
		return m, err
	}
	release, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return m, fmt.Errorf("describing the machine: %w", err)
	}
	m.Kernel = strings.TrimSpace(string(release))
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return m, fmt.Errorf("reading the limit of open files: %w", err)
	}
	m.Files = limit.Cur
	m.DataDir = fileSystem(dir)
	m.Load = LoadAverage()
	return m, nil
}

// LoadAverage is the load of the last one, five and fifteen minutes.
func LoadAverage() string {
	data, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	fields := strings.Fields(string(data))
	return strings.Join(fields[:min(3, len(fields))], " ")
}

// fileSystem names the file system of a directory, where it matters.
func fileSystem(dir string) string {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return "unknown"
	}
	switch st.Type {
	case unix.TMPFS_MAGIC:
		return "tmpfs (fsync costs nothing here)"
	case unix.EXT4_SUPER_MAGIC:
		return "ext4"
	case unix.XFS_SUPER_MAGIC:
		return "xfs"
	case unix.BTRFS_SUPER_MAGIC:
		return "btrfs"
	case unix.OVERLAYFS_SUPER_MAGIC:
		return "overlayfs"
	}
	return fmt.Sprintf("type %#x", st.Type)
}
