package events

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"strings"
)

// Labels keep the HMACs of one secret apart.
const (
	labelUID    = "partyline uid"
	labelSub    = "partyline subject uid"
	labelMsgID  = "partyline message id"
	labelUser   = "partyline telemetry user"
	labelReport = "partyline report key"
)

// UID is the public id of an identity: 16 hex digits of an HMAC under the
// deployment's secret. In open mode an identity is a shown name together with
// the key of a client installation; neither can be told from it.
func UID(secret []byte, user, client string) string {
	sum := keyed(secret, labelUID, user, client)
	return hex.EncodeToString(sum[:8])
}

// SubjectUID is the public id of the holder of a token, in jwt mode: of its
// subject alone, whatever name is shown.
func SubjectUID(secret []byte, sub string) string {
	sum := keyed(secret, labelSub, sub)
	return hex.EncodeToString(sum[:8])
}

// UserHash stands for an identity in telemetry: 16 hex digits that cannot be
// joined with the public id.
func UserHash(secret []byte, uid string) string {
	sum := keyed(secret, labelUser, uid)
	return hex.EncodeToString(sum[:8])
}

// MsgID is the message id under which the log stores an event once: 32 hex
// digits of an HMAC over the author's identity and the id that its client chose.
func MsgID(secret []byte, uid, id string) string {
	sum := keyed(secret, labelMsgID, uid, id)
	return hex.EncodeToString(sum[:16])
}

// keyed is HMAC-SHA256 over parts, each preceded by its length.
func keyed(secret []byte, parts ...string) [sha256.Size]byte {
	mac := hmac.New(sha256.New, secret)
	var length [4]byte
	for _, p := range parts {
		binary.BigEndian.PutUint32(length[:], uint32(len(p)))
		mac.Write(length[:])
		mac.Write([]byte(p))
	}
	var sum [sha256.Size]byte
	mac.Sum(sum[:0])
	return sum
}

// GuestName makes a name for somebody who gave none: "guest-" and six random
// letters and digits.
func GuestName() string {
	const letters = "abcdefghijkmnpqrstuvwxyz23456789" // 32, without those that look alike
	var raw [6]byte
	rand.Read(raw[:]) // never fails
	for i, b := range raw {
		raw[i] = letters[b%32]
	}
	return "guest-" + string(raw[:])
}

// ReportKey lets a client prove later that it was connected once: the id of its
// connection and an HMAC of it.
func ReportKey(secret []byte, conn string) string {
	sum := keyed(secret, labelReport, conn)
	return conn + "." + hex.EncodeToString(sum[:16])
}

// CheckReportKey reports whether a key was made by [ReportKey] under the secret.
func CheckReportKey(secret []byte, key string) bool {
	at := strings.LastIndexByte(key, '.')
	if len(secret) == 0 || at <= 0 || len(key) > 128 {
		return false
	}
	return hmac.Equal([]byte(key), []byte(ReportKey(secret, key[:at])))
}
