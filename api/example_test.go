package api_test

import (
	"context"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/api"
	"github.com/moat-db/moat/auth"
	"github.com/moat-db/moat/policy"
	"github.com/moat-db/moat/tenancy"
)

// A program that serves its database to the tokens of one issuer.
func Example() {
	ctx, url := context.Background(), os.Getenv("MOAT_APP_URL")
	db, err := moat.Open(ctx, url, &moat.Options{
		ConfigurePool: api.ConfigurePool(5 * time.Second),
	})
	if err != nil {
		slog.Error("open", "error", err)
		return
	}
	defer db.Close()
	verifier, err := auth.New(ctx, auth.Config{Issuers: []auth.IssuerConfig{
		{Issuer: "https://id.example.com", Audience: []string{"moat"}, Discovery: true},
	}})
	if err != nil {
		slog.Error("tokens", "error", err)
		return
	}
	connect := func(ctx context.Context) (*pgx.Conn, error) { return pgx.Connect(ctx, url) }
	handler, err := api.New(ctx, api.Config{
		DB: db, Verifier: verifier, Connect: connect,
		Load: func(ctx context.Context) (*policy.View, error) {
			conn, err := pgx.Connect(ctx, url)
			if err != nil {
				return nil, err
			}
			defer conn.Close(ctx)
			return tenancy.Read(ctx, conn, tenancy.Options{})
		},
	})
	if err != nil {
		slog.Error("schema", "error", err)
		return
	}
	defer handler.Close()
	server := &http.Server{Addr: "127.0.0.1:8080", Handler: handler, ReadHeaderTimeout: 5 * time.Second}
	slog.Error("serve", "error", server.ListenAndServe())
}
