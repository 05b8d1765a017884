package lifecycle_test

import (
	"archive/zip"
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/lifecycle"
	"github.com/moat-db/moat/tenancy"
)

// Large objects know no row-level security: an operator who is no superuser needs to be told
// what it lacks, and what it makes anew has to be the application's again.
func TestLargeObjectsOfTheApplication(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestRoundTrip, with large objects
	w := newWorld(t, pgtest.Shared(t))
	app, role := w.AppRole(t), w.Role(t, "operator", "LOGIN BYPASSRLS")
	w.options.Roles = []string{app}
	w.Exec(t, "GRANT USAGE ON SCHEMA app TO "+app+"; GRANT SELECT ON app.files TO "+app+
		"; DO $$ DECLARE o oid; BEGIN FOR o IN SELECT content FROM ONLY app.files LOOP "+
		"EXECUTE 'ALTER LARGE OBJECT ' || o || ' OWNER TO "+app+"'; END LOOP; END $$")
	admin := w.Conn(t, w.URL)
	view, err := tenancy.Read(t.Context(), admin, w.options)
	if err != nil {
		t.Fatal(err)
	}
	w.Exec(t, lifecycle.SetupSQL(view, role))
	operator := func() *lifecycle.Operator { return w.operatorOn(t, w.Conn(t, w.As(t, role))) }
	opts := restoring
	opts.WithoutTriggers, opts.RevokeCertificate = false, true
	owners := func(want string) {
		t.Helper()
		if n := w.count(t, `SELECT count(*) FROM app.files f JOIN pg_largeobject_metadata m ON m.oid = f.content
			WHERE f.tenant_id = $1 AND pg_get_userbyid(m.lomowner) = $2`, acme, want); n != 3 {
			t.Errorf("%d large objects of 3 belong to %s", n, want)
		}
	}

	var short *lifecycle.MissingRightsError
	if _, err := operator().Erase(t.Context(), acme, lifecycle.EraseOptions{}); !errors.As(err, &short) ||
		!strings.Contains(err.Error(), "billing.totals") {
		t.Fatalf("without the right to refresh: %v", err)
	}
	w.Exec(t, "ALTER MATERIALIZED VIEW billing.totals OWNER TO "+role+"; ALTER MATERIALIZED VIEW billing.grand OWNER TO "+
		role)

	var file, people bytes.Buffer
	_, err = operator().Export(t.Context(), acme, &file, lifecycle.ExportOptions{})
	var missing *lifecycle.ObjectRightsError
	if !errors.As(err, &missing) || !slices.Equal(missing.Owners, []string{app}) {
		t.Fatalf("without a right: %v", err)
	}
	if _, err := operator().Erase(t.Context(), acme, lifecycle.EraseOptions{}); !errors.As(err, &missing) {
		t.Fatalf("without a right: %v", err)
	}
	w.Exec(t, "GRANT "+app+" TO "+role)
	file.Reset()
	if _, err := operator().Export(t.Context(), acme, &file, lifecycle.ExportOptions{}); err != nil {
		t.Fatal(err)
	}
	w.Exec(t, "UPDATE app.files SET name = name || '!' WHERE tenant_id = $1", acme)
	if _, err := operator().Restore(t.Context(), acme, readerOf(file.Bytes()), opts); err != nil {
		t.Fatal(err)
	}
	owners(app) // as they were
	quiet := opts
	quiet.WithoutTriggers = true
	if _, err := operator().Restore(t.Context(), acme, readerOf(file.Bytes()), quiet); !errors.As(err, &short) ||
		!strings.Contains(err.Error(), "TO "+role) || w.count(t, "SELECT count(*) FROM moat.restoring") != 0 {
		t.Errorf("switching triggers without their table's owner: %v", err)
	}
	for _, step := range []struct{ rights, owner string }{
		{"SELECT 1", app},
		{"REVOKE " + app + " FROM " + role + "; ALTER ROLE " + role + " SET lo_compat_privileges = on", role},
	} {
		w.Exec(t, step.rights)
		if _, err := operator().Erase(t.Context(), acme, lifecycle.EraseOptions{}); err != nil {
			t.Fatal(err)
		}
		if _, err := operator().Restore(t.Context(), acme, readerOf(file.Bytes()), opts); err != nil {
			t.Fatal(err)
		}
		owners(step.owner)
		// Whoever they belong to now, the application reads them.
		var n int
		err := w.Conn(t, w.As(t, app)).QueryRow(t.Context(), "SELECT sum(length(lo_get(content))) FROM app.files "+
			"WHERE tenant_id = $1", acme).Scan(&n)
		if err != nil || n == 0 {
			t.Errorf("the application reads %d bytes: %v", n, err)
		}
	}
	m, err := operator().Export(t.Context(), acme, &people, lifecycle.ExportOptions{Format: "csv"})
	if err != nil || len(m.LargeObjects) != 3 || len(m.References) == 0 {
		t.Fatalf("%+v, %v", m, err)
	}
	z, err := zip.NewReader(bytes.NewReader(people.Bytes()), int64(people.Len()))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"app.people.csv", "references/app.currencies.csv"} {
		if _, err := z.Open(name); err != nil {
			t.Error(err)
		}
	}
	var inside uint64
	for _, f := range z.File {
		if len(f.Name) > 14 && f.Name[:14] == "large-objects/" {
			inside += f.UncompressedSize64
		}
	}
	if want := m.LargeObjects[0].Bytes + m.LargeObjects[1].Bytes + m.LargeObjects[2].Bytes; inside != uint64(want) {
		t.Errorf("%d bytes of large objects, want %d", inside, want)
	}
}
