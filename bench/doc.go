// Command bench measures Partyline beside its peers, in the same run and with the
// same work: "make bench" runs it, README.md in this folder says what is
// measured and how to read it.
//
// It is a module of its own, so that the peers' libraries are no dependencies of
// the product. It needs Linux.
package main
