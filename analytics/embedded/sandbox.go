package embedded

// Sandbox says how the child is confined.
type Sandbox string

// The levels. Without a sandbox SQL of others must not reach the child: its
// scalar function file() reads whatever the process may read, whatever the
// user's grants are.
const (
	SandboxFull  Sandbox = "full"  // own directories only, no outgoing TCP
	SandboxFiles Sandbox = "files" // own directories only; the kernel cannot restrict TCP
	SandboxNone  Sandbox = "none"  // the system offers nothing
)

// sandboxOf is the level that a version of Landlock gives.
func sandboxOf(abi int) Sandbox {
	switch {
	case abi >= 4:
		return SandboxFull
	case abi >= 2:
		return SandboxFiles
	}
	return SandboxNone
}
