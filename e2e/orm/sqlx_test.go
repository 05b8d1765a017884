package orm_test

import (
	"context"
	"database/sql"
	"errors"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"
)

type sqlxLead struct {
	ID         int64
	CampaignID *int64 `db:"campaign_id"`
	Name       string
	Meta       []byte
	CreatedAt  time.Time `db:"created_at"`
}

func TestSQLX(t *testing.T) {
	t.Parallel()
	check(t, func(_ testing.TB, db *sql.DB) program { return sqlxProgram(sqlx.NewDb(db, "pgx")) })
}

func sqlxProgram(db *sqlx.DB) program {
	return program{
		steps: func(c client) []step { return append(sqlxReads(db, c), sqlxWrites(db, c)...) },
		unscoped: map[string]func(context.Context) error{
			"select": func(ctx context.Context) error {
				return db.SelectContext(ctx, &[]string{}, "select name from leads")
			},
			"without a context": func(context.Context) error { return db.Get(new(int), "select count(*) from leads") },
			"exec": func(ctx context.Context) error {
				_, err := db.NamedExecContext(ctx, "delete from leads where id = :id", map[string]any{"id": 1})
				return err
			},
			"transaction without a context": func(context.Context) error { _, err := db.Beginx(); return err },
		},
		crossed: func(own, other context.Context) error {
			tx, err := db.BeginTxx(own, nil)
			if err != nil {
				return err
			}
			defer tx.Rollback()
			return tx.GetContext(other, new(int), "select count(*) from leads")
		},
	}
}

func sqlxReads(db *sqlx.DB, c client) []step {
	return []step{
		{"select", func(ctx context.Context) (any, error) {
			var leads []sqlxLead
			err := db.SelectContext(ctx, &leads, "select id, name, meta, campaign_id from leads order by id")
			return leads, err
		}},
		{"get", func(ctx context.Context) (any, error) {
			var l sqlxLead
			err := db.GetContext(ctx, &l, "select name, meta from leads where name = $1", c.mark+" lead 3")
			return l, err
		}},
		{"structs", func(ctx context.Context) (any, error) {
			rows, err := db.QueryxContext(ctx, "select id, name from leads order by id")
			if err != nil {
				return nil, err
			}
			defer rows.Close()
			var names []string
			for rows.Next() {
				var l sqlxLead
				if err := rows.StructScan(&l); err != nil {
					return nil, err
				}
				names = append(names, l.Name)
			}
			return names, rows.Err()
		}},
		{"map and slice", func(ctx context.Context) (any, error) {
			found := map[string]any{}
			const both = "select l.name, c.budget, l.tags, l.meta from leads l join campaigns c on c.id = l.campaign_id " +
				"where l.id = $1"
			err := db.QueryRowxContext(ctx, both, 1).MapScan(found)
			values, sliceErr := db.QueryRowxContext(ctx, both, 2).SliceScan()
			return []any{found, values}, errors.Join(err, sliceErr)
		}},
		{"named", func(ctx context.Context) (any, error) {
			rows, err := db.NamedQueryContext(ctx, "select name from leads where id = :id", sqlxLead{ID: 2})
			if err != nil {
				return nil, err
			}
			defer rows.Close()
			var name string
			for rows.Next() {
				err = errors.Join(err, rows.Scan(&name))
			}
			return name, errors.Join(err, rows.Err())
		}},
		{"in", func(ctx context.Context) (any, error) {
			query, args, err := sqlx.In("select name from leads where id in (?) order by id", []int{1, 3, 99})
			var names []string
			return &names, errors.Join(err, db.SelectContext(ctx, &names, db.Rebind(query), args...))
		}},
		{"prepared", func(ctx context.Context) (any, error) {
			stmt, err := db.PreparexContext(ctx, "select name from leads where id = $1")
			if err != nil {
				return nil, err
			}
			defer stmt.Close()
			var names [2]string
			return &names, errors.Join(stmt.GetContext(ctx, &names[0], 1), stmt.GetContext(ctx, &names[1], 4))
		}},
		{"no rows", func(ctx context.Context) (any, error) {
			return nil, db.GetContext(ctx, &sqlxLead{}, "select id, name from leads where id = 99")
		}},
	}
}

func sqlxWrites(db *sqlx.DB, c client) []step {
	name := c.mark + " made by sqlx"
	const insert = "insert into leads (name, email) values (:name, :email)"
	lead := func(email any) map[string]any { return map[string]any{"name": name, "email": email} }
	return []step{
		{"named insert of one and of many", func(ctx context.Context) (any, error) {
			one, err := db.NamedExecContext(ctx, insert, lead(c.mark+"@sqlx"))
			many, manyErr := db.NamedExecContext(ctx, insert, []map[string]any{lead(nil), lead(nil), lead(nil)})
			if err := errors.Join(err, manyErr); err != nil {
				return nil, err
			}
			a, _ := one.RowsAffected()
			b, _ := many.RowsAffected()
			return []int64{a, b}, nil
		}},
		{"transaction", func(ctx context.Context) (any, error) {
			tx, err := db.BeginTxx(ctx, nil)
			if err != nil {
				return nil, err
			}
			defer tx.Rollback()
			var n int
			tx.MustExec("update leads set status = 'called' where name = $1", name)
			err = tx.Get(&n, "select count(*) from leads where status = 'called'")
			_, deleted := tx.NamedExec("delete from leads where status = :status", map[string]any{"status": "called"})
			return n, errors.Join(err, deleted)
		}},
		{"returning, with a commit that fails", func(ctx context.Context) (any, error) {
			var id int64
			return nil, db.GetContext(ctx, &id, "insert into leads (name, email) values ($1, $2) returning id", name,
				c.mark+"1@example.com")
		}},
		{"connection", func(ctx context.Context) (any, error) {
			conn, err := db.Connx(ctx)
			if err != nil {
				return nil, err
			}
			defer conn.Close()
			var names []string
			return &names, conn.SelectContext(ctx, &names, "select name from campaigns order by id")
		}},
		{"delete", func(ctx context.Context) (any, error) {
			done, err := db.ExecContext(ctx, "delete from leads where name = $1", name)
			if err != nil {
				return nil, err
			}
			n, err := done.RowsAffected()
			return n, err
		}},
	}
}
