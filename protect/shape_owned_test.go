package protect

import (
	"strings"
	"testing"

	"github.com/moat-db/moat/internal/postgres/pgtest"
)

func ownedScenes() []scene {
	const (
		bytes = "SELECT string_agg(bytes, ',' ORDER BY bytes) FROM app.document_data"
		both  = "WITH d AS (INSERT INTO app.document_data (bytes) VALUES ('new') RETURNING id) " +
			"INSERT INTO app.document (data_id) SELECT id FROM d"
	)
	return []scene{
		{tenant: agencyA, sql: bytes, want: "bytes of A"},
		{tenant: clientB, sql: bytes, want: "bytes of B"},
		{tenant: agencyA, tree: true, sql: bytes, want: "bytes of A,bytes of B"},
		{sql: bytes, want: "<nil>"},
		{tenant: agencyA, sql: both, want: "1"},
		{tenant: otherC, sql: "UPDATE app.document SET data_id = md5('dA')::uuid", want: "23505"},
		{tenant: otherC, sql: "UPDATE app.document_data SET tenant_id = '" + agencyA + "'", want: "42501"},
		{tenant: agencyA, sql: "UPDATE app.document_data SET bytes = 'x'", want: "1"},
		{tenant: otherC, sql: "DELETE FROM app.document WHERE data_id <> md5('later')::uuid", want: "1"},
	}
}

// Before group enforce a writer that knows no tenant puts the bytes in first: the document
// that refers to them stamps them, and another tenant's cannot.
func TestOwnedRowsAreStamped(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestShapesTogether's scenes of owned rows
	b := shapedBench(t, pgtest.Shared(t), shapesSchema, everyShape())
	before := text(t, b.snapshot(t))
	b.apply(t, GroupPolicies)
	b.Exec(t, `INSERT INTO app.document_data (id, bytes) VALUES (md5('later')::uuid, 'later'), (md5('free')::uuid, 'free');
		INSERT INTO app.document (tenant_id, data_id) VALUES ('`+otherC+`', md5('later')::uuid)`)
	if got := b.value(t, "SELECT tenant_id::text FROM app.document_data WHERE bytes = 'later'"); got != otherC {
		t.Errorf("the bytes are of %q", got)
	}
	b.Exec(t, "ALTER TABLE app.document DROP CONSTRAINT document_data_id_key")
	if err := b.try(t, "INSERT INTO app.document (tenant_id, data_id) VALUES ('"+agencyA+
		"', md5('later')::uuid)"); err == nil || code(err) != "23503" {
		t.Errorf("A refers to C's bytes: %v", err)
	}
	b.Exec(t, "ALTER TABLE app.document ADD CONSTRAINT document_data_id_key UNIQUE (data_id)")
	asked := false
	for _, d := range b.plan(t).Decisions {
		asked = asked || strings.HasPrefix(d.ID, "rows/null/app.document_data") && d.Blocks
	}
	if !asked {
		t.Error("bytes that no document refers to are not asked about")
	}
	b.Exec(t, "DELETE FROM app.document_data WHERE bytes = 'free'")
	b.act(t, ownedScenes())
	if left := b.value(t, "SELECT count(*)::text FROM pg_trigger WHERE tgname LIKE '%stamp%'"); left != "0" {
		t.Errorf("%s triggers are left after enforce", left)
	}
	b.Exec(t, "DELETE FROM app.document_data WHERE false")
	b.undo(t)
	if d := diff(before, text(t, b.snapshot(t))); d != "" {
		t.Errorf("undo left (- before, + after):\n%s", d)
	}
}

// Without a declaration it is asked about.
func TestOwnedRowsAreAskedAbout(t *testing.T) {
	t.Parallel()
	b := newBench(t, shapesSchema)
	b.opts.Column = "tenant_id"
	const want = "tables: {owned_by: {app.document_data: app.document.data_id}}"
	for _, d := range b.plan(t).Decisions {
		if d.ID == "class/app.document_data" && strings.Contains(d.Config, want) {
			return
		}
	}
	t.Error("app.document_data is not asked about as owned by app.document")
}
