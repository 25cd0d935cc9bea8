// Package doctor diagnoses a WebSocket address from a terminal, where more can be
// seen than in a page: names, each address, TCP, certificates, the bytes of the
// upgrade, and what the server recorded of the attempt.
//
// [Run] gathers evidence and judges it; it never fails, and ends within about
// twenty seconds besides the idle test. Everything that it reads is bounded, and
// everything from outside is escaped before it is shown (see [Escape]). Its
// attempts carry diag=1, so that servers leave them out of statistics.
package doctor
