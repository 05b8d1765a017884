package portal_test

import (
	"context"
	"log"
	"net/http"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/auth"
	"github.com/moat-db/moat/policy"
	"github.com/moat-db/moat/portal"
	"github.com/moat-db/moat/tenancy"
)

// Serve the portal beside other handlers of a program.
func Example() {
	ctx := context.Background()
	const url = "postgres://moat_app@db.internal/app"
	db, err := moat.Open(ctx, url, &moat.Options{SubjectSetting: "app.subject", RoleSetting: "app.role",
		ClaimsSetting: "app.claims"})
	if err != nil {
		log.Fatal(err)
	}
	verifier, err := auth.New(ctx, auth.Config{Issuers: []auth.IssuerConfig{{
		Issuer: "https://id.example.com", Audience: []string{"moat"}, JWKSURL: "https://id.example.com/jwks.json",
	}}})
	if err != nil {
		log.Fatal(err)
	}
	read, err := look(ctx, url)
	if err != nil {
		log.Fatal(err)
	}
	p, err := portal.New(portal.Config{DB: db, Verifier: verifier, PasteTokens: true,
		Source: func(context.Context) (*policy.View, error) { return read, nil }})
	if err != nil {
		log.Fatal(err)
	}
	http.Handle("/portal/", p)
}

func look(ctx context.Context, url string) (*policy.View, error) {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return nil, err
	}
	defer conn.Close(ctx)
	return tenancy.Read(ctx, conn, tenancy.Options{})
}
