package api

import (
	"net/http"
	"time"

	"partyline/events"
)

// statistics hands a call to the analytics role.
func (a *api) statistics(w http.ResponseWriter, r *http.Request) error {
	admin, err := a.admin(r)
	if err != nil {
		return err
	}
	if a.deps.Statistics == nil {
		return events.Errorf(events.CodeStorageUnavailable, "this process keeps no statistics: its roles leave analytics out, or analytics.mode is off")
	}
	a.deps.Statistics(w, r, admin)
	return nil
}

// consoleTime is how long the answer to SQL may take to be written.
const consoleTime = time.Minute

// console hands SQL of the admin to the analytics role.
func (a *api) console(w http.ResponseWriter, r *http.Request) error {
	if err := a.needAdmin(r); err != nil {
		return err
	}
	// Servers that cannot do it have no deadlines.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(consoleTime))
	return a.statistics(w, r)
}
