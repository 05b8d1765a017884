package sqltext_test

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/internal/sqltext"
)

func TestQuotesLikeTheServer(t *testing.T) {
	t.Parallel()
	pgtest.EachMajor(t, func(t *testing.T, c *pgtest.Cluster) {
		t.Parallel()
		ctx := context.Background()
		db := c.New(t)
		conn := db.Conn(t, db.URL)
		rows, _ := conn.Query(ctx, `SELECT w, quote_ident(w), quote_literal(w) FROM (
			SELECT word FROM pg_get_keywords() UNION ALL VALUES (''), ('a'), ('A'), ('a b'), ('1a'), ('a1'), ('a$'), ('"'),
				(''''), ('é'), ('a.b'), ('_'), ('\'), ('a\''b')) AS x(w)`)
		var word, ident, literal string
		_, err := pgx.ForEachRow(rows, []any{&word, &ident, &literal}, func() error {
			// A word that only other majors reserve is quoted too, which is right anywhere.
			if got := sqltext.Ident(word); got != ident && got != `"`+word+`"` {
				t.Errorf("sqltext.Ident(%q) = %s, the server's %s", word, got, ident)
			}
			if got := sqltext.Literal(word); strings.TrimSpace(got) != strings.TrimSpace(literal) {
				t.Errorf("sqltext.Literal(%q) = %s, the server's %s", word, got, literal)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

func TestPairs(t *testing.T) {
	t.Parallel()
	got := sqltext.Pairs("p", []string{"id", "Tenant"}, "c", []string{"lead_id", "tenant_id"})
	if want := `p.id = c.lead_id AND p."Tenant" = c.tenant_id`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
