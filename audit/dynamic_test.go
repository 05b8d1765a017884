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
