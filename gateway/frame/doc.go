// Package frame is the JSON of the wire contract's frames: what clients send is
// decoded strictly, what the server sends is appended to a buffer, "type" always
// first. Functions are safe for concurrent use.
package frame
