package stream

import (
	"fmt"
	"strings"
)

// maxRoomBytes bounds the room token of a subject.
const maxRoomBytes = 64

// checkToken refuses what must never become part of a subject, whatever callers
// checked before.
func checkToken(room string) error {
	if room == "" || len(room) > maxRoomBytes || strings.ContainsFunc(room, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '_'
	}) {
		return fmt.Errorf("room %q is not a subject token", room)
	}
	return nil
}
