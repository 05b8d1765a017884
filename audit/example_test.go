package audit_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/audit"
	"github.com/moat-db/moat/tenancy"
)

func ExampleRun() {
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, os.Getenv("MOAT_DATABASE_URL"))
	if err != nil {
		log.Print(err)
		return
	}
	defer conn.Close(ctx)
	view, err := tenancy.Read(ctx, conn, tenancy.Options{Roles: []string{"app"}})
	if err != nil {
		log.Print(err)
		return
	}
	for _, f := range audit.Run(view, audit.Options{}).Findings {
		fmt.Println(f.Severity, f.Rule, f.Object, f.Message)
	}
}
