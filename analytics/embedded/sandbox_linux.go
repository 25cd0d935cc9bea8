//go:build !nochdb && linux && (amd64 || arm64)

package embedded

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Rights of Landlock by the ABI that brought them: 1 files, 2 refer (renames
// between directories, without which ClickHouse cannot work), 3 truncate, 4
// TCP, 5 device ioctls, 6 scopes.
const (
	rightsRead  = unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_READ_DIR
	rightsWrite = unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_REMOVE_DIR |
		unix.LANDLOCK_ACCESS_FS_REMOVE_FILE | unix.LANDLOCK_ACCESS_FS_MAKE_DIR | unix.LANDLOCK_ACCESS_FS_MAKE_REG |
		unix.LANDLOCK_ACCESS_FS_MAKE_SYM | unix.LANDLOCK_ACCESS_FS_REFER | unix.LANDLOCK_ACCESS_FS_TRUNCATE
	rightsOfFile = unix.LANDLOCK_ACCESS_FS_EXECUTE | unix.LANDLOCK_ACCESS_FS_WRITE_FILE |
		unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_TRUNCATE
	rightsABI2 = unix.LANDLOCK_ACCESS_FS_REFER<<1 - 1
)

// kernelABI is the version of Landlock that the kernel offers, 0 for none.
func kernelABI() int {
	abi, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if errno != 0 {
		return 0
	}
	return int(abi)
}

// confine puts the calling thread, and what it executes, into the sandbox. The
// caller has locked the thread and replaces the process afterwards, so that all
// threads inherit it. It does nothing when the kernel offers no Sandbox.
func confine(library string, readWrite ...string) error {
	abi := kernelABI()
	if sandboxOf(abi) == SandboxNone {
		return nil
	}
	attr := unix.LandlockRulesetAttr{Handled_access_fs: rightsABI2}
	if abi >= 3 {
		attr.Handled_access_fs |= unix.LANDLOCK_ACCESS_FS_TRUNCATE
	}
	if abi >= 4 {
		attr.Handled_access_net = unix.LANDLOCK_ACCESS_NET_CONNECT_TCP
	}
	if abi >= 5 {
		attr.Handled_access_fs |= unix.LANDLOCK_ACCESS_FS_IOCTL_DEV
	}
	size := unsafe.Offsetof(attr.Scoped)
	if abi >= 6 {
		attr.Scoped = unix.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET | unix.LANDLOCK_SCOPE_SIGNAL
		size = unsafe.Offsetof(attr.Quiet_access_fs)
	}
	fd, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&attr)), size, 0)
	if errno != 0 {
		return fmt.Errorf("creating the sandbox: %w", errno)
	}
	defer unix.Close(int(fd))
	rules := rulesFor(library, readWrite)
	for _, r := range rules {
		if err := r.add(int(fd), attr.Handled_access_fs); err != nil {
			return err
		}
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("giving up new privileges: %w", err)
	}
	if _, _, errno := unix.Syscall(unix.SYS_LANDLOCK_RESTRICT_SELF, fd, 0, 0); errno != 0 {
		return fmt.Errorf("entering the sandbox: %w", errno)
	}
	return nil
}

// rule allows rights below a path.
type rule struct {
	path   string
	rights uint64
}

func rulesFor(library string, readWrite []string) []rule {
	rules := []rule{
		{"/proc/self/exe", rightsRead | unix.LANDLOCK_ACCESS_FS_EXECUTE},
		{library, rightsRead | unix.LANDLOCK_ACCESS_FS_EXECUTE},
	}
	for _, dir := range []string{"/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib"} {
		rules = append(rules, rule{dir, rightsRead | unix.LANDLOCK_ACCESS_FS_EXECUTE})
	}
	// Not all of /proc: the command lines of other processes may hold secrets.
	for _, name := range []string{"/proc/self", "/proc/meminfo", "/proc/stat", "/proc/cpuinfo", "/proc/loadavg", "/proc/uptime",
		"/proc/vmstat", "/proc/diskstats", "/proc/filesystems", "/proc/sys"} {
		rules = append(rules, rule{name, rightsRead})
	}
	for _, name := range []string{"/etc/ld.so.cache", "/sys", "/dev/urandom", "/dev/random"} {
		rules = append(rules, rule{name, rightsRead})
	}
	rules = append(rules, rule{"/dev/null", rightsRead | unix.LANDLOCK_ACCESS_FS_WRITE_FILE})
	for _, dir := range readWrite {
		rules = append(rules, rule{dir, rightsRead | rightsWrite})
	}
	return rules
}

// add adds the rule; a path that this system does not have needs none. A rule
// below /proc holds only as long as its file stays in the kernel's cache: such
// files are left open for the whole life of the child.
func (r rule) add(ruleset int, handled uint64) error {
	volatile := strings.HasPrefix(r.path, "/proc/")
	flags := unix.O_PATH | unix.O_CLOEXEC
	if volatile {
		flags = unix.O_PATH
	}
	fd, err := unix.Open(r.path, flags, 0)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("sandbox rule for %s: %w", r.path, err)
	}
	if !volatile {
		defer unix.Close(fd)
	}
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil {
		return fmt.Errorf("sandbox rule for %s: %w", r.path, err)
	}
	attr := unix.LandlockPathBeneathAttr{Allowed_access: r.rights & handled, Parent_fd: int32(fd)}
	if stat.Mode&unix.S_IFMT != unix.S_IFDIR {
		attr.Allowed_access &= rightsOfFile
	}
	_, _, errno := unix.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, uintptr(ruleset),
		unix.LANDLOCK_RULE_PATH_BENEATH, uintptr(unsafe.Pointer(&attr)), 0, 0, 0)
	if errno != 0 {
		return fmt.Errorf("sandbox rule for %s: %w", r.path, errno)
	}
	return nil
}
