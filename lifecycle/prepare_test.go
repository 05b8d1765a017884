package lifecycle_test

import (
	"errors"
	"testing"
	"time"

	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/lifecycle"
)

// What an operator makes who can become the schema's owner is the owner's, who can go on
// with it: the log is not the operator's to change.
func TestTablesAreTheSchemaOwners(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgtest.Shared(t))
	owner, role := w.Role(t, "owner", ""), w.Role(t, "operator", "LOGIN BYPASSRLS")
	w.Exec(t, "CREATE SCHEMA moat AUTHORIZATION "+owner+"; GRANT "+owner+" TO "+role+
		"; GRANT USAGE ON SCHEMA app, billing TO "+role+"; GRANT SELECT ON ALL TABLES IN SCHEMA app, billing TO "+role+
		"; DO $$ BEGIN EXECUTE format('GRANT CREATE ON DATABASE %I TO "+owner+"', current_database()); END $$")
	if _, err := w.operatorOn(t, w.Conn(t, w.As(t, role))).List(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := w.count(t, "SELECT count(*) FROM pg_tables WHERE schemaname = 'moat' AND tableowner <> $1", owner); n != 0 {
		t.Errorf("%d tables are not the owner's", n)
	}
}

// The tenant reads the log: what is refused at once does not stand there as done.
func TestRefusedActsAreNotLogged(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgtest.Shared(t))
	o := w.operator(t)
	if _, err := o.RequestErasure(t.Context(), acme, time.Hour); err != nil {
		t.Fatal(err)
	}
	if err := o.Resume(t.Context(), acme); err == nil {
		t.Error("a tenant whose erasure is requested was resumed")
	}
	if _, err := o.Erase(t.Context(), acme, lifecycle.EraseOptions{}); !errors.Is(err, lifecycle.ErrNotDue) {
		t.Errorf("before its time: %v", err)
	}
	if err := o.CancelErasure(t.Context(), globex); err == nil {
		t.Error("what was not requested was cancelled")
	}
	if n := w.count(t, "SELECT count(*) FROM moat.operator_log"); n != 1 {
		t.Errorf("%d lines for one act", n)
	}
}

// An operator that may not make moat's tables is told so by every act, and by a line of SQL.
func TestUnpreparedOperatorsAreTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgtest.Shared(t))
	role := w.Role(t, "operator", "LOGIN BYPASSRLS")
	w.Exec(t, "GRANT USAGE ON SCHEMA app, billing TO "+role)
	w.Exec(t, "GRANT SELECT, DELETE ON ALL TABLES IN SCHEMA app, billing TO "+role)
	o := w.operatorOn(t, w.Conn(t, w.As(t, role)))
	for act, do := range map[string]func() error{
		"erase":   func() error { _, err := o.Erase(t.Context(), acme, lifecycle.EraseOptions{}); return err },
		"request": func() error { _, err := o.RequestErasure(t.Context(), acme, time.Hour); return err },
		"due":     func() error { _, err := o.EraseDue(t.Context(), lifecycle.EraseOptions{}); return err },
		"cancel":  func() error { return o.CancelErasure(t.Context(), acme) },
		"suspend": func() error { return o.Suspend(t.Context(), acme) },
		"resume":  func() error { return o.Resume(t.Context(), acme) },
		"list":    func() error { _, err := o.List(t.Context()); return err },
	} {
		var told *lifecycle.NotPreparedError
		if err := do(); !errors.As(err, &told) || told.SQL == "" {
			t.Errorf("%s: %v", act, err)
		}
	}
}
