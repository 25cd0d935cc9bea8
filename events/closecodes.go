package events

// CloseCode is a WebSocket close code as Partyline uses it: those below 4000 are
// of RFC 6455 section 7.4.1 and the IANA registry.
type CloseCode struct {
	Code      int    `json:"code"`
	Name      string `json:"name"`
	Meaning   string `json:"meaning"`
	Reconnect bool   `json:"reconnect"` // whether a client should come back
}

// CloseCodes is the published table of close codes.
func CloseCodes() []CloseCode {
	return []CloseCode{
		{1000, "normal", "the client said goodbye", false},
		{1001, "going_away", "the server is draining", true},
		{1002, "protocol_error", "a frame broke RFC 6455", false},
		{1003, "unsupported", "a binary message on the chat", false},
		{1006, "abnormal", "the connection ended without a close frame", true},
		{1007, "not_utf8", "a text message was not UTF-8", false},
		{1008, "policy", "too many malformed frames", false},
		{1009, "too_big", "a message was too long", false},
		{1011, "internal", "the server failed", true},
		{1013, "try_later", "the server is overloaded", true},
		{4001, "token_expired", "the token expired", true},
		{4003, "kicked", "a moderator ended the connection", false},
		{4008, "slow_consumer", "the client did not read what it was sent", true},
		{4009, "heartbeat", "nothing came from the client for two heartbeats", true},
		{4029, "rate_limited", "the client ignored rate limits", true},
	}
}
