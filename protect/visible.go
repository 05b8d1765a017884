package protect

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/sqltext"
)

// How many tenants a [Sight] is counted for: the largest of its table, and some of all.
const (
	largest = 3
	sampled = 5
)

// compare counts, table by table, what tenants see today by the team's own policies and
// what they will see behind the wall. It reads as who it is, by the policies' text, so
// that no policy is created and no role is entered. A table that cannot be counted is left
// out, and stays a question.
func compare(ctx context.Context, conn *pgx.Conn, plan *Plan) (map[catalog.QName][]Seen, error) {
	all := map[catalog.QName][]Seen{}
	opts := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	err := pgx.BeginTxFunc(ctx, conn, opts, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SET LOCAL row_security = off; SET LOCAL statement_timeout = 0; SET LOCAL "+
			"search_path = pg_catalog, pg_temp"); err != nil {
			return err
		}
		for _, s := range plan.Sights {
			// A policy may fail on a tenant that is not set as it expects: ctx's own end apart.
			err := pgx.BeginFunc(ctx, tx, func(tx pgx.Tx) (err error) {
				all[s.Table], err = s.count(ctx, tx, plan.Model)
				return err
			})
			if err != nil {
				delete(all, s.Table)
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
		}
		return nil
	})
	return all, err
}

func (s *Sight) count(ctx context.Context, tx pgx.Tx, m *catalog.Model) ([]Seen, error) {
	tenants, err := s.tenants(ctx, tx, m)
	if err != nil {
		return nil, err
	}
	var all []Seen
	for _, tenant := range tenants {
		if _, err := tx.Exec(ctx, "SELECT set_config($1, $2, true)", m.Setting, inClaims(m.Claim, tenant)); err != nil {
			return nil, err
		}
		seen := Seen{Tenant: tenant}
		query := fmt.Sprintf("SELECT count(*) FILTER (WHERE %[1]s), count(*) FILTER (WHERE (%[1]s) AND %[2]s) FROM %[3]s",
			s.Today, s.Wall, s.Table.SQL())
		if err := tx.QueryRow(ctx, query).Scan(&seen.Today, &seen.Behind); err != nil {
			return nil, err
		}
		all = append(all, seen)
	}
	return all, nil
}

// tenants are those with most rows in the table, and a sample that is the same each time.
func (s *Sight) tenants(ctx context.Context, tx pgx.Tx, m *catalog.Model) ([]string, error) {
	own := sqltext.Ident(s.Column)
	query := fmt.Sprintf("(SELECT %[1]s::text FROM %[2]s WHERE %[1]s IS NOT NULL GROUP BY 1 ORDER BY count(*) DESC, 1 "+
		"LIMIT %[3]d)", own, s.Table.SQL(), largest)
	if m.Tenants != (catalog.QName{}) {
		key := sqltext.Ident(m.Key)
		query += fmt.Sprintf(" UNION ALL (SELECT %[1]s::text FROM %[2]s ORDER BY md5(%[1]s::text) LIMIT %[3]d)", key,
			m.Tenants.SQL(), sampled)
	}
	rows, _ := tx.Query(ctx, query)
	all, err := pgx.CollectRows(rows, pgx.RowTo[string])
	slices.Sort(all)
	return slices.Compact(all), err
}

// inClaims is the value of the setting for a tenant: itself, or a token's claims that hold
// it at the path.
func inClaims(path []string, tenant string) string {
	if len(path) == 0 {
		return tenant
	}
	var value any = tenant
	for _, name := range slices.Backward(path) {
		value = map[string]any{name: value}
	}
	text, _ := json.Marshal(value) // maps of strings always marshal
	return string(text)
}
