package orm_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"testing"

	"github.com/moat-db/moat/e2e/orm/sqlcdb"
)

func TestSqlc(t *testing.T) {
	t.Parallel()
	check(t, func(_ testing.TB, db *sql.DB) program { return sqlcProgram(db, sqlcdb.New(db)) })
}

// The prepared statements of one tenant's start serve all of them.
func TestSqlcPrepared(t *testing.T) {
	t.Parallel()
	check(t, func(t testing.TB, db *sql.DB) program {
		q, err := sqlcdb.Prepare(t.Context(), db)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = q.Close() })
		return sqlcProgram(db, q)
	})
}

func sqlcProgram(db *sql.DB, q *sqlcdb.Queries) program {
	return program{
		steps: func(c client) []step { return append(sqlcReads(q, c), sqlcWrites(db, q, c)...) },
		unscoped: map[string]func(context.Context) error{
			"one":  func(ctx context.Context) error { _, err := q.CountLeads(ctx); return err },
			"many": func(ctx context.Context) error { _, err := q.ListLeads(ctx); return err },
			"exec": func(ctx context.Context) error { return q.SetStatus(ctx, sqlcdb.SetStatusParams{}) },
		},
		crossed: func(own, other context.Context) error {
			tx, err := db.BeginTx(own, nil)
			if err != nil {
				return err
			}
			defer tx.Rollback()
			_, err = q.WithTx(tx).CountLeads(other)
			return err
		},
	}
}

func sqlcReads(q *sqlcdb.Queries, c client) []step {
	return []step{
		{"one", func(ctx context.Context) (any, error) { l, err := q.GetLead(ctx, 2); return l, err }},
		{"none", func(ctx context.Context) (any, error) { _, err := q.GetLead(ctx, 99); return nil, err }},
		{"many", func(ctx context.Context) (any, error) { l, err := q.ListLeads(ctx); return l, err }},
		{"by a parameter", func(ctx context.Context) (any, error) {
			names, err := q.LeadsByName(ctx, c.mark+"%")
			return names, err
		}},
		{"totals", func(ctx context.Context) (any, error) { l, err := q.Totals(ctx); return l, err }},
	}
}

func sqlcWrites(db *sql.DB, q *sqlcdb.Queries, c client) []step {
	lead := sqlcdb.CreateLeadParams{Name: c.mark + " made by sqlc", Meta: json.RawMessage(`{"a": [1]}`)}
	return []step{
		{"create", func(ctx context.Context) (any, error) {
			l, err := q.CreateLead(ctx, lead)
			return []any{l.ID > 4, l.Status}, err
		}},
		{"exec", func(ctx context.Context) (any, error) {
			return nil, q.SetStatus(ctx, sqlcdb.SetStatusParams{Name: lead.Name, Status: "won"})
		}},
		{"transaction", func(ctx context.Context) (any, error) {
			tx, err := db.BeginTx(ctx, nil)
			if err != nil {
				return nil, err
			}
			defer tx.Rollback()
			in := q.WithTx(tx)
			_, err = in.CreateLead(ctx, lead)
			n, countErr := in.CountLeads(context.Background())
			return n, errors.Join(err, countErr, tx.Commit())
		}},
		{"commit that fails", func(ctx context.Context) (any, error) {
			again := lead
			again.Email = sql.NullString{String: c.mark + "1@example.com", Valid: true}
			_, err := q.CreateLead(ctx, again)
			return nil, err
		}},
		{"soft delete", func(ctx context.Context) (any, error) {
			n, err := q.SoftDelete(ctx, lead.Name)
			left, listErr := q.LeadsByName(ctx, "%")
			return []any{n, left}, errors.Join(err, listErr)
		}},
		{"delete", func(ctx context.Context) (any, error) { return affected(q.DeleteLeads(ctx, lead.Name)) }},
	}
}
