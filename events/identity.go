package events

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"strings"
	"sync"
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
	m := macs.Get().(*mac)
	m.key(secret)
	b := m.buf[:0]
	for _, p := range parts {
		b = binary.BigEndian.AppendUint32(b, uint32(len(p)))
		b = append(b, p...)
	}
	m.hash.Write(b)
	m.buf = b
	sum := [sha256.Size]byte(m.hash.Sum(m.sum[:0]))
	if cap(m.buf) <= maxKeptBuffer {
		macs.Put(m)
	}
	return sum
}

// mac is an HMAC that is used again: it has digested its key already.
type mac struct {
	secret []byte
	hash   hash.Hash
	buf    []byte
	sum    [sha256.Size]byte
}

const maxKeptBuffer = 4 << 10

//nolint:gochecknoglobals // a pool
var macs = sync.Pool{New: func() any { return new(mac) }}

// key makes m ready for a message under secret.
func (m *mac) key(secret []byte) {
	if m.hash != nil && bytes.Equal(m.secret, secret) {
		m.hash.Reset()
		return
	}
	m.secret, m.hash = bytes.Clone(secret), hmac.New(sha256.New, secret)
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
