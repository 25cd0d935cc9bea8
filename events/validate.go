package events

import (
	"unicode"
	"unicode/utf8"

	"github.com/rivo/uniseg"
	"golang.org/x/text/unicode/norm"

	"partyline/events/jsonscan"
)

// Bounds of what clients choose.
const (
	MaxRoomBytes  = 64
	MaxIDBytes    = 64
	MaxTextRunes  = 4000
	MaxUserRunes  = 32
	MaxEmojiRunes = 16
	MaxMetaBytes  = 2 << 10
	minKeyBytes   = 16
	maxKeyBytes   = 64
	maxMetaSource = 16 << 10 // with its white space
)

// CheckRoom checks a room name: [a-z0-9][a-z0-9_-]{0,63}. Errors are bad_room.
func CheckRoom(room string) error {
	ok := room != "" && len(room) <= MaxRoomBytes && room[0] != '_' && room[0] != '-'
	for i := 0; ok && i < len(room); i++ {
		c := room[i]
		ok = 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '_' || c == '-'
	}
	if !ok {
		return Errorf(CodeBadRoom, "a room name has 1 to 64 characters of a-z, 0-9, _ and -, and begins with a letter or digit")
	}
	return nil
}

// CheckID checks what a client chose as id: [A-Za-z0-9_-]{1,64}. Errors are
// bad_frame.
func CheckID(id string) error {
	if !isKey(id, 1, MaxIDBytes) {
		return Errorf(CodeBadFrame, "id has 1 to 64 characters of A-Z, a-z, 0-9, _ and -")
	}
	return nil
}

// CheckClientKey checks the key of a client installation:
// [A-Za-z0-9_-]{16,64}. Errors are bad_request and do not repeat the key.
func CheckClientKey(key string) error {
	if !isKey(key, minKeyBytes, maxKeyBytes) {
		return Errorf(CodeBadRequest, "client has 16 to 64 characters of A-Z, a-z, 0-9, _ and -")
	}
	return nil
}

// CheckTrace checks the id of a connection attempt: [A-Za-z0-9_-]{16,64}. Errors
// are bad_request.
func CheckTrace(trace string) error {
	if !isKey(trace, minKeyBytes, maxKeyBytes) {
		return Errorf(CodeBadRequest, "trace has 16 to 64 characters of A-Z, a-z, 0-9, _ and -")
	}
	return nil
}

func isKey(s string, least, most int) bool {
	if len(s) < least || len(s) > most {
		return false
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '_' && c != '-' {
			return false
		}
	}
	return true
}

// CheckText checks the text of a message: 1 to 4,000 code points, not white
// space alone, no control characters but newline and tab. Errors are bad_text.
func CheckText(s string) error {
	runes, visible := 0, false
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 {
			return Errorf(CodeBadText, "the text is not valid UTF-8")
		}
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			return Errorf(CodeBadText, "the text has the control character U+%04X", r)
		}
		visible = visible || !unicode.IsSpace(r)
		i += n
		if runes++; runes > MaxTextRunes {
			return Errorf(CodeBadText, "the text is longer than %d code points", MaxTextRunes)
		}
	}
	if !visible {
		return Errorf(CodeBadText, "the text is empty")
	}
	return nil
}

// CheckEmoji checks a reaction: one grapheme of at most 16 code points. Errors
// are bad_frame.
func CheckEmoji(s string) error {
	if len(s) > MaxEmojiRunes*utf8.UTFMax || CheckText(s) != nil ||
		utf8.RuneCountInString(s) > MaxEmojiRunes || uniseg.GraphemeClusterCount(s) != 1 {
		return Errorf(CodeBadFrame, "emoji is one character of at most %d code points", MaxEmojiRunes)
	}
	return nil
}

// CompactMeta checks a message's meta, a JSON object of at most 2 KiB without
// its white space, and appends it compacted. Errors are bad_frame and
// too_large.
func CompactMeta(dst, raw []byte) ([]byte, error) {
	if len(raw) > maxMetaSource {
		return dst, errMetaTooLarge()
	}
	var s jsonscan.Scanner
	s.Reset(raw)
	for s.Next() { // every member is looked at by the scanner
	}
	if s.Err() != nil {
		return dst, Errorf(CodeBadFrame, "meta is not a JSON object: %v", s.Err())
	}
	before := len(dst)
	dst = jsonscan.Value{Raw: raw, Kind: jsonscan.Object}.AppendCompact(dst)
	if len(dst)-before > MaxMetaBytes {
		return dst[:before], errMetaTooLarge()
	}
	return dst, nil
}

func errMetaTooLarge() error {
	return Errorf(CodeTooLarge, "meta is longer than %d bytes", MaxMetaBytes)
}

// NormalizeUser returns a shown name in NFC: 1 to 32 code points, not white
// space alone, without control characters and without format characters (which
// reorder or hide text), except those that join an emoji. White space around it
// is cut. Errors are bad_request.
func NormalizeUser(name string) (string, error) {
	if len(name) > 16*MaxUserRunes || !utf8.ValidString(name) {
		return "", Errorf(CodeBadRequest, "user is longer than %d code points, or not UTF-8", MaxUserRunes)
	}
	name = trimSpace(norm.NFC.String(name))
	switch n := utf8.RuneCountInString(name); {
	case n == 0:
		return "", Errorf(CodeBadRequest, "user is empty")
	case n > MaxUserRunes:
		return "", Errorf(CodeBadRequest, "user is longer than %d code points", MaxUserRunes)
	}
	visible := false
	var before rune
	rest := name
	for _, r := range name {
		rest = rest[utf8.RuneLen(r):]
		if hidden(r) && !joinsEmoji(before, r, rest) {
			return "", Errorf(CodeBadRequest, "user has the control or format character U+%04X", r)
		}
		visible = visible || !hidden(r) && !unicode.IsSpace(r) && !unicode.Is(unicode.Mn, r)
		before = r
	}
	if !visible {
		return "", Errorf(CodeBadRequest, "user has no visible character")
	}
	return name, nil
}

func trimSpace(s string) string {
	start, end := 0, len(s)
	for start < end {
		r, n := utf8.DecodeRuneInString(s[start:end])
		if !unicode.IsSpace(r) {
			break
		}
		start += n
	}
	for start < end {
		r, n := utf8.DecodeLastRuneInString(s[start:end])
		if !unicode.IsSpace(r) {
			break
		}
		end -= n
	}
	return s[start:end]
}

const (
	zeroWidthJoiner = '\u200d'
	firstTag        = '\U000e0020' // tags spell the flags of regions
	lastTag         = '\U000e007f'
)

// hidden reports whether a character is invisible or moves others: controls,
// format characters, line separators, private use, what is not assigned, and
// letters that fonts draw as nothing.
func hidden(r rune) bool {
	switch r {
	case '\u115f', '\u1160', '\u3164', '\uffa0', '\u2800', '\u034f', '\u180e':
		return true
	}
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co, unicode.Cs, unicode.Zl, unicode.Zp)
}

// joinsEmoji reports whether a format character stands within an emoji.
func joinsEmoji(before, r rune, rest string) bool {
	next, _ := utf8.DecodeRuneInString(rest)
	switch {
	case r == zeroWidthJoiner:
		return emojiPart(before) && emojiPart(next)
	case r >= firstTag && r <= lastTag:
		return emojiPart(before) || before >= firstTag && before <= lastTag
	}
	return false
}

func emojiPart(r rune) bool {
	return r == '\ufe0f' || r >= 0x2190 && r <= 0x2bff || r >= 0x1f000 && r <= 0x1faff
}
