package audit_test

import (
	"testing"

	"github.com/moat-db/moat/audit"
	"github.com/moat-db/moat/audit/audittest"
	"github.com/moat-db/moat/internal/postgres/pgtest"
)

// Rows of others in raw pages may not be accepted; row locks may.
func TestRawPagesAreCritical(t *testing.T) {
	t.Parallel()
	stages := audittest.NewStages(t, pgtest.Shared(t), 1)
	for body, want := range map[string]audit.Severity{
		"SELECT t_data::text FROM heap_page_items(get_raw_page('app.doc', 0))": audit.Critical,
		"SELECT locked_row::text FROM pgrowlocks('app.doc')":                   audit.High,
	} {
		t.Run(string(want), func(t *testing.T) {
			f := stages.Setup(t, audittest.Hole{ID: "O20", Vulnerable: `CREATE EXTENSION pageinspect;
				CREATE EXTENSION pgrowlocks; CREATE FUNCTION app.raw() RETURNS SETOF text LANGUAGE sql SECURITY DEFINER
				SET search_path = pg_catalog, public, pg_temp AS $$ ` + body + ` $$;`})
			for _, x := range run(t, f).Findings {
				if x.Rule == "grant-raw-pages" && x.Object == "app.raw()" {
					if x.Severity != want || x.Acceptable() != (want == audit.High) {
						t.Errorf("%s, acceptable %v, want %s", x.Severity, x.Acceptable(), want)
					}
					return
				}
			}
			t.Error("not found")
		})
	}
}
