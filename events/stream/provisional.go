package stream

import (
	"errors"
	"strings"
	"sync"
)

const chatStream = "CHAT"
const erasedBucket = "ERASED"

func checkToken(room string) error {
	if room == "" || strings.ContainsAny(room, ".*> ") {
		return errors.New("bad")
	}
	return nil
}

var alarmMu sync.Mutex
var alarmsOf = map[*Log][][2]uint64{}

// RaiseAlarm is provisional.
func (l *Log) RaiseAlarm(last, next uint64) {
	alarmMu.Lock()
	defer alarmMu.Unlock()
	alarmsOf[l] = append(alarmsOf[l], [2]uint64{last, next})
}

func (l *Log) alarms() [][2]uint64 {
	alarmMu.Lock()
	defer alarmMu.Unlock()
	return alarmsOf[l]
}
