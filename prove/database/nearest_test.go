package database_test

import (
	"strings"
	"testing"

	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/prove"
	"github.com/moat-db/moat/prove/database"
	"github.com/moat-db/moat/prove/internal/shop"
)

// docs are rows with a place among those of all tenants.
func docs(typ, index, place string) string {
	return "CREATE TABLE app.docs (tenant_id uuid NOT NULL REFERENCES app.tenants, id int, at " + typ + " NOT NULL, " +
		"PRIMARY KEY (tenant_id, id)); INSERT INTO app.docs SELECT t.id, i, " + place + " FROM app.tenants t, " +
		"generate_series(1, 30) i; CREATE INDEX docs_near ON app.docs USING " + index + ";" +
		strings.NewReplacer("$T", "app.docs", "$C", "tenant_id").Replace(policy)
}

// A search by an index that finds all rows is whole, whatever is planted near it.
func TestNearest(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestMendedKindsDoNotLeak
	for _, o := range []database.Options{{}, {Disposable: true, Strict: true}} {
		f := newFixture(t, rows, pgtest.Nearest, docs("point", "hnsw (at app.nearest_ops)", "point(i, i)"))
		r := f.prove(t, o)
		if p := r.Find("nearest:app.docs"); p == nil || p.Verdict != prove.VerdictIsolated {
			t.Errorf("%+v: %+v", o, p)
		}
		if p := r.Find("nearest at once:app.docs"); (p != nil) != o.Strict {
			t.Errorf("strict %t: %+v", o.Strict, p)
		}
	}
}

// An index of pgvector over all tenants tells how many rows of B's are near, until scans go on
// until enough rows are A's; whoever runs SQL of its own can end that.
func TestNearestByPgvector(t *testing.T) {
	t.Parallel()
	f := &fixture{shop.On(t, pgtest.Pgvector(t).New(t), rows, "CREATE EXTENSION vector SCHEMA app", docs("app.vector(3)",
		"hnsw (at app.vector_l2_ops)", "format('[%s,1,1]', i)::app.vector"))}
	o := database.Options{Disposable: true, Strict: true}
	const id = "nearest:app.docs"
	if p := f.prove(t, o).Find(id); p == nil || p.Verdict != prove.VerdictLeak {
		t.Errorf("by default: %+v", p)
	}
	f.Exec(t, "ALTER ROLE "+f.App+" SET hnsw.iterative_scan = 'relaxed_order'")
	r := f.prove(t, o)
	if p := r.Find(id); p == nil || p.Verdict != prove.VerdictIsolated {
		t.Errorf("scans that go on: %+v", p)
	}
	if p := r.Find("nearest at once:app.docs"); p == nil || p.Verdict != prove.VerdictLeak {
		t.Errorf("switched off: %+v", p)
	}
}
