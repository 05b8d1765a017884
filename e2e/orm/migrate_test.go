package orm_test

import (
	"context"
	"database/sql"
	"errors"
	"testing"

	"entgo.io/ent/dialect"
	entsql "entgo.io/ent/dialect/sql"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/e2e/orm/ent"
)

type gormFresh struct {
	ID   int64
	Name string
}

// Migrations are the owner's. On the application's connection each library says why not;
// GORM asks with options in front of its arguments, which must not hide that.
func TestMigrationsAreRefusedClearly(t *testing.T) {
	t.Parallel()
	_, app := newDatabase(t, clients...)
	db := openMoat(t, app, nil)
	for name, migrate := range map[string]func(context.Context) error{
		"GORM": func(ctx context.Context) error {
			return openGORM(t, db, false).WithContext(ctx).AutoMigrate(&gormFresh{})
		},
		"Ent": func(ctx context.Context) error {
			return ent.NewClient(ent.Driver(entsql.OpenDB(dialect.Postgres, db))).Schema.Create(ctx)
		},
		"Bun": func(ctx context.Context) error {
			_, err := bun.NewDB(db, pgdialect.New()).NewCreateTable().Model((*bunFresh)(nil)).Exec(ctx)
			return err
		},
	} {
		if err := migrate(t.Context()); !errors.Is(err, moat.ErrNoTenant) {
			t.Errorf("%s without a tenant: %v", name, err)
		}
		var refused *pgconn.PgError
		err := migrate(clients[0].context()) // Ent drops the context on the way
		if !errors.Is(err, moat.ErrNoTenant) && (!errors.As(err, &refused) || refused.Code != "42501") {
			t.Errorf("%s as the application: %v", name, err)
		}
	}
}

type bunFresh struct {
	bun.BaseModel `bun:"table:fresh"`
	ID            int64 `bun:",pk,autoincrement"`
}

// The owner's migration leaves the policies as they are.
func TestOwnerMigrates(t *testing.T) {
	t.Parallel()
	d, app := newDatabase(t, clients...)
	owner, err := sql.Open("pgx", d.URL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = owner.Close() })
	g := openGORM(t, owner, false)
	g.DisableForeignKeyConstraintWhenMigrating = true // GORM's are without the tenant
	if err := g.AutoMigrate(&gormFresh{}, &gormLead{}, &gormCampaign{}); err != nil {
		t.Fatal(err)
	}
	var leads []gormLead
	c := clients[1]
	scoped := openGORM(t, openMoat(t, app, nil), false).WithContext(c.context())
	if err := scoped.Order("id").Find(&leads).Error; err != nil {
		t.Fatal(err)
	}
	if len(leads) != 4 || leads[0].Name != c.mark+" lead 1" {
		t.Errorf("after the migration: %v", gormNames(leads))
	}
}
