// Package proc starts the measured servers on a core of their own and reads what
// they cost from the kernel: processor time, memory, sockets.
package proc
