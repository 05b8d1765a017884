package database_test

import (
	"context"
	"fmt"
	"os"

	"github.com/jackc/pgx/v5"
	"github.com/moat-db/moat/prove/database"
)

func ExampleAttack() {
	operator, err := pgx.ParseConfig(os.Getenv("MOAT_DATABASE_URL"))
	if err != nil {
		fmt.Println(err)
		return
	}
	application, err := pgx.ParseConfig(os.Getenv("MOAT_APP_URL"))
	if err != nil {
		fmt.Println(err)
		return
	}
	report, err := database.Attack(context.Background(), operator, application, database.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, leak := range report.Leaks() {
		fmt.Println(leak.ID, leak.Reason)
	}
}
