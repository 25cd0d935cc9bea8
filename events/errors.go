package events

import "fmt"

// Code is an error code of the wire contract: the value of "code" in error
// frames and problem documents.
type Code string

// The error codes of version 1.
const (
	CodeBadRequest         Code = "bad_request"
	CodeBadFrame           Code = "bad_frame"
	CodeBadRoom            Code = "bad_room"
	CodeBadText            Code = "bad_text"
	CodeUnknownType        Code = "unknown_type"
	CodeNotJoined          Code = "not_joined"
	CodeNotFound           Code = "not_found"
	CodeNotYours           Code = "not_yours"
	CodeForbidden          Code = "forbidden"
	CodeOriginRefused      Code = "origin_refused"
	CodeUnauthenticated    Code = "unauthenticated"
	CodeUpgradeRequired    Code = "upgrade_required"
	CodeRateLimited        Code = "rate_limited"
	CodeTooLarge           Code = "too_large"
	CodeRequestTooLarge    Code = "request_too_large"
	CodeBadMethod          Code = "bad_method"
	CodeBadHost            Code = "bad_host"
	CodeOverloaded         Code = "overloaded"
	CodeDraining           Code = "draining"
	CodeStorageUnavailable Code = "storage_unavailable"
	CodeInternal           Code = "internal"
)

// Error is a refusal that a client may read: a code of the contract and one
// sentence that says what was wrong. It never carries secrets or internals.
type Error struct {
	Code    Code
	Message string
}

// Errorf makes an [Error] with a formatted message.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// Error implements error.
func (e *Error) Error() string { return string(e.Code) + ": " + e.Message }
