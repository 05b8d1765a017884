package orm_test

import (
	"context"
	"database/sql"
	"errors"
	"testing"
	"time"

	"gorm.io/driver/postgres"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"
	"gorm.io/gorm/logger"
)

type gormCampaign struct {
	ID     int64
	Name   string
	Budget float64
	Leads  []gormLead `gorm:"foreignKey:CampaignID"`
}

func (gormCampaign) TableName() string { return "campaigns" }

type gormLead struct {
	ID         int64
	CampaignID *int64
	Campaign   *gormCampaign
	Name       string
	Email      *string
	Status     string `gorm:"default:new"`
	Score      int64
	CreatedAt  time.Time
	UpdatedAt  time.Time
	DeletedAt  gorm.DeletedAt
	hooks      []string
}

func (gormLead) TableName() string { return "leads" }

func (l *gormLead) BeforeCreate(*gorm.DB) error { l.Score += 1000; return nil }
func (l *gormLead) AfterFind(*gorm.DB) error    { l.hooks = append(l.hooks, "found"); return nil }

// BeforeUpdate reads in the same transaction.
func (l *gormLead) BeforeUpdate(tx *gorm.DB) error {
	return tx.Model(&gormLead{}).Where("id = ?", l.ID).Select("score").Scan(&l.Score).Error
}

func TestGORM(t *testing.T) {
	t.Parallel()
	for name, prepared := range map[string]bool{"statements": false, "prepared": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			check(t, func(t testing.TB, db *sql.DB) program { return gormProgram(openGORM(t, db, prepared)) })
		})
	}
}

func openGORM(t testing.TB, db *sql.DB, prepared bool) *gorm.DB {
	t.Helper()
	g, err := gorm.Open(postgres.New(postgres.Config{Conn: db}),
		&gorm.Config{PrepareStmt: prepared, Logger: logger.Discard, TranslateError: true})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func gormProgram(g *gorm.DB) program {
	return program{
		steps: func(c client) []step { return append(gormReads(g, c), gormWrites(g, c)...) },
		unscoped: map[string]func(context.Context) error{
			"find":   func(ctx context.Context) error { return g.WithContext(ctx).Find(&[]gormLead{}).Error },
			"create": func(ctx context.Context) error { return g.WithContext(ctx).Create(&gormLead{Name: "x"}).Error },
			"raw":    func(ctx context.Context) error { return g.WithContext(ctx).Exec("delete from leads").Error },
			"transaction": func(ctx context.Context) error {
				return g.WithContext(ctx).Transaction(func(*gorm.DB) error { return nil })
			},
		},
		crossed: func(own, other context.Context) error {
			return g.WithContext(own).Transaction(func(tx *gorm.DB) error {
				return tx.WithContext(other).Find(&[]gormLead{}).Error
			})
		},
	}
}

func gormReads(g *gorm.DB, c client) []step {
	return []step{
		{"first", func(ctx context.Context) (any, error) {
			var l gormLead
			err := g.WithContext(ctx).First(&l, 1).Error
			return []any{l.Name, l.hooks}, err
		}},
		{"first by condition", func(ctx context.Context) (any, error) {
			l, err := gorm.G[gormLead](g).Where("name = ?", c.mark+" lead 2").First(ctx)
			return l.Name, err
		}},
		{"not found", func(ctx context.Context) (any, error) {
			return errors.Is(g.WithContext(ctx).First(&gormLead{}, 99).Error, gorm.ErrRecordNotFound), nil
		}},
		{"find, count, pluck", func(ctx context.Context) (any, error) {
			var n int64
			var names []string
			err := errors.Join(g.WithContext(ctx).Model(&gormLead{}).Count(&n).Error,
				g.WithContext(ctx).Model(&gormLead{}).Order("id").Pluck("name", &names).Error)
			return []any{n, names}, err
		}},
		{"preload", func(ctx context.Context) (any, error) {
			var found []gormCampaign
			err := g.WithContext(ctx).Preload("Leads", func(q *gorm.DB) *gorm.DB { return q.Order("id") }).
				Order("id").Find(&found).Error
			var names [][]string
			for _, campaign := range found {
				names = append(names, gormNames(campaign.Leads))
			}
			return names, err
		}},
		{"joins", func(ctx context.Context) (any, error) {
			var found []gormLead
			err := g.WithContext(ctx).Joins("Campaign").Order("leads.id").Find(&found).Error
			var names []string
			for _, l := range found {
				names = append(names, l.Name+" in "+l.Campaign.Name)
			}
			return names, err
		}},
		{"rows with a statement inside", func(ctx context.Context) (any, error) { return gormRows(g.WithContext(ctx)) }},
		{"map", func(ctx context.Context) (any, error) {
			found := map[string]any{}
			err := g.WithContext(ctx).Table("leads").Select("name", "tags", "meta").Where("id = 3").Take(&found).Error
			return found, err
		}},
		{"batches of found rows", func(ctx context.Context) (any, error) {
			var found, all []gormLead
			err := g.WithContext(ctx).Order("id").FindInBatches(&found, 3, func(*gorm.DB, int) error {
				all = append(all, found...)
				return nil
			}).Error
			return gormNames(all), err
		}},
	}
}

func gormNames(leads []gormLead) []string {
	names := []string{}
	for _, l := range leads {
		names = append(names, l.Name)
	}
	return names
}

func gormRows(g *gorm.DB) ([]string, error) {
	rows, err := g.Model(&gormLead{}).Order("id").Limit(2).Rows()
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var names []string
	for rows.Next() {
		var l gormLead
		var campaign gormCampaign
		if err := errors.Join(g.ScanRows(rows, &l), g.First(&campaign, *l.CampaignID).Error); err != nil {
			return nil, err
		}
		names = append(names, l.Name+" in "+campaign.Name)
	}
	return names, rows.Err()
}

func gormWrites(g *gorm.DB, c client) []step {
	var made gormLead
	name := c.mark + " made by gorm"
	byName := func(ctx context.Context) *gorm.DB { return g.WithContext(ctx).Where("name like ?", name+"%") }
	return []step{
		{"create", func(ctx context.Context) (any, error) {
			made = gormLead{Name: name}
			err := g.WithContext(ctx).Create(&made).Error
			return []any{made.ID > 4, made.Status, made.Score}, err
		}},
		{"update, updates, save", func(ctx context.Context) (any, error) {
			err := errors.Join(g.WithContext(ctx).Model(&made).Update("status", "called").Error,
				g.WithContext(ctx).Model(&made).Updates(gormLead{Score: 7, Status: "won"}).Error,
				g.WithContext(ctx).Save(&made).Error)
			var again gormLead
			err = errors.Join(err, g.WithContext(ctx).First(&again, made.ID).Error)
			return []any{again.Status, again.Score}, err
		}},
		{"create in batches", func(ctx context.Context) (any, error) {
			leads := make([]gormLead, 70)
			for i := range leads {
				leads[i].Name = name + " too"
			}
			done := g.WithContext(ctx).CreateInBatches(&leads, 30)
			return []any{done.RowsAffected, leads[69].ID > 4}, done.Error
		}},
		{"on conflict", func(ctx context.Context) (any, error) {
			campaign := gormCampaign{Name: c.mark + " campaign 1", Budget: 10.5}
			done := g.WithContext(ctx).Clauses(clause.OnConflict{
				Columns:   []clause.Column{{Name: "tenant_id"}, {Name: "name"}},
				DoUpdates: clause.AssignmentColumns([]string{"budget"}),
			}).Create(&campaign)
			return []any{done.RowsAffected, campaign.ID}, done.Error
		}},
		{"nested transaction", func(ctx context.Context) (any, error) {
			failed := errors.New("inner")
			err := g.WithContext(ctx).Transaction(func(tx *gorm.DB) error {
				inner := tx.Transaction(func(tx *gorm.DB) error {
					return errors.Join(tx.Where("1 = 1").Delete(&gormLead{}).Error, failed)
				})
				return errors.Join(tx.Create(&gormLead{Name: name}).Error, expect(inner, failed))
			})
			var n int64
			return n, errors.Join(err, g.WithContext(ctx).Model(&gormLead{}).Count(&n).Error)
		}},
		{"transaction by hand", func(ctx context.Context) (any, error) {
			tx := g.WithContext(ctx).Begin(&sql.TxOptions{Isolation: sql.LevelSerializable})
			var level string
			err := errors.Join(tx.Error, tx.Raw("show transaction_isolation").Scan(&level).Error,
				tx.WithContext(context.Background()).Delete(&gormLead{}, 1).Error, tx.Rollback().Error)
			return level, err
		}},
		{"commit that fails", func(ctx context.Context) (any, error) {
			email := c.mark + "1@example.com"
			return nil, g.WithContext(ctx).Create(&gormLead{Name: name, Email: &email}).Error
		}},
		{"association", func(ctx context.Context) (any, error) {
			campaign := gormCampaign{ID: 2}
			append1 := g.WithContext(ctx).Model(&campaign).Association("Leads").Append(&gormLead{Name: name})
			return g.WithContext(ctx).Model(&campaign).Association("Leads").Count(), append1
		}},
		{"soft delete", func(ctx context.Context) (any, error) {
			done := byName(ctx).Delete(&gormLead{})
			var left, all int64
			err := errors.Join(done.Error, byName(ctx).Model(&gormLead{}).Count(&left).Error,
				byName(ctx).Unscoped().Model(&gormLead{}).Count(&all).Error)
			return []any{done.RowsAffected, left, all}, err
		}},
		{"delete", func(ctx context.Context) (any, error) {
			done := byName(ctx).Unscoped().Delete(&gormLead{})
			return done.RowsAffected, done.Error
		}},
	}
}

// expect is nil where an error is the one that was to come.
func expect(err, want error) error {
	if errors.Is(err, want) {
		return nil
	}
	return errors.Join(errors.New("not the expected error"), err)
}
