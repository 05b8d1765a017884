package orm_test

import (
	"context"
	"database/sql"
	"errors"
	"testing"
	"time"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"
)

type bunCampaign struct {
	bun.BaseModel `bun:"table:campaigns,alias:c"`
	ID            int64 `bun:",pk,autoincrement"`
	Name          string
	Budget        float64
	Leads         []*bunLead `bun:"rel:has-many,join:id=campaign_id"`
}

type bunLead struct {
	bun.BaseModel `bun:"table:leads,alias:l"`
	ID            int64 `bun:",pk,autoincrement"`
	CampaignID    *int64
	Campaign      *bunCampaign `bun:"rel:belongs-to,join:campaign_id=id"`
	Name          string
	Email         *string
	Status        string         `bun:",nullzero,default:'new'"`
	Tags          []string       `bun:",array,nullzero,default:'{}'"`
	Meta          map[string]any `bun:"type:jsonb,nullzero,default:'{}'"`
	DeletedAt     time.Time      `bun:",soft_delete,nullzero"`
	hooks         []string
}

var _ bun.BeforeAppendModelHook = (*bunLead)(nil)

func (l *bunLead) BeforeAppendModel(_ context.Context, query bun.Query) error {
	if _, ok := query.(*bun.InsertQuery); ok {
		l.Tags = append(l.Tags, "hooked")
	}
	return nil
}

var _ bun.AfterScanRowHook = (*bunLead)(nil)

func (l *bunLead) AfterScanRow(context.Context) error {
	l.hooks = append(l.hooks, "scanned")
	return nil
}

func TestBun(t *testing.T) {
	t.Parallel()
	check(t, func(_ testing.TB, db *sql.DB) program { return bunProgram(bun.NewDB(db, pgdialect.New())) })
}

func bunProgram(db *bun.DB) program {
	return program{
		steps: func(c client) []step { return append(bunReads(db, c), bunWrites(db, c)...) },
		unscoped: map[string]func(context.Context) error{
			"select": func(ctx context.Context) error { return db.NewSelect().Model(&[]bunLead{}).Scan(ctx) },
			"insert": func(ctx context.Context) error {
				_, err := db.NewInsert().Model(&bunLead{Name: "x"}).Exec(ctx)
				return err
			},
			"transaction": func(ctx context.Context) error {
				return db.RunInTx(ctx, nil, func(context.Context, bun.Tx) error { return nil })
			},
		},
		crossed: func(own, other context.Context) error {
			return db.RunInTx(own, nil, func(_ context.Context, tx bun.Tx) error {
				return tx.NewSelect().Model(&[]bunLead{}).Scan(other)
			})
		},
	}
}

func bunReads(db *bun.DB, c client) []step {
	return []step{
		{"select", func(ctx context.Context) (any, error) {
			var leads []bunLead
			err := db.NewSelect().Model(&leads).Order("id").Scan(ctx)
			var seen []any
			for _, l := range leads {
				seen = append(seen, l.Name, l.Tags, l.Meta, l.hooks)
			}
			return seen, err
		}},
		{"where, count, exists", func(ctx context.Context) (any, error) {
			var l bunLead
			err := db.NewSelect().Model(&l).Where("? = ?", bun.Ident("name"), c.mark+" lead 2").Scan(ctx)
			n, countErr := db.NewSelect().Model((*bunLead)(nil)).Where("id IN (?)", bun.In([]int{1, 2})).Count(ctx)
			exists, existsErr := db.NewSelect().Model((*bunLead)(nil)).Where("id = ?", 99).Exists(ctx)
			return []any{l.Name, n, exists}, errors.Join(err, countErr, existsErr)
		}},
		{"scan and count", func(ctx context.Context) (any, error) {
			var names []string
			n, err := db.NewSelect().Model((*bunLead)(nil)).Column("name").Order("id").Limit(2).ScanAndCount(ctx, &names)
			return []any{names, n}, err
		}},
		{"relations", func(ctx context.Context) (any, error) {
			var campaigns []bunCampaign
			err := db.NewSelect().Model(&campaigns).Relation("Leads", func(q *bun.SelectQuery) *bun.SelectQuery {
				return q.Order("id")
			}).Order("id").Scan(ctx)
			var l bunLead
			err = errors.Join(err, db.NewSelect().Model(&l).Relation("Campaign").Where("l.id = 1").Scan(ctx))
			names := []string{l.Name + " in " + l.Campaign.Name}
			for _, campaign := range campaigns {
				for _, lead := range campaign.Leads {
					names = append(names, campaign.Name+" of "+lead.Name)
				}
			}
			return names, err
		}},
		{"raw, map, subquery", func(ctx context.Context) (any, error) {
			var name string
			found := map[string]any{}
			err := errors.Join(db.NewRaw("SELECT name FROM leads WHERE id = ?", 3).Scan(ctx, &name),
				db.NewSelect().Table("leads").Column("name", "tags").Where("id = 4").Scan(ctx, &found))
			n, countErr := db.NewSelect().With("some", db.NewSelect().Model((*bunLead)(nil)).Where("score > 2")).
				Table("some").Count(ctx)
			return []any{name, found, n}, errors.Join(err, countErr)
		}},
		{"rows", func(ctx context.Context) (any, error) {
			rows, err := db.NewSelect().Model((*bunLead)(nil)).Order("id").Rows(ctx)
			if err != nil {
				return nil, err
			}
			defer rows.Close()
			var names []string
			for rows.Next() {
				var l bunLead
				err = errors.Join(err, db.ScanRow(ctx, rows, &l))
				names = append(names, l.Name)
			}
			return names, errors.Join(err, rows.Err())
		}},
	}
}

func bunWrites(db *bun.DB, c client) []step {
	var made bunLead
	name := c.mark + " made by bun"
	return []step{
		{"insert", func(ctx context.Context) (any, error) {
			made = bunLead{Name: name, Meta: map[string]any{"of": "it's"}}
			_, err := db.NewInsert().Model(&made).Exec(ctx)
			return []any{made.ID > 4, made.Status}, err
		}},
		{"bulk insert and update", func(ctx context.Context) (any, error) {
			leads := make([]bunLead, 50)
			for i := range leads {
				leads[i].Name = name
			}
			_, err := db.NewInsert().Model(&leads).Exec(ctx)
			for i := range leads {
				leads[i].Status = "called"
			}
			done, updated := db.NewUpdate().Model(&leads).Column("status").Bulk().Exec(ctx)
			n, _ := affected(done, updated)
			return n, errors.Join(err, updated)
		}},
		{"update", func(ctx context.Context) (any, error) {
			done, err := db.NewUpdate().Model(&made).Set("status = ?", "won").WherePK().Returning("name").Exec(ctx)
			n, err := affected(done, err)
			return []any{n, made.Name}, err
		}},
		{"upsert", func(ctx context.Context) (any, error) {
			campaign := bunCampaign{Name: c.mark + " campaign 1", Budget: 10.5}
			_, err := db.NewInsert().Model(&campaign).On("CONFLICT (tenant_id, name) DO UPDATE").
				Set("budget = EXCLUDED.budget").Exec(ctx)
			return campaign.ID, err
		}},
		{"nested transaction", func(ctx context.Context) (any, error) {
			failed := errors.New("inner")
			return nil, db.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
				inner := tx.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
					_, err := tx.NewDelete().Model((*bunLead)(nil)).Where("1 = 1").Exec(ctx)
					return errors.Join(err, failed)
				})
				_, err := tx.NewUpdate().Model(&made).Set("status = 'lost'").WherePK().Exec(ctx)
				return errors.Join(err, expect(inner, failed))
			})
		}},
		{"commit that fails", func(ctx context.Context) (any, error) {
			return nil, db.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
				_, err := tx.NewUpdate().Model(&made).Set("email = ?", c.mark+"1@example.com").WherePK().Exec(ctx)
				return err
			})
		}},
		{"soft delete", func(ctx context.Context) (any, error) {
			done, err := db.NewDelete().Model((*bunLead)(nil)).Where("name = ?", name).Exec(ctx)
			n, err := affected(done, err)
			left, countErr := db.NewSelect().Model((*bunLead)(nil)).Count(ctx)
			deleted, deletedErr := db.NewSelect().Model((*bunLead)(nil)).WhereDeleted().Count(ctx)
			return []any{n, left, deleted}, errors.Join(err, countErr, deletedErr)
		}},
		{"delete", func(ctx context.Context) (any, error) {
			return affected(db.NewDelete().Model((*bunLead)(nil)).Where("name = ?", name).WhereAllWithDeleted().
				ForceDelete().Exec(ctx))
		}},
	}
}

// Bun's own insert reads its rows until they end and does not look why: without moat the
// error of a deferred constraint is lost. With it the error is there.
func TestBunHearsOfAFailingCommit(t *testing.T) {
	t.Parallel()
	_, app := newDatabase(t, clients...)
	c := clients[0]
	email := c.mark + "1@example.com"
	fail := func(db *sql.DB) error {
		_, err := bun.NewDB(db, pgdialect.New()).NewInsert().Model(&bunLead{Name: "lost", Email: &email}).Exec(c.context())
		return err
	}
	if err := fail(openMoat(t, app, nil)); err == nil {
		t.Error("an insert that was rolled back passes for done")
	}
}
