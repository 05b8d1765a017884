package catalog_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/catalog"
)

func ExampleLoad() {
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, os.Getenv("MOAT_DATABASE_URL"))
	if err != nil {
		log.Print(err)
		return
	}
	defer conn.Close(ctx)
	s, err := catalog.Load(ctx, conn)
	if err != nil {
		log.Print(err)
		return
	}
	for _, r := range s.Relations {
		fmt.Println(r.QName(), r.Kind, r.RLS, r.ForceRLS, len(r.Policies))
	}
}
