// Package api answers plain HTTP on the web port: the page, the REST API of
// version 1, the status, and the routes for operations.
//
// [New] makes the handler from small interfaces; it starts nothing. Give it to an
// http.Server whose MaxHeaderBytes, ReadHeaderTimeout and IdleTimeout are set; the
// handler bounds everything else itself: bodies, header sizes, the time an answer
// may take to be written, and what one address may guess.
//
// # Errors
//
// Every error is a problem document (RFC 9457) with a code of the wire contract,
// also those of unknown paths and methods: nothing falls back to the page, so that
// a page answering where the API should be is proof of something else in between.
//
// # Other origins
//
// The status, the traces and refusals may be read by every page, without
// credentials; the rest of the API by the origins of the policy alone. There are
// no cookies, so no request has any authority but the token that it carries.
//
// # Who may see what
//
// Raw events and sending need the admin token. The status tells strangers no
// stream sequences, and pages of foreign origins no connection counts; traces show
// strangers what happened, and not to whom (details 6 and 23 of the contract).
//
// # Freshness
//
// Reads of a room ask the log for the room's last event first and wait, at most a
// second, until the read model has applied it: whoever wrote reads what it wrote,
// through any gateway. When the log does not answer they show what is there.
package api
