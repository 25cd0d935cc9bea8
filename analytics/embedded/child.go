//go:build !nochdb && (linux || darwin) && (amd64 || arm64)

package embedded

import (
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"
	"unsafe"

	"github.com/ebitengine/purego"
	"golang.org/x/sys/unix"
)

const available = true

// Child is the hidden subcommand ChildCommand: it becomes ClickHouse and
// returns the exit code. args are "enter" or "run", the sandbox to ask for
// ("landlock" or "bare"), the library, the data directory and the run
// directory.
func Child(args []string) int {
	if len(args) != 5 {
		fmt.Fprintln(os.Stderr, "this command is started by \"partyline serve\" alone")
		return 2
	}
	step, sandbox, library, data, run := args[0], args[1], args[2], args[3], args[4]
	var err error
	switch step {
	case "enter":
		err = enter(sandbox, library, data, run)
	case "run":
		err = serve(library, run)
	default:
		err = fmt.Errorf("no step %q", step)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// enter scrubs what was inherited, confines the thread and executes the binary
// again, so that every thread of the second stage is confined.
func enter(sandbox, library, data, run string) error {
	runtime.LockOSThread()
	// A config.xml in the working directory is read by the library on its own.
	if err := os.Chdir(run); err != nil {
		return fmt.Errorf("entering the run directory: %w", err)
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("finding the binary: %w", err)
	}
	if runtime.GOOS == "linux" {
		self = "/proc/self/exe" // the one that runs, even if the file was replaced
	}
	if sandbox != bareSandbox {
		if err := confine(library, data, run); err != nil {
			return err
		}
	}
	env := []string{"HOME=" + run, "TMPDIR=" + run, "LANG=C", "TZ=UTC"}
	err = syscall.Exec(self, []string{"partyline", ChildCommand, "run", sandbox, library, data, run}, env)
	return fmt.Errorf("executing the second stage: %w", err)
}

// serve loads the library and blocks in it until standard input ends or a
// signal asks to stop.
func serve(library, run string) error {
	runtime.LockOSThread()
	stop, err := replaceStdin()
	if err != nil {
		return err
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, os.Interrupt)
	go func() {
		<-signals
		stop()
	}()
	lib, err := purego.Dlopen(library, purego.RTLD_NOW|purego.RTLD_GLOBAL)
	if err != nil {
		return fmt.Errorf("loading the library: %w", err)
	}
	var handlers func(int32)
	var query func(int32, unsafe.Pointer) uintptr
	var failure func(uintptr) string
	for name, fn := range map[string]any{
		"chdb_set_signal_handlers_enabled": &handlers, "chdb_query_cmdline": &query, "chdb_result_error": &failure,
	} {
		if _, err := purego.Dlsym(lib, name); err != nil {
			return fmt.Errorf("the library is not a usable libchdb: %w", err)
		}
		purego.RegisterLibFunc(fn, lib, name)
	}
	handlers(0)
	var pin runtime.Pinner
	defer pin.Unpin()
	argc, argv := cStrings(&pin, commandLine(run))
	result := query(argc, argv)
	if result == 0 {
		return nil
	}
	if text := failure(result); text != "" {
		return fmt.Errorf("ClickHouse: %s", text)
	}
	return nil
}

// commandLine is what ClickHouse is started with: it opens its listener, tells
// the port, and then reads standard input, which is the request to live on.
func commandLine(run string) []string {
	return []string{
		"clickhouse", "--config-file", filepath.Join(run, configFile), "--log-level", "warning", "--query",
		"SYSTEM START LISTEN HTTP; " +
			"SELECT getServerPort('http_port') INTO OUTFILE '" + filepath.Join(run, portsFile) + "' FORMAT TSV; " +
			"SELECT * FROM file('/dev/stdin', 'LineAsString', 'line String') FORMAT Null",
	}
}

// replaceStdin puts a pipe in the place of standard input and returns a function
// that ends it, which also happens when the real one ends.
func replaceStdin() (stop func(), err error) {
	inherited, err := unix.Dup(0)
	if err != nil {
		return nil, fmt.Errorf("duplicating standard input: %w", err)
	}
	unix.CloseOnExec(inherited)
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("making a pipe: %w", err)
	}
	if err := unix.Dup2(int(r.Fd()), 0); err != nil {
		return nil, fmt.Errorf("replacing standard input: %w", err)
	}
	r.Close()
	stop = func() { w.Close() }
	go func() {
		_, _ = io.Copy(io.Discard, os.NewFile(uintptr(inherited), "stdin")) // its end is the signal
		stop()
	}()
	return stop, nil
}

// cStrings makes a pinned, NULL-terminated argv.
func cStrings(pin *runtime.Pinner, args []string) (int32, unsafe.Pointer) {
	argv := make([]unsafe.Pointer, len(args)+1)
	for i, a := range args {
		b := append([]byte(a), 0)
		pin.Pin(&b[0])
		argv[i] = unsafe.Pointer(&b[0])
	}
	pin.Pin(&argv[0])
	return int32(len(args)), unsafe.Pointer(&argv[0])
}
