package orm_test

import (
	"context"
	"database/sql"
	"errors"
	"testing"
	"time"

	"entgo.io/ent/dialect"
	entsql "entgo.io/ent/dialect/sql"

	"github.com/moat-db/moat/e2e/orm/ent"
	"github.com/moat-db/moat/e2e/orm/ent/campaign"
	"github.com/moat-db/moat/e2e/orm/ent/lead"
)

func TestEnt(t *testing.T) {
	t.Parallel()
	check(t, func(_ testing.TB, db *sql.DB) program {
		client := ent.NewClient(ent.Driver(entsql.OpenDB(dialect.Postgres, db)))
		client.Lead.Use(func(next ent.Mutator) ent.Mutator { // reads in the mutation's transaction, and writes
			return ent.MutateFunc(func(ctx context.Context, m ent.Mutation) (ent.Value, error) {
				if l, ok := m.(*ent.LeadMutation); ok && m.Op().Is(ent.OpCreate) {
					n, err := l.Client().Campaign.Query().Count(ctx)
					if err != nil {
						return nil, err
					}
					l.SetScore(int64(1000 + n))
				}
				return next.Mutate(ctx, m)
			})
		})
		client.Lead.Intercept(ent.TraverseFunc(func(_ context.Context, q ent.Query) error { // soft delete
			q.(*ent.LeadQuery).Where(lead.DeletedAtIsNil())
			return nil
		}))
		return entProgram(client)
	})
}

func entProgram(db *ent.Client) program {
	return program{
		steps: func(c client) []step { return append(entReads(db, c), entWrites(db, c)...) },
		unscoped: map[string]func(context.Context) error{
			"query":       func(ctx context.Context) error { _, err := db.Campaign.Query().All(ctx); return err },
			"create":      func(ctx context.Context) error { _, err := db.Campaign.Create().SetName("x").Save(ctx); return err },
			"delete":      func(ctx context.Context) error { _, err := db.Lead.Delete().Exec(ctx); return err },
			"transaction": func(ctx context.Context) error { _, err := db.Tx(ctx); return err },
		},
		crossed: func(own, other context.Context) error {
			tx, err := db.Tx(own)
			if err != nil {
				return err
			}
			defer tx.Rollback()
			_, err = tx.Lead.Query().Count(other)
			return err
		},
	}
}

func entReads(db *ent.Client, c client) []step {
	return []step{
		{"all, count, exist", func(ctx context.Context) (any, error) {
			names, err := db.Lead.Query().Order(lead.ByID()).Select(lead.FieldName).Strings(ctx)
			n, countErr := db.Lead.Query().Where(lead.ScoreGT(1)).Count(ctx)
			exists, existErr := db.Lead.Query().Where(lead.ID(99)).Exist(ctx)
			return []any{names, n, exists}, errors.Join(err, countErr, existErr)
		}},
		{"only and get", func(ctx context.Context) (any, error) {
			only, err := db.Lead.Query().Where(lead.Name(c.mark + " lead 2")).Only(ctx)
			got, getErr := db.Lead.Get(ctx, 3)
			_, missing := db.Lead.Get(ctx, 99)
			if err := errors.Join(err, getErr); err != nil {
				return nil, err
			}
			return []any{only.Name, got.Name, got.Meta, ent.IsNotFound(missing)}, nil
		}},
		{"edges", func(ctx context.Context) (any, error) {
			campaigns, err := db.Campaign.Query().WithLeads(func(q *ent.LeadQuery) { q.Order(lead.ByID()) }).
				Order(campaign.ByID()).All(ctx)
			var names []string
			for _, found := range campaigns {
				for _, l := range found.Edges.Leads {
					names = append(names, found.Name+" of "+l.Name)
				}
			}
			return names, err
		}},
		{"traversal", func(ctx context.Context) (any, error) {
			of, err := db.Campaign.Query().Where(campaign.HasLeadsWith(lead.ScoreEQ(4))).QueryLeads().
				Order(lead.ByID()).Select(lead.FieldName).Strings(ctx)
			first, firstErr := db.Lead.Query().Where(lead.ID(1)).QueryCampaign().OnlyID(ctx)
			return []any{of, first}, errors.Join(err, firstErr)
		}},
		{"aggregation", func(ctx context.Context) (any, error) {
			var sums []struct {
				Status string
				Sum    int64
				Count  int
			}
			err := db.Lead.Query().GroupBy(lead.FieldStatus).Aggregate(ent.Sum(lead.FieldScore), ent.Count()).Scan(ctx, &sums)
			return sums, err
		}},
	}
}

func entWrites(db *ent.Client, c client) []step {
	var made *ent.Lead
	name := c.mark + " made by ent"
	return []step{
		{"create", func(ctx context.Context) (out any, err error) {
			if made, err = db.Lead.Create().SetName(name).SetMeta(map[string]any{"of": c.mark}).SetCampaignID(1).
				Save(ctx); err != nil {
				return nil, err
			}
			return []any{made.ID > 4, made.Status, made.Score}, nil
		}},
		{"create in bulk", func(ctx context.Context) (any, error) {
			leads, err := db.Lead.MapCreateBulk(make([]int, 40), func(create *ent.LeadCreate, _ int) { create.SetName(name) }).
				Save(ctx)
			return len(leads), err
		}},
		{"upsert", func(ctx context.Context) (any, error) {
			return db.Campaign.Create().SetName(c.mark + " campaign 1").SetBudget(10.5).
				OnConflict(entsql.ConflictColumns("tenant_id", "name")).UpdateNewValues().ID(ctx)
		}},
		{"update one and many", func(ctx context.Context) (any, error) {
			one, err := made.Update().SetStatus("won").AddScore(1).Save(ctx)
			if err != nil {
				return nil, err
			}
			n, err := db.Lead.Update().Where(lead.Name(name)).SetStatus("called").ClearCampaign().Save(ctx)
			return []any{one.Status, one.Score, n}, err
		}},
		{"transaction", func(ctx context.Context) (any, error) {
			tx, err := db.Tx(ctx)
			if err != nil {
				return nil, err
			}
			n, err := tx.Lead.Delete().Exec(ctx)
			left, countErr := tx.Client().Lead.Query().Count(ctx)
			return []any{n, left}, errors.Join(err, countErr, tx.Rollback())
		}},
		{"transaction that commits", func(ctx context.Context) (any, error) {
			tx, err := db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead})
			if err != nil {
				return nil, err
			}
			l, err := tx.Lead.Create().SetName(name).Save(ctx)
			if err != nil {
				return nil, errors.Join(err, tx.Rollback())
			}
			if err := tx.Commit(); err != nil {
				return nil, err
			}
			again, err := l.Unwrap().Update().SetStatus("after").Save(ctx)
			if err != nil {
				return nil, err
			}
			return again.Status, nil
		}},
		{"commit that fails", func(ctx context.Context) (any, error) {
			_, err := db.Lead.Create().SetName(name).SetEmail(c.mark + "1@example.com").Save(ctx)
			return nil, err
		}},
		{"soft delete", func(ctx context.Context) (any, error) {
			n, err := db.Lead.Update().Where(lead.Name(name)).SetDeletedAt(time.Now()).Save(ctx)
			left, countErr := db.Lead.Query().Where(lead.NameHasPrefix(c.mark)).Count(ctx)
			return []int{n, left}, errors.Join(err, countErr)
		}},
		{"delete", func(ctx context.Context) (any, error) {
			return db.Lead.Delete().Where(lead.Name(name)).Exec(ctx)
		}},
	}
}
