package store_test

import (
	"testing"

	"partyline/analytics/embedded/embeddedtest"
	"partyline/analytics/store"
	"partyline/events/eventstest"
)

func TestMain(m *testing.M) { embeddedtest.Main(m) }

// open makes a migrated store in a database of its own.
func open(t testing.TB) *store.Store {
	t.Helper()
	s, err := store.New(store.Config{Options: embeddedtest.Options(t), Logger: eventstest.Logger(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if err := s.Migrate(eventstest.Context(t)); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestMigrate(t *testing.T) {
	t.Parallel()
	s := open(t)
	if err := s.Migrate(eventstest.Context(t)); err != nil {
		t.Fatal("again:", err)
	}
}
