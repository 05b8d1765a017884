package lifecycle_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/lifecycle"
)

var restoring = lifecycle.RestoreOptions{Apply: true, Include: []string{"app.memberships", "app.order_shares"},
	Settle: time.Millisecond, WithoutTriggers: true}

// What was exported, erased and restored is what it was, and so is everybody else's.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	pgtest.EachMajor(t, func(t *testing.T, c *pgtest.Cluster) {
		w := newWorld(t, c)
		// More than one part of an archive: a table, and a large object.
		w.Exec(t, "INSERT INTO app.teams (tenant_id, name) SELECT $1, n || repeat(md5(n::text), 40) FROM "+
			"generate_series(1, 2500) n", acme)
		w.Exec(t, "UPDATE app.files SET content = lo_from_bytea(0, decode(repeat('00ff', 800000), 'hex')) "+
			"WHERE tenant_id = $1 AND name = 'doc-1'", acme)
		mine, others := w.fingerprint(t, acme, false), w.fingerprint(t, acme, true)
		file := w.export(t, acme)
		if _, err := w.operator(t).Erase(t.Context(), acme, lifecycle.EraseOptions{}); err != nil {
			t.Fatal(err)
		}
		_, err := w.operator(t).Restore(t.Context(), acme, bytes.NewReader(file), restoring)
		if !errors.Is(err, lifecycle.ErrCertified) {
			t.Fatalf("a certified erasure: %v", err)
		}
		opts := restoring
		opts.RevokeCertificate = true
		d, err := w.operator(t).Restore(t.Context(), acme, bytes.NewReader(file), opts)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(mine, w.fingerprint(t, acme, false)); diff != "" {
			t.Errorf("the tenant's rows:\n%s", diff)
		}
		if diff := cmp.Diff(others, w.fingerprint(t, acme, true)); diff != "" {
			t.Errorf("rows of others:\n%s", diff)
		}
		if len(d.Tables) != 14 || d.Objects != 3 {
			t.Errorf("%d tables, %d objects", len(d.Tables), d.Objects)
		}
	})
}

// One tenant goes back to last night, while the others stay at today.
func TestRestoreBringsBackLastNight(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestRoundTrip
	w := newWorld(t, pgtest.Shared(t))
	mine := w.fingerprint(t, acme, false)
	file := w.export(t, acme)
	w.Exec(t, "CREATE TABLE public.swapped (id bigint, email text)")
	for _, sql := range []string{
		"DELETE FROM billing.invoices WHERE tenant_id = $1 AND number < 'INV-2'",
		"UPDATE app.people SET boss_id = NULL, extra = '{}' WHERE tenant_id = $1",
		"UPDATE app.tenants SET name = 'Broken' WHERE id = $1",
		// Two people have swapped a unique value.
		`WITH two AS (SELECT min(id) AS a, max(id) AS b FROM app.people WHERE tenant_id = $1),
			old AS (SELECT p.id, p.email, two.a, two.b FROM app.people p, two WHERE p.id IN (two.a, two.b)),
			gone AS (UPDATE app.people p SET email = p.id || '@away' FROM old WHERE p.id = old.id RETURNING 1)
			INSERT INTO swapped SELECT o.id, n.email FROM old o JOIN old n ON n.id <> o.id, (SELECT count(*) FROM gone) g`,
		"UPDATE app.people p SET email = s.email FROM swapped s WHERE s.id = p.id AND p.tenant_id = $1",
		"DELETE FROM app.notes WHERE ctid IN (SELECT n.ctid FROM app.notes n JOIN app.people p ON p.id = n.person_id " +
			"WHERE p.tenant_id = $1 LIMIT 7)",
		"INSERT INTO app.teams (tenant_id, name) VALUES ($1, 'new')",
		"INSERT INTO app.people (tenant_id, team_id, email) SELECT $1, max(id), 'new@x' FROM app.teams WHERE tenant_id = $1",
		"UPDATE app.teams SET lead_id = (SELECT max(id) FROM app.people WHERE tenant_id = $1) WHERE tenant_id = $1",
		"DELETE FROM app.events WHERE tenant_id = $1 AND id % 3 = 0",
		"UPDATE app.files SET content = lo_from_bytea(0, 'other') WHERE tenant_id = $1 AND name = 'doc-1'",
	} {
		w.Exec(t, sql, acme)
	}
	w.Exec(t, "DROP TABLE public.swapped")
	others := w.fingerprint(t, acme, true)
	broken := w.fingerprint(t, acme, false)
	looking := restoring
	looking.Apply = false
	d, err := w.operator(t).Restore(t.Context(), acme, bytes.NewReader(file), looking)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(broken, w.fingerprint(t, acme, false)); diff != "" {
		t.Errorf("looking changed rows:\n%s", diff)
	}
	changes := map[string]lifecycle.Changes{}
	for _, c := range d.Tables {
		changes[c.Table] = c
	}
	if c := changes["app.people"]; c.Add != 0 || c.Change != 40 || c.Remove != 1 {
		t.Errorf("app.people: %+v", c)
	}
	if c := changes["app.notes"]; c.Add != 7 || c.Remove != 0 {
		t.Errorf("app.notes: %+v", c)
	}
	if _, err = w.operator(t).Restore(t.Context(), acme, bytes.NewReader(file), restoring); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(mine, w.fingerprint(t, acme, false)); diff != "" {
		t.Errorf("the tenant's rows:\n%s", diff)
	}
	if diff := cmp.Diff(others, w.fingerprint(t, acme, true)); diff != "" {
		t.Errorf("rows of others:\n%s", diff)
	}
}

// Rows that are not in the export, and to which rows of others refer, stay.
func TestRestoreKeepsWhatOthersReferTo(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestRoundTrip
	w := newWorld(t, pgtest.Shared(t))
	file := w.export(t, acme)
	w.Exec(t, "INSERT INTO app.teams (tenant_id, name) VALUES ($1, 'new')", acme)
	w.Exec(t, "UPDATE app.tenants SET home_team = (SELECT max(id) FROM app.teams) WHERE slug = 'globex'")
	others := w.fingerprint(t, acme, true)
	d, err := w.operator(t).Restore(t.Context(), acme, bytes.NewReader(file), restoring)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range d.Tables {
		if c.Table == "app.teams" && c.Kept != 1 {
			t.Errorf("%+v", c)
		}
	}
	if diff := cmp.Diff(others, w.fingerprint(t, acme, true)); diff != "" {
		t.Errorf("rows of others:\n%s", diff)
	}
}

// Who is a member, and whom rows are shared with, stays as it is today unless it is named:
// access that was taken away since the export does not come back with the rows.
func TestRestoreLeavesAccess(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestRestoreBringsBackLastNight
	w := newWorld(t, pgtest.Shared(t))
	file := w.export(t, acme)
	w.Exec(t, "DELETE FROM app.memberships WHERE tenant_id = $1", acme)
	w.Exec(t, "DELETE FROM app.order_shares WHERE tenant_id = $1", acme)
	w.Exec(t, "DELETE FROM app.orders WHERE tenant_id = $1", acme)
	access := "SELECT (SELECT count(*) FROM app.memberships WHERE tenant_id = $1) + " +
		"(SELECT count(*) FROM app.order_shares WHERE tenant_id = $1)"
	opts := restoring
	opts.Include = nil
	d, err := w.operator(t).Restore(t.Context(), acme, bytes.NewReader(file), opts)
	if err != nil {
		t.Fatal(err)
	}
	if n := w.count(t, access, acme); n != 0 || len(d.Left) != 2 {
		t.Errorf("%d rows of access came back; left: %q", n, d.Left)
	}
	if n := w.count(t, "SELECT count(*) FROM app.orders WHERE tenant_id = $1", acme); n != 4 {
		t.Errorf("%d orders", n)
	}
	if _, err := w.operator(t).Restore(t.Context(), acme, bytes.NewReader(file), restoring); err != nil {
		t.Fatal(err)
	}
	if n := w.count(t, access, acme); n != 5 {
		t.Errorf("named, %d rows of access came back", n)
	}
}

// A column that is new and has no default stops a restore only where rows are to be added.
func TestRestoreNeedsAValue(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestRestoreBringsBackLastNight
	w := newWorld(t, pgtest.Shared(t))
	file := w.export(t, acme)
	w.Exec(t, "ALTER TABLE app.events ADD place text; UPDATE app.events SET place = 'x'")
	w.Exec(t, "ALTER TABLE app.events ALTER place SET NOT NULL")
	if _, err := w.operator(t).Restore(t.Context(), acme, bytes.NewReader(file), restoring); err != nil {
		t.Fatal(err)
	}
	w.Exec(t, "DELETE FROM app.events WHERE tenant_id = $1 AND kind = 'visit'", acme)
	looking := restoring
	looking.Apply = false
	var refused *lifecycle.RefusedError
	_, err := w.operator(t).Restore(t.Context(), acme, bytes.NewReader(file), looking)
	if !errors.As(err, &refused) || !strings.Contains(err.Error(), "no value for place") {
		t.Errorf("120 events without a place: %v", err)
	}
}

// A trigger that fires may change what is restored: it is counted, not hidden.
func TestTriggersAreCounted(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgtest.Shared(t))
	file := w.export(t, acme)
	w.Exec(t, "UPDATE billing.invoices SET net = 1 WHERE tenant_id = $1 AND number = 'INV-1'", acme)
	opts := restoring
	opts.WithoutTriggers = false
	d, err := w.operator(t).Restore(t.Context(), acme, bytes.NewReader(file), opts)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range d.Tables {
		if c.Table == "billing.invoices" && (c.Change != 1 || c.Altered != 1) {
			t.Errorf("%+v", c)
		}
	}
}
