package body

import (
	"slices"
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

func TestRaised(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"BEGIN RAISE NOTICE 'not yours: %', b; END":                                         true,
		"BEGIN RAISE EXCEPTION USING MESSAGE = 'not yours', DETAIL = b; END":                true,
		"BEGIN RAISE EXCEPTION 'not yours: %', (SELECT max(x) FROM s.m WHERE m.b = b); END": true,
		"BEGIN RAISE EXCEPTION 'not yours: b' USING ERRCODE = '42501'; seen := b; END":      false,
		"BEGIN RAISE insufficient_privilege; b := 1; RETURN b; END":                         false,
	} {
		u := Scan(&catalog.Function{Language: "plpgsql", Body: text})
		if got := slices.Contains(u.Raised(), "b"); got != want {
			t.Errorf("%s: %v", text, u.Raised())
		}
	}
}
