package main_test

import (
	"context"
	"net"
	"testing"

	"partyline/cmd/partyline/internal/doctor"
	"partyline/cmd/partyline/internal/faults"
)

// TestDemoFaultsAreNamed puts every fault in front of a real server, and the
// doctor has to name it.
func TestDemoFaultsAreNamed(t *testing.T) {
	t.Parallel()
	p := serve(t, "--data-dir", t.TempDir())
	for _, f := range append(faults.All(), faults.Fault{Name: "none", Finding: "healthy"}) {
		t.Run(f.Name, func(t *testing.T) {
			t.Parallel()
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			ctx, stop := context.WithCancel(context.Background())
			ended := make(chan error, 1)
			go func() { ended <- faults.Serve(ctx, l, p.http, f) }()
			r, err := doctor.Run(t.Context(), "ws://"+l.Addr().String()+"/ws/chat/", doctor.Options{})
			if err != nil {
				t.Error(err)
			} else if r.Verdict != f.Finding {
				t.Errorf("verdict %q, want %q: %+v", r.Verdict, f.Finding, r.Findings)
			}
			stop()
			if err := <-ended; err != nil {
				t.Errorf("the proxy: %v", err)
			}
		})
	}
}
