// Package token verifies the JSON Web Tokens (RFC 7519) of auth.mode jwt: who
// somebody is, and which rooms they may read, write and moderate (wire contract,
// detail 16).
//
// A [Verifier] holds keys of one kind: a shared secret (HS256), a public key
// (RS256 or ES256, by its type), or a key set that it reads from a URL (RFC
// 7517) and reads again. The algorithm is decided by the key, never by the token.
// Verifying is pure computation and waits for nobody, so it may be done in an
// opening handshake.
package token
