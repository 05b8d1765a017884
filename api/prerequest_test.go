package api_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/api"
	"github.com/moat-db/moat/auth"
	"github.com/moat-db/moat/internal/postgres/pgtest"
)

// A pre-request function that cannot be called ends the start: requests must not go
// unchecked, nor fail one by one.
func TestPreRequestMustBeCallable(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestNamesMustExist
	db := database(t)
	role := db.Roles["app"]
	db.Exec(t, strings.ReplaceAll(`CREATE SCHEMA hooks; CREATE SCHEMA closed; GRANT USAGE ON SCHEMA hooks TO :app;
		CREATE FUNCTION hooks.good(optional int DEFAULT 1) RETURNS void LANGUAGE sql AS '';
		CREATE FUNCTION hooks.argument(needed int) RETURNS void LANGUAGE sql AS '';
		CREATE PROCEDURE hooks.procedure() LANGUAGE sql AS '';
		CREATE FUNCTION closed.inside() RETURNS void LANGUAGE sql AS '';
		CREATE FUNCTION hooks.revoked() RETURNS void LANGUAGE sql AS '';
		REVOKE EXECUTE ON FUNCTION hooks.revoked() FROM PUBLIC`, ":app", role))
	url := db.As(t, role)
	for name, want := range map[string]string{
		"hooks.good": "", "hooks.missing": "no such function", "hooks.argument": "takes arguments",
		"hooks.procedure": "procedure",
		"closed.inside":   "schema closed", "hooks.revoked": "may not execute",
	} {
		err := start(t, url, func(c *api.Config) { c.PreRequest.Schema, c.PreRequest.Name, _ = strings.Cut(name, ".") })
		var refused *api.PreRequestError
		switch {
		case want == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case want != "" && (!errors.As(err, &refused) || !strings.Contains(err.Error(), want) ||
			!strings.Contains(err.Error(), name)):
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
}

// start starts and ends an API with this configuration.
func start(t *testing.T, url string, change func(*api.Config)) error {
	t.Helper()
	ctx := context.Background()
	store, err := moat.Open(ctx, url, &moat.Options{MaxConns: 2, ConfigurePool: api.ConfigurePool(0)})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	verifier, err := auth.New(ctx,
		auth.Config{Issuers: []auth.IssuerConfig{{Issuer: "test", Audience: []string{"moat"}, Secret: secret}}})
	if err != nil {
		t.Fatal(err)
	}
	connect := func(ctx context.Context) (*pgx.Conn, error) { return pgx.Connect(ctx, url) }
	config := api.Config{DB: store, Verifier: verifier, Load: loader(connect)}
	change(&config)
	h, err := api.New(ctx, config)
	if err == nil {
		h.Close()
	}
	return err
}

// Metrics may be kept off the address that clients reach.
func TestHiddenMetrics(t *testing.T) {
	t.Parallel()
	s := serve(t, func(c *api.Config) { c.Metrics = nil })
	if got := s.do(t, call{path: "/metrics"}); got.Status != 404 || strings.Contains(got.Body, "moat_http") {
		t.Errorf("%d %s", got.Status, got.Body)
	}
}
