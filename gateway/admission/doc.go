// Package admission decides who may open a WebSocket, and as whom: the policy
// about Host and Origin, the parameters of the opening request, identity, and
// the rate of attempts per address.
//
// An [Admission] is the engine's [ws.Handler]. It records its decisions as the
// stages origin, auth and limits of the attempt; a refusal says which rule
// decided and what to change. [Policy] is shared with the REST API, and
// [Admission.DryRun] decides without any effect, for diagnosis.
//
// Everything here is pure computation: no I/O, and nothing waits. All methods
// are safe for concurrent use.
package admission
