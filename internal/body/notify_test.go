package body

import (
	"testing"

	"github.com/moat-db/moat/catalog"
)

func TestNotifies(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"BEGIN PERFORM pg_notify('docs', row_to_json(NEW)::text); END":                   true,
		"BEGIN PERFORM pg_notify('docs_' || NEW.tenant_id, ''); END":                     true,
		"BEGIN said := NEW.body; PERFORM pg_notify('docs', said); END":                   true,
		"BEGIN EXECUTE 'NOTIFY docs, ' || quote_literal(NEW.body); END":                  true,
		"BEGIN EXECUTE format('NOTIFY docs, %L', NEW.body); END":                         true,
		"BEGIN PERFORM pg_catalog.pg_notify('docs', TG_OP || ' ' || TG_TABLE_NAME); END": false,
		"BEGIN PERFORM pg_notify('docs', ''); seen := NEW.id; END":                       false,
		"BEGIN NOTIFY docs; END": false,
		"BEGIN EXECUTE 'UPDATE app.doc SET body = ' || quote_literal(NEW.body); END": false,
	} {
		u := Scan(&catalog.Function{Language: "plpgsql", Body: text})
		if got := u.Notifies(); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
}
