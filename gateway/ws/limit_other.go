//go:build !unix

package ws

// connectionsByFileLimit: these systems have no such limit.
func connectionsByFileLimit() int { return 10000 }
