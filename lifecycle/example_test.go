package lifecycle_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/lifecycle"
	"github.com/moat-db/moat/tenancy"
)

func ExampleOperator_ExportFile() {
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, os.Getenv("MOAT_OPERATOR_URL"))
	if err != nil {
		log.Print(err)
		return
	}
	defer conn.Close(ctx)
	view, err := tenancy.Read(ctx, conn, tenancy.Options{})
	if err != nil {
		log.Print(err)
		return
	}
	o, err := lifecycle.NewOperator(ctx, conn, view, lifecycle.Options{Name: "ada", Reason: "the customer asked for it"})
	if err != nil {
		log.Print(err)
		return
	}
	m, err := o.ExportFile(ctx, "3f2a…", "acme.zip", lifecycle.ExportOptions{Format: "csv"})
	if err != nil {
		log.Print(err)
		return
	}
	fmt.Println(m.Rows(), "rows of", len(m.Tables), "tables")
}
