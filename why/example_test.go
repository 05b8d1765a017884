package why_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/why"
)

func ExampleAsk() {
	ctx := context.Background()
	operator, err := pgx.Connect(ctx, os.Getenv("MOAT_DATABASE_URL"))
	if err != nil {
		log.Print(err)
		return
	}
	defer operator.Close(ctx)
	application, err := pgx.Connect(ctx, os.Getenv("MOAT_APP_URL"))
	if err != nil {
		log.Print(err)
		return
	}
	defer application.Close(ctx)
	answer, err := why.Ask(ctx, operator, application, why.Question{SQL: "SELECT * FROM app.leads",
		Scope: moat.Scope{Tenant: "3f2a…"}})
	if err != nil {
		log.Print(err)
		return
	}
	fmt.Printf("%+v\n", answer)
}
