package audit

import (
	"testing"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/body"
)

// A trigger that only quotes identifiers into its text runs what its author wrote; one
// that joins values to it runs what a row says.
func TestTrustedDynamic(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		`BEGIN EXECUTE format('ANALYZE %I.%I', tg_table_schema, tg_table_name); RETURN NULL; END`: true,
		`BEGIN EXECUTE format('ANALYZE %s', NEW.body); RETURN NULL; END`:                          false,
		`BEGIN EXECUTE 'ANALYZE ' || NEW.body; RETURN NULL; END`:                                  false,
		`BEGIN EXECUTE 'ANALYZE '||NEW.body; RETURN NULL; END`:                                    false,
	} {
		fn := &catalog.Function{Result: "trigger", Language: "plpgsql", Body: text}
		b := body.Scan(fn)
		if got := (&facts{}).trustedDynamic(fn, &b); !b.Dynamic || got != want {
			t.Errorf("%s: trusted %v, dynamic %v", text, got, b.Dynamic)
		}
	}
}

// What a caller can only quote into a SELECT as a column or a value is no text of theirs; a
// table is.
func TestFormatted(t *testing.T) {
	t.Parallel()
	for text, dynamic := range map[string]bool{
		`BEGIN EXECUTE format('select %I from app.config limit 1', q) INTO r; RETURN r; END`: false,
		`BEGIN EXECUTE format('select 1 from app.config where a = %L', q) INTO r; END`:       false,
		`BEGIN EXECUTE format('select 1 from app.%I', q) INTO r; END`:                        true,
		`BEGIN EXECUTE format('select 1 from %I', q) INTO r; END`:                            true,
		`BEGIN EXECUTE format('select %s from app.config', q) INTO r; END`:                   true,
		`BEGIN EXECUTE format('select %I() from app.config', q) INTO r; END`:                 true,
		`BEGIN EXECUTE format('select 1 from app.config', q) || q; END`:                      true,
		`BEGIN EXECUTE format('drop table %I', q); END`:                                      true,
	} {
		b := body.Scan(&catalog.Function{Language: "plpgsql", Body: text})
		if b.Dynamic != dynamic || !dynamic && len(b.Tables) != 1 {
			t.Errorf("%s: dynamic %v, tables %v", text, b.Dynamic, b.Tables)
		}
	}
}
