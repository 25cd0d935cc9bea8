package stream

import (
	"errors"
	"strings"
)

const (
	chatStream   = "CHAT"
	erasedBucket = "ERASED"
)

// checkToken refuses a room name that is not one token of a subject.
func checkToken(room string) error {
	if room == "" || len(room) > 256 || strings.ContainsAny(room, ".*> \t\r\n\f\v\x00") {
		return errors.New("room name is no subject token")
	}
	return nil
}

// RaiseAlarm notes that the log lacks what lies between two sequences.
func (l *Log) RaiseAlarm(last, next uint64) {
	l.alarmsMu.Lock()
	defer l.alarmsMu.Unlock()
	l.raised = append(l.raised, [2]uint64{last, next})
	l.log.Error("sequences missing from the log", "last", last, "next", next)
}

// alarms returns what RaiseAlarm was told.
func (l *Log) alarms() [][2]uint64 {
	l.alarmsMu.Lock()
	defer l.alarmsMu.Unlock()
	return l.raised
}
