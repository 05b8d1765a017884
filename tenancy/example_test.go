package tenancy_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/tenancy"
)

func ExampleRead() {
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, os.Getenv("MOAT_DATABASE_URL"))
	if err != nil {
		log.Print(err)
		return
	}
	defer conn.Close(ctx)
	view, err := tenancy.Read(ctx, conn, tenancy.Options{Column: "tenant_id"})
	if err != nil {
		log.Print(err)
		return
	}
	for _, t := range view.Model.Tables {
		fmt.Println(t.Table, t.Class, t.Why)
	}
}
