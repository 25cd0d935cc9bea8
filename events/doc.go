// Package events defines what happened: event types, their JSON codec,
// validation, fold rules and the error codes of the wire contract.
package events
