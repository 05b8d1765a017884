package orm_test

import (
	"context"
	"database/sql"
	"errors"
	"testing"

	sq "github.com/Masterminds/squirrel"
)

func TestSquirrel(t *testing.T) {
	t.Parallel()
	check(t, func(_ testing.TB, db *sql.DB) program { return squirrelProgram(db) })
}

func squirrelProgram(db *sql.DB) program {
	build := sq.StatementBuilder.PlaceholderFormat(sq.Dollar).RunWith(db)
	cached := sq.StatementBuilder.PlaceholderFormat(sq.Dollar).RunWith(sq.NewStmtCache(db))
	return program{
		steps: func(c client) []step {
			return append(squirrelReads(build, c), squirrelWrites(db, build, cached, c)...)
		},
		unscoped: map[string]func(context.Context) error{
			"query": func(ctx context.Context) error {
				return build.Select("count(*)").From("leads").QueryRowContext(ctx).Scan(new(int))
			},
			"without a context": func(context.Context) error {
				return build.Select("count(*)").From("leads").QueryRow().Scan(new(int))
			},
			"exec": func(ctx context.Context) error { _, err := build.Delete("leads").ExecContext(ctx); return err },
		},
		crossed: func(own, other context.Context) error {
			tx, err := db.BeginTx(own, nil)
			if err != nil {
				return err
			}
			defer tx.Rollback()
			return build.Select("count(*)").From("leads").RunWith(tx).QueryRowContext(other).Scan(new(int))
		},
	}
}

func squirrelReads(build sq.StatementBuilderType, c client) []step {
	return []step{
		{"select with a join", func(ctx context.Context) (any, error) {
			return squirrelNames(ctx, build.Select("l.name || ' in ' || c.name").From("leads l").
				Join("campaigns c on c.id = l.campaign_id").Where(sq.Eq{"l.id": []int{1, 2, 3}}).OrderBy("l.id"))
		}},
		{"select with a subquery and a literal", func(ctx context.Context) (any, error) {
			named := sq.Select("id").From("campaigns").Where("name = ?", c.mark+" campaign 1")
			return squirrelNames(ctx, build.Select("name").FromSelect(sq.Select("*").From("leads").
				Where(sq.Expr("campaign_id = (?)", named)), "l").Where("score > 0").OrderBy("id").Limit(5))
		}},
		{"query row", func(ctx context.Context) (any, error) {
			var n int
			return &n, build.Select("count(*)").From("leads").Where(sq.Gt{"score": 1}).QueryRowContext(ctx).Scan(&n)
		}},
	}
}

func squirrelNames(ctx context.Context, query sq.SelectBuilder) ([]string, error) {
	rows, err := query.QueryContext(ctx)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var names []string
	for rows.Next() {
		var name string
		err = errors.Join(err, rows.Scan(&name))
		names = append(names, name)
	}
	return names, errors.Join(err, rows.Err())
}

func squirrelWrites(db *sql.DB, build, cached sq.StatementBuilderType, c client) []step {
	name := c.mark + " made by squirrel"
	return []step{
		{"insert", func(ctx context.Context) (any, error) {
			var id int64
			err := build.Insert("leads").Columns("name", "score").Values(name, 5).Values(name, sq.Expr("? + 1", 5)).
				Suffix("returning id").QueryRowContext(ctx).Scan(&id)
			return id > 4, err
		}},
		{"update by a cached statement", func(ctx context.Context) (any, error) {
			done, err := cached.Update("leads").Set("score", 8).SetMap(map[string]any{"status": "won"}).
				Where(sq.Eq{"name": name}).ExecContext(ctx)
			return affected(done, err)
		}},
		{"transaction", func(ctx context.Context) (any, error) {
			tx, err := db.BeginTx(ctx, nil)
			if err != nil {
				return nil, err
			}
			defer tx.Rollback()
			_, err = build.Delete("leads").RunWith(tx).ExecContext(ctx)
			var n int
			return &n, errors.Join(err, build.Select("count(*)").From("leads").RunWith(tx).QueryRow().Scan(&n))
		}},
		{"delete", func(ctx context.Context) (any, error) {
			return affected(build.Delete("leads").Where(sq.Eq{"name": name, "status": "won"}).ExecContext(ctx))
		}},
	}
}

func affected(done sql.Result, err error) (int64, error) {
	if err != nil {
		return 0, err
	}
	return done.RowsAffected()
}
