// Package web carries the page: the production build of the TypeScript beside
// it, embedded into the binary.
package web
