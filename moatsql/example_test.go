package moatsql_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/internal/postgres"
	"github.com/moat-db/moat/moatsql"
)

func Example() {
	url, stop := exampleDatabase() // leads of two tenants with their policies, and the application role
	defer stop()
	db, err := moatsql.Open(context.Background(), url, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()

	// In a server, package auth puts the scope of a verified token on the context.
	for _, ctx := range []context.Context{as(tenantA), as(tenantB), context.Background()} {
		var names string
		err := db.QueryRowContext(ctx, "SELECT string_agg(name, ' ' ORDER BY name) FROM leads").Scan(&names) // no WHERE
		if errors.Is(err, moat.ErrNoTenant) {
			fmt.Println("refused:", err)
			continue
		}
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(names)
	}
	// Output:
	// a1 a2
	// b1 b2
	// refused: no tenant in scope
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
	sql := "create role app login;" + fmt.Sprintf(schema, "app", tenantA, tenantB)
	if _, err := conn.PgConn().Exec(ctx, sql).ReadAll(); err != nil {
		log.Fatal(err)
	}
	return server.URL("postgres", "app"), func() { _ = server.Stop() }
}
