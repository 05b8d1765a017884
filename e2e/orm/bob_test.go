package orm_test

import (
	"context"
	"database/sql"
	"errors"
	"testing"

	"github.com/stephenafamo/bob"
	"github.com/stephenafamo/bob/dialect/psql"
	"github.com/stephenafamo/bob/dialect/psql/dialect"
	"github.com/stephenafamo/bob/dialect/psql/dm"
	"github.com/stephenafamo/bob/dialect/psql/im"
	"github.com/stephenafamo/bob/dialect/psql/sm"
	"github.com/stephenafamo/bob/dialect/psql/um"
	"github.com/stephenafamo/bob/expr"
	"github.com/stephenafamo/bob/orm"
	"github.com/stephenafamo/scan"
)

type bobLead struct {
	ID         int64         `db:"id,pk,generated"`
	CampaignID sql.NullInt64 `db:"campaign_id"`
	Name       string        `db:"name"`
	Status     string        `db:"status"`

	campaign string
}

// bobSetter is what Bob's generator makes of a table, by hand.
type bobSetter struct {
	Name   *string `db:"name"`
	Email  *string `db:"email"`
	Status *string `db:"status"`

	orm.Setter[*bobLead, *dialect.InsertQuery, *dialect.UpdateQuery]
}

func (s *bobSetter) fields() (columns []string, values []bob.Expression) {
	for column, value := range map[string]*string{"name": s.Name, "email": s.Email, "status": s.Status} {
		if value != nil {
			columns, values = append(columns, column), append(values, psql.Arg(*value))
		}
	}
	return columns, values
}

func (s *bobSetter) SetColumns() []string { columns, _ := s.fields(); return columns }

// Apply makes the setter a row of an INSERT.
func (s *bobSetter) Apply(q *dialect.InsertQuery) {
	q.AppendValues(psql.Arg(*s.Name), psql.Arg(s.Email))
}

func (s *bobSetter) UpdateMod() bob.Mod[*dialect.UpdateQuery] {
	var set []bob.Expression
	columns, values := s.fields()
	for i := range columns {
		set = append(set, expr.OP("=", psql.Quote(columns[i]), values[i]))
	}
	return um.Set(set...)
}

type bobTable = *psql.Table[*bobLead, []*bobLead, *bobSetter, expr.ColumnsExpr]

func newBobTable() bobTable {
	columns := expr.NewColumnsExpr("id", "campaign_id", "name", "status").WithParent("leads")
	table := psql.NewTablex[*bobLead, []*bobLead, *bobSetter]("", "leads", columns)
	hook := func(ctx context.Context, _ bob.Executor, leads []*bobLead) (context.Context, error) {
		for _, l := range leads {
			l.Status += ", hooked"
		}
		return ctx, nil
	}
	table.AfterSelectHooks.AppendHooks(hook)
	return table
}

func TestBob(t *testing.T) {
	t.Parallel()
	check(t, func(_ testing.TB, db *sql.DB) program { return bobProgram(bob.NewDB(db), newBobTable()) })
}

func bobProgram(db bob.DB, leads bobTable) program {
	return program{
		steps: func(c client) []step { return append(bobReads(db, leads, c), bobWrites(db, leads, c)...) },
		unscoped: map[string]func(context.Context) error{
			"all": func(ctx context.Context) error { _, err := leads.Query().All(ctx, db); return err },
			"exec": func(ctx context.Context) error {
				_, err := bob.Exec(ctx, db, psql.Delete(dm.From("leads")))
				return err
			},
			"transaction": func(ctx context.Context) error { _, err := db.Begin(ctx); return err },
		},
		crossed: func(own, other context.Context) error {
			return db.RunInTx(own, nil, func(_ context.Context, tx bob.Executor) error {
				_, err := leads.Query().Count(other, tx)
				return err
			})
		},
	}
}

func bobNames(leads []*bobLead, err error) ([]string, error) {
	var names []string
	for _, l := range leads {
		names = append(names, l.Name+" "+l.Status+l.campaign)
	}
	return names, err
}

// bobCampaigns loads what leads belong to by a second query, as Bob's generated loaders do.
func bobCampaigns(ctx context.Context, db bob.Executor, retrieved any) error {
	type campaign struct {
		ID   int64
		Name string
	}
	found, err := bob.All(ctx, db, psql.Select(sm.Columns("id", "name"), sm.From("campaigns")),
		scan.StructMapper[campaign]())
	for _, l := range retrieved.([]*bobLead) {
		for _, c := range found {
			if c.ID == l.CampaignID.Int64 {
				l.campaign = " in " + c.Name
			}
		}
	}
	return err
}

func bobReads(db bob.DB, leads bobTable, c client) []step {
	return []step{
		{"all, one, count, exists", func(ctx context.Context) (any, error) {
			names, err := bobNames(leads.Query(sm.OrderBy("id")).All(ctx, db))
			one, oneErr := leads.Query(sm.Where(psql.Quote("name").EQ(psql.Arg(c.mark+" lead 2")))).One(ctx, db)
			n, countErr := leads.Query().Count(ctx, db)
			exists, existsErr := leads.Query(sm.Where(psql.Quote("id").EQ(psql.Arg(99)))).Exists(ctx, db)
			if err := errors.Join(err, oneErr, countErr, existsErr); err != nil {
				return nil, err
			}
			return []any{names, one.Name, n, exists}, nil
		}},
		{"loader", func(ctx context.Context) (any, error) {
			return bobNames(leads.Query(sm.OrderBy("id"), orm.Loader[*dialect.SelectQuery](bobCampaigns)).All(ctx, db))
		}},
		{"query builder", func(ctx context.Context) (any, error) {
			q := psql.Select(sm.Columns(psql.F("string_agg", "name", psql.S("; "))(), psql.F("count", "*")()),
				sm.From(psql.Select(sm.From("leads"), sm.OrderBy("id"), sm.Where(psql.Raw("id < ?", 3)))).As("l"))
			return bob.One(ctx, db, q, scan.StructMapper[struct {
				StringAgg string `db:"string_agg"`
				Count     int
			}]())
		}},
		{"cursor", func(ctx context.Context) (any, error) {
			cursor, err := bob.Cursor(ctx, db, psql.RawQuery("select name from leads order by id"),
				scan.SingleColumnMapper[string])
			if err != nil {
				return nil, err
			}
			defer cursor.Close()
			var names []string
			for cursor.Next() {
				name, getErr := cursor.Get()
				names, err = append(names, name), errors.Join(err, getErr)
			}
			return names, errors.Join(err, cursor.Err())
		}},
		{"prepared", func(ctx context.Context) (any, error) {
			type arg struct{ ID int64 }
			q := psql.Select(sm.Columns("name"), sm.From("leads"), sm.Where(psql.Quote("id").EQ(bob.Named("id"))))
			stmt, err := bob.PrepareQuery[arg](ctx, db, q, scan.SingleColumnMapper[string])
			if err != nil {
				return nil, err
			}
			first, err := stmt.All(ctx, arg{1}) // One leaves its rows open, without moat too
			second, allErr := stmt.All(ctx, arg{4})
			return []any{first, second}, errors.Join(err, allErr, stmt.Close())
		}},
	}
}

func bobWrites(db bob.DB, leads bobTable, c client) []step {
	name, called := c.mark+" made by bob", "called"
	named := psql.Quote("name").EQ(psql.Arg(name))
	return []step{
		{"insert one and many", func(ctx context.Context) (any, error) {
			insert := func(setters ...bob.Mod[*dialect.InsertQuery]) bob.Query {
				return psql.Insert(append(setters, im.Into("leads", "name", "email"), im.Returning("name"))...)
			}
			one, err := bob.One(ctx, db, insert(&bobSetter{Name: &name}), scan.SingleColumnMapper[string])
			many, manyErr := bob.All(ctx, db, insert(&bobSetter{Name: &name}, &bobSetter{Name: &name}),
				scan.SingleColumnMapper[string])
			return append(many, one), errors.Join(err, manyErr)
		}},
		{"update", func(ctx context.Context) (any, error) {
			setter := &bobSetter{Status: &called}
			return bobNames(leads.Update(setter.UpdateMod(), um.Where(named)).All(ctx, db))
		}},
		{"upsert", func(ctx context.Context) (any, error) {
			return bob.One(ctx, db, psql.Insert(im.Into("campaigns", "name", "budget"),
				im.Values(psql.Arg(c.mark+" campaign 1", 10.5)),
				im.OnConflict("tenant_id", "name").DoUpdate(im.SetExcluded("budget")), im.Returning("id")),
				scan.SingleColumnMapper[int64])
		}},
		{"transaction", func(ctx context.Context) (any, error) {
			tx, err := db.Begin(ctx)
			if err != nil {
				return nil, err
			}
			_, err = leads.Delete().Exec(ctx, tx)
			n, countErr := leads.Query().Count(context.Background(), tx)
			return n, errors.Join(err, countErr, tx.Rollback(ctx))
		}},
		{"commit that fails", func(ctx context.Context) (any, error) {
			email := c.mark + "1@example.com"
			return nil, db.RunInTx(ctx, nil, func(ctx context.Context, tx bob.Executor) error {
				_, err := bob.Exec(ctx, tx, psql.Insert(im.Into("leads", "name", "email"),
					&bobSetter{Name: &name, Email: &email}))
				return err
			})
		}},
		{"delete", func(ctx context.Context) (any, error) {
			deleted, err := leads.Delete(dm.Where(named)).All(ctx, db)
			return len(deleted), err
		}},
	}
}
