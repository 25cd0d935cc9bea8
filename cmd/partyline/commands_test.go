package main_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

// talk sends texts to a room and waits for their acknowledgements.
func talk(t *testing.T, p *process, room string, texts ...string) {
	t.Helper()
	c, err := dialChat(p.ws, "talker", "key-of-the-talking-user")
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	if _, err := c.ask(map[string]any{"type": "join", "room": room}, "joined"); err != nil {
		t.Fatal(err)
	}
	for i, text := range texts {
		id := fmt.Sprintf("%s-%d", room, i)
		if _, err := c.ask(map[string]any{"type": "send", "room": room, "id": id, "text": text}, "ack"); err != nil {
			t.Fatal(err)
		}
	}
}

// TestTools runs replay, verify, rebuild and status beside a running server and
// on the data directory of a stopped one.
func TestTools(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := serve(t, "--data-dir", dir)
	talk(t, p, "lobby", "one", "zwei \u202e", "3")
	talk(t, p, "kitchen", "soup")
	check := func(state string) {
		t.Helper()
		out, errs, code := run(t, "replay", "--data-dir", dir, "--room", "lobby")
		if lines := strings.Split(strings.TrimSpace(out), "\n"); code != 0 || len(lines) != 3 ||
			!strings.HasSuffix(lines[0], " talker: one") || !strings.HasSuffix(lines[1], ` talker: zwei \u202e`) {
			t.Errorf("%s: replay: %d %s%s", state, code, out, errs)
		}
		if out, errs, code := run(t, "replay", "--data-dir", dir, "--room", "lobby", "--from", "3"); code != 0 || strings.Count(out, "\n") != 1 {
			t.Errorf("%s: replay from 3: %d %s%s", state, code, out, errs)
		}
		if out, errs, code := run(t, "replay", "--data-dir", dir, "--room", "empty"); code != 0 || out != "" {
			t.Errorf("%s: replay of an empty room: %d %s%s", state, code, out, errs)
		}
		if out, errs, code := run(t, "verify", "--data-dir", dir); code != 0 || strings.Count(out, " ok\n") < 3 || !strings.Contains(out, "at sequence 4") {
			t.Errorf("%s: verify: %d\n%s%s", state, code, out, errs)
		}
		if out, errs, code := run(t, "rebuild", "--data-dir", dir); code != 0 || !strings.HasPrefix(out, "rebuilt in ") {
			t.Errorf("%s: rebuild: %d %s%s", state, code, out, errs)
		}
	}
	check("running")
	if out, errs, code := run(t, "status", "--data-dir", dir); code != 0 || !strings.Contains(out, `"status":"ok"`) {
		t.Errorf("status: %d %s%s", code, out, errs)
	}
	if code := p.terminate(); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	check("stopped")
	if _, errs, code := run(t, "status", "--data-dir", dir); code != 1 || !strings.Contains(errs, "no server runs") {
		t.Errorf("status of a stopped server: %d %s", code, errs)
	}
}

// TestVerifyFindsADifference changes the read model behind the server's back.
func TestVerifyFindsADifference(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := serve(t, "--data-dir", dir)
	talk(t, p, "lobby", "one")
	if code := p.terminate(); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	conn, err := sqlite.OpenConn(filepath.Join(dir, "projections", "readmodel.db"), sqlite.OpenReadWrite)
	if err != nil {
		t.Fatal(err)
	}
	err = errors.Join(sqlitex.ExecuteTransient(conn, `UPDATE room SET topic = 'not from the log'`, nil), conn.Close())
	if err != nil {
		t.Fatal(err)
	}
	out, errs, code := run(t, "verify", "--data-dir", dir)
	if code != 1 || !strings.Contains(out, "differs") {
		t.Errorf("verify of a changed read model: %d\n%s%s", code, out, errs)
	}
	if _, errs, code := run(t, "rebuild", "--data-dir", dir); code != 0 {
		t.Errorf("rebuild: %d %s", code, errs)
	}
	if out, errs, code := run(t, "verify", "--data-dir", dir); code != 0 {
		t.Errorf("verify after the rebuild: %d\n%s%s", code, out, errs)
	}
}

// TestReadModelsAreDisposable deletes them, also while damaged, and finds the
// same history again.
func TestReadModelsAreDisposable(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := serve(t, "--data-dir", dir)
	texts := []string{"one", "two", "three"}
	talk(t, p, "lobby", texts...)
	for _, harm := range []func(dir string){
		func(dir string) { os.RemoveAll(dir) },
		func(dir string) {
			files, _ := filepath.Glob(filepath.Join(dir, "*.db"))
			for _, f := range files {
				os.WriteFile(f, []byte("this is no database, whatever its name says"), 0o600)
			}
		},
	} {
		if code := p.terminate(); code != 0 {
			t.Fatalf("exit code %d", code)
		}
		harm(filepath.Join(dir, "projections"))
		p.restart()
		eventually(t, "history is back", func() bool {
			got := historyTexts(t, p, "lobby")
			return strings.Join(got, "|") == strings.Join(texts, "|")
		})
	}
}

// TestRefusedStarts: what cannot work is refused with a clear message and the
// right exit code, and nothing is harmed.
func TestRefusedStarts(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	dir := t.TempDir()
	running := serve(t, "--data-dir", dir)
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	bad := filepath.Join(t.TempDir(), "bad.yaml")
	if err := os.WriteFile(bad, []byte("http:\n  adr: localhost:1\ngateway:\n  drain: soon\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	free := []string{"--http-addr", "127.0.0.1:0", "--ws-addr", "127.0.0.1:0"}
	for name, c := range map[string]struct {
		args []string
		code int
		says []string
	}{
		"directory in use":          {append([]string{"serve", "--data-dir", dir}, free...), 1, []string{"in use by another process"}},
		"port taken":                {[]string{"serve", "--data-dir", t.TempDir(), "--ws-addr", "127.0.0.1:0", "--http-addr", taken.Addr().String()}, 1, []string{"http.addr", "in use by another program"}},
		"ws port taken":             {[]string{"serve", "--data-dir", t.TempDir(), "--http-addr", "127.0.0.1:0", "--ws-addr", taken.Addr().String()}, 1, []string{"ws.addr", "in use"}},
		"directory is a file":       {append([]string{"serve", "--data-dir", file}, free...), 1, []string{"data directory"}},
		"everything wrong":          {[]string{"serve", "--config", bad, "--roles", "janitor", "--gateway-heartbeat", "0s"}, 2, []string{"http.adr", "gateway.drain", "janitor", "gateway.heartbeat"}},
		"unknown flag":              {[]string{"serve", "--color"}, 2, []string{"color"}},
		"unknown command":           {[]string{"dance"}, 2, []string{`no command "dance"`}},
		"stray argument":            {[]string{"serve", "now"}, 2, []string{`"now"`}},
		"open NATS listener":        {[]string{"serve", "--nats-listen", "127.0.0.1:0"}, 2, []string{"nats.users-file"}},
		"replay of nothing":         {[]string{"replay", "--data-dir", t.TempDir(), "--room", "lobby"}, 1, []string{"there is no log"}},
		"replay of a bad room":      {[]string{"replay", "--data-dir", dir, "--room", "../etc"}, 2, []string{"room name"}},
		"gateway without a storage": {[]string{"serve", "--roles", "gateway"}, 2, []string{"nats.url"}},
	} {
		_, errs, code := run(t, c.args...)
		if code != c.code {
			t.Errorf("%s: exit code %d, want %d:\n%s", name, code, c.code, errs)
		}
		for _, text := range c.says {
			if !strings.Contains(errs, text) {
				t.Errorf("%s: the message lacks %q:\n%s", name, text, errs)
			}
		}
		if strings.Contains(errs, "goroutine ") {
			t.Errorf("%s: a stack trace:\n%s", name, errs)
		}
	}
	talk(t, running, "lobby", "still fine")
}

// TestDamagedLogIsRefused: a log that lost its end is not served, and not
// touched.
func TestDamagedLogIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := serve(t, "--data-dir", dir)
	talk(t, p, "lobby", "one", "two", "three")
	if code := p.terminate(); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	blocks, err := filepath.Glob(filepath.Join(dir, "nats", "jetstream", "*", "streams", "CHAT", "msgs", "*"))
	if err != nil || len(blocks) == 0 {
		t.Fatalf("no blocks of the log: %v, %v", blocks, err)
	}
	for _, b := range blocks {
		if err := os.Truncate(b, 0); err != nil {
			t.Fatal(err)
		}
	}
	_, errs, code := run(t, "serve", "--data-dir", dir, "--http-addr", "127.0.0.1:0", "--ws-addr", "127.0.0.1:0")
	if code != 1 || !strings.Contains(errs, "the log is damaged") {
		t.Errorf("exit code %d:\n%s", code, errs)
	}
}

// TestStop drains, and a second signal ends at once with exit code 1.
func TestStop(t *testing.T) {
	t.Parallel()
	p := serve(t, "--data-dir", t.TempDir(), "--gateway-drain", "300ms")
	var clients []*chatClient
	for i := range 10 {
		c, err := dialChat(p.ws, fmt.Sprintf("u%d", i), fmt.Sprintf("key-of-drained-user-%d", i))
		if err != nil {
			t.Fatal(err)
		}
		defer c.close()
		if _, err := c.await("welcome", nil); err != nil {
			t.Fatal(err)
		}
		clients = append(clients, c)
	}
	p.cmd.Process.Signal(syscall.SIGTERM)
	for i, c := range clients {
		bye, err := c.await("bye", nil)
		if err != nil || bye.Reason != "drain" {
			t.Errorf("client %d: %+v, %v", i, bye, err)
		}
		var closed errClosed
		if _, err := c.read(); !asClosed(err, &closed) || closed.code != 1001 {
			t.Errorf("client %d: %v", i, err)
		}
	}
	if code := p.exit(); code != 0 {
		t.Errorf("exit code %d after a drain", code)
	}

	p = serve(t, "--data-dir", t.TempDir(), "--gateway-drain", "1h")
	for i := range 2 { // the second one would be told after half an hour
		c, err := dialChat(p.ws, "stubborn", fmt.Sprintf("key-of-a-stubborn-user-%d", i))
		if err != nil {
			t.Fatal(err)
		}
		defer c.close()
		if _, err := c.await("welcome", nil); err != nil {
			t.Fatal(err)
		}
	}
	p.cmd.Process.Signal(syscall.SIGINT)
	eventually(t, "the server drains", func() bool { return strings.Contains(p.output(), "a second signal stops at once") })
	p.cmd.Process.Signal(syscall.SIGINT)
	if code := p.exit(); code != 1 {
		t.Errorf("exit code %d after a second signal", code)
	}
}

// TestGatewayBeforeStorage starts a gateway first: it answers, is not ready, and
// serves when the storage comes, and again after the storage was away.
func TestGatewayBeforeStorage(t *testing.T) {
	t.Parallel()
	users := filepath.Join(t.TempDir(), "users.yaml")
	if err := os.WriteFile(users, []byte("- {user: gw, password: sesame-open, role: gateway}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	storageDir := t.TempDir()
	storageArgs := []string{"--roles", "storage,projector", "--data-dir", storageDir, "--nats-users-file", users, "--nats-listen"}
	storage := serve(t, append(storageArgs, "127.0.0.1:0")...)
	storage.terminate()
	gateway := spawn(t, "serve", "--log-format", "json", "--http-addr", "127.0.0.1:0", "--ws-addr", "127.0.0.1:0",
		"--roles", "gateway", "--data-dir", t.TempDir(), "--nats-url", "nats://gw:sesame-open@"+storage.nats)
	storage.restart()
	gateway.waitReady()
	talk(t, gateway, "lobby", "hello")

	c, err := dialChat(gateway.ws, "patient", "key-of-a-patient-user")
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	if _, err := c.ask(map[string]any{"type": "join", "room": "lobby"}, "joined"); err != nil {
		t.Fatal(err)
	}
	storage.kill()
	eventually(t, "the gateway notices", func() bool {
		var status struct{ Storage struct{ NATS string } }
		gateway.get("/chat/status/", &status)
		return status.Storage.NATS == "disconnected"
	})
	if err := c.send(map[string]any{"type": "send", "room": "lobby", "id": "lost", "text": "anybody?"}); err != nil {
		t.Fatal(err)
	}
	f, err := c.read()
	for err == nil && f.Type != "error" {
		f, err = c.read()
	}
	if err != nil || f.Code != "storage_unavailable" || f.ID != "lost" {
		t.Errorf("while storage is away: %+v, %v", f, err)
	}
	storage.restart()
	eventually(t, "the connection that stayed can send again", func() bool {
		if err := c.send(map[string]any{"type": "send", "room": "lobby", "id": "found", "text": "there you are", "retry": true}); err != nil {
			t.Fatal(err)
		}
		for {
			f, err := c.read()
			if err != nil {
				t.Fatal(err)
			}
			if f.Type == "ack" || f.Type == "error" {
				return f.Type == "ack"
			}
		}
	})
}

// TestDedupBeyondTheWindow sends the same id again after the log has forgotten
// it, on another gateway that never knew it: it is stored once.
func TestDedupBeyondTheWindow(t *testing.T) {
	t.Parallel()
	_, gateways, proxies := storageAndGateways(t, 2, "--storage-dedup-window", "200ms")
	for _, p := range proxies {
		p.loss = 0
	}
	send := func(p *process, name string, retry bool) wireFrame {
		t.Helper()
		c, err := dialChat(p.ws, name, "key-of-the-forgetful-user")
		if err != nil {
			t.Fatal(err)
		}
		defer c.close()
		if _, err := c.ask(map[string]any{"type": "join", "room": "lobby"}, "joined"); err != nil {
			t.Fatal(err)
		}
		ack, err := c.ask(map[string]any{"type": "send", "room": "lobby", "id": "once", "text": "once", "retry": retry}, "ack")
		if err != nil {
			t.Fatal(err)
		}
		return ack
	}
	first := send(gateways[0], "ana", false)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second) // several windows
	defer cancel()
	<-ctx.Done()
	if again := send(gateways[1], "ana", true); again.Seq != first.Seq || !again.Duplicate || again.TS != first.TS {
		t.Errorf("the same id again: %+v, first %+v", again, first)
	}
	if other := send(gateways[1], "ben", true); other.Duplicate || other.Seq <= first.Seq {
		t.Errorf("the same id of somebody else: %+v", other)
	}
}

// TestChangesBelongToTheirAuthor edits, deletes and reacts on two gateways.
func TestChangesBelongToTheirAuthor(t *testing.T) {
	t.Parallel()
	_, gateways, _ := storageAndGateways(t, 2)
	dial := func(p *process, name string) *chatClient {
		t.Helper()
		c, err := dialChat(p.ws, name, "key-of-author-"+name)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.close)
		if _, err := c.ask(map[string]any{"type": "join", "room": "lobby"}, "joined"); err != nil {
			t.Fatal(err)
		}
		return c
	}
	ana, ben := dial(gateways[0], "ana"), dial(gateways[1], "ben")
	sent, err := ana.ask(map[string]any{"type": "send", "room": "lobby", "id": "m1", "text": "helo"}, "ack")
	if err != nil {
		t.Fatal(err)
	}
	on := func(fields map[string]any) map[string]any {
		fields["room"], fields["target"] = "lobby", sent.Seq
		return fields
	}
	refused := func(c *chatClient, frame map[string]any, code string) {
		t.Helper()
		if _, err := c.ask(frame, "ack"); err == nil || !strings.Contains(err.Error(), "error "+code) {
			t.Errorf("%v gave %v, want %s", frame, err, code)
		}
	}
	allowed := func(c *chatClient, frame map[string]any) {
		t.Helper()
		if _, err := c.ask(frame, "ack"); err != nil {
			t.Errorf("%v: %v", frame, err)
		}
	}
	refused(ben, on(map[string]any{"type": "edit", "id": "b1", "text": "mine now"}), "not_yours")
	refused(ben, on(map[string]any{"type": "delete", "id": "b2"}), "not_yours")
	allowed(ben, on(map[string]any{"type": "react", "id": "b3", "emoji": "👍", "on": true}))
	allowed(ana, on(map[string]any{"type": "react", "id": "a1", "emoji": "👍", "on": true}))
	allowed(ana, on(map[string]any{"type": "edit", "id": "a2", "text": "hello"}))
	page := dial(gateways[1], "reader")
	history, err := page.ask(map[string]any{"type": "history", "id": "h", "room": "lobby", "limit": 10}, "history")
	if err != nil || len(history.Messages) != 1 {
		t.Fatalf("history: %+v, %v", history, err)
	}
	if m := history.Messages[0]; m.Text != "hello" || m.Edited == "" || m.Reactions["👍"] != 2 {
		t.Errorf("folded: %+v", m)
	}
	allowed(ana, on(map[string]any{"type": "delete", "id": "a3"}))
	// Until ben's gateway knows of it, a reaction is concurrent and allowed.
	for deleted := false; !deleted; {
		f, err := ben.await("event", nil)
		if err != nil {
			t.Fatal(err)
		}
		deleted = f.Event.Kind == "delete"
	}
	refused(ben, on(map[string]any{"type": "react", "id": "b4", "emoji": "👍", "on": true}), "not_found")
}
