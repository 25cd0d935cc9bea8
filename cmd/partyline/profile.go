package main

import (
	"log/slog"
	"net/http"
	"runtime"
	"runtime/pprof"
	"strconv"
	"time"
)

// profilePath serves profiles of a running process to the admin, in the format
// of "go tool pprof": POST with ?name=cpu&seconds=10, or the name of one of the
// profiles of runtime/pprof ("heap", "goroutine", …; debug=1 for text).
const profilePath = "/api/v1/admin/profile"

// maxProfile bounds the time of a profile of the processor.
const maxProfile = 5 * time.Minute

// profiles serves profilePath.
func profiles(log *slog.Logger) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		name := q.Get("name")
		p := pprof.Lookup(name)
		if name != "cpu" && p == nil {
			http.Error(w, "there is no such profile", http.StatusNotFound)
			return
		}
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Header().Set("Cache-Control", "no-store")
		var err error
		if name == "cpu" {
			seconds, _ := strconv.Atoi(q.Get("seconds")) // malformed: none
			err = profileCPU(w, r, min(time.Duration(seconds)*time.Second, maxProfile))
		} else {
			if name == "heap" {
				runtime.GC() // the profile is that of the latest collection
			}
			debug, _ := strconv.Atoi(q.Get("debug")) // malformed: not text
			err = p.WriteTo(w, debug)
		}
		if err != nil {
			log.WarnContext(r.Context(), "profile", "name", name, "error", err)
		}
	}
}

// profileCPU writes what the process does for some time, or until the caller
// has left.
func profileCPU(w http.ResponseWriter, r *http.Request, d time.Duration) error {
	if err := pprof.StartCPUProfile(w); err != nil {
		http.Error(w, "another profile is being made", http.StatusConflict)
		return err
	}
	defer pprof.StopCPUProfile()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-r.Context().Done():
	}
	return nil
}
