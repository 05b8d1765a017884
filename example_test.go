package moat_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/internal/postgres"
)

func Example() {
	url, stop := exampleDatabase() // a table of leads with its policies, and the application role
	defer stop()

	ctx := context.Background()
	db, err := moat.Open(ctx, url, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()

	// In a server, package auth puts the scope of a verified token on the context.
	acme := moat.WithScope(ctx, moat.Scope{Tenant: "aaaaaaaa-0000-4000-8000-000000000001"})
	globex := moat.WithScope(ctx, moat.Scope{Tenant: "bbbbbbbb-0000-4000-8000-000000000002"})

	for _, ctx := range []context.Context{acme, globex, ctx} {
		rows, err := db.Query(ctx, "SELECT name FROM leads ORDER BY id") // no WHERE
		if errors.Is(err, moat.ErrNoTenant) {
			fmt.Println("refused:", err)
			continue
		}
		names, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(names)
	}
	// Output:
	// [a1 a2]
	// [b1]
	// refused: no tenant in scope
}

func ExampleDB_InTx() {
	url, stop := exampleDatabase()
	defer stop()
	db, err := moat.Open(context.Background(), url, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()

	ctx := moat.WithScope(context.Background(), moat.Scope{Tenant: "aaaaaaaa-0000-4000-8000-000000000001"})
	err = db.InTx(ctx, func(tx pgx.Tx) error {
		// The tenant column's default is the setting.
		if _, err := tx.Exec(ctx, "INSERT INTO leads (id, name) VALUES (3, 'a3')"); err != nil {
			return err
		}
		var n int
		if err := tx.QueryRow(ctx, "SELECT count(*) FROM leads").Scan(&n); err != nil {
			return err
		}
		fmt.Println(n, "leads")
		return nil
	})
	fmt.Println("error:", err)
	// Output:
	// 3 leads
	// error: <nil>
}

func exampleDatabase() (url string, stop func()) {
	ctx := context.Background()
	server, err := postgres.Start(ctx, postgres.Options{})
	if err != nil {
		log.Fatal(err)
	}
	conn, err := pgx.Connect(ctx, server.URL("postgres", postgres.Superuser))
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close(ctx)
	sql := "create role app login;" + fmt.Sprintf(leadsSchema, "app", "uuid") + `
		insert into leads (tenant_id, id, name) values
		('aaaaaaaa-0000-4000-8000-000000000001', 1, 'a1'), ('aaaaaaaa-0000-4000-8000-000000000001', 2, 'a2'),
		('bbbbbbbb-0000-4000-8000-000000000002', 1, 'b1')`
	if _, err := conn.PgConn().Exec(ctx, sql).ReadAll(); err != nil {
		log.Fatal(err)
	}
	return server.URL("postgres", "app"), func() { _ = server.Stop() }
}
