package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/auth"
)

// startPlain starts the plain handler. With cached tokens it remembers verified ones,
// as moat does; without, it verifies each.
func startPlain(ctx context.Context, d *database, name, label string, connections int, cached bool) (*server, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	s := &server{name: name, label: label, address: address,
		list:  func(c caller) []byte { return text("GET", "/leads", c.token, "") },
		point: func(c caller) []byte { return text("GET", "/leads/"+c.lead, c.token, "") },
	}
	return s, s.start(ctx, self, []string{"plain", "-address", address, "-url", d.url(name), "-key", d.key,
		"-connections", strconv.Itoa(connections), "-cached=" + strconv.FormatBool(cached)})
}

// servePlain is what most programs do: BEGIN, set_config, the query and COMMIT, one by
// one, into structs, through encoding/json.
func servePlain(ctx context.Context, args []string) error {
	f := flag.NewFlagSet("plain", flag.ExitOnError)
	address, url, key := f.String("address", "", ""), f.String("url", "", ""), f.String("key", "", "")
	connections, cached := f.Int("connections", 0, ""), f.Bool("cached", false, "")
	_ = f.Parse(args) // it exits by itself
	size := -1
	if *cached {
		size = auth.DefaultCacheSize
	}
	verifier, err := auth.New(ctx, auth.Config{CacheSize: size,
		Issuers: []auth.IssuerConfig{{Issuer: issuer, Audience: []string{audience}, PEMFile: *key}}})
	if err != nil {
		return err
	}
	config, err := pgxpool.ParseConfig(*url)
	if err != nil {
		return err
	}
	config.MaxConns = int32(*connections)
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return err
	}
	defer pool.Close()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /leads", leads(pool, "ORDER BY created_at DESC LIMIT 50", false))
	mux.HandleFunc("GET /leads/{id}", leads(pool, "WHERE id = $1", true))
	s := &http.Server{Addr: *address, Handler: auth.Middleware(verifier, auth.MiddlewareOptions{})(mux),
		ReadHeaderTimeout: 5 * time.Second}
	context.AfterFunc(ctx, func() { s.Close() })
	if err := s.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

type lead struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	Email     *string   `json:"email"`
	Company   *string   `json:"company"`
	Status    string    `json:"status"`
	Value     *float64  `json:"value"`
	Score     int       `json:"score"`
	CreatedAt time.Time `json:"created_at"`
}

func leads(pool *pgxpool.Pool, rest string, byID bool) http.HandlerFunc {
	sql := "SELECT " + columns + " FROM app.leads " + rest
	return func(w http.ResponseWriter, r *http.Request) {
		scope, ok := moat.ScopeFrom(r.Context())
		if !ok {
			http.Error(w, "no tenant", http.StatusForbidden)
			return
		}
		var args []any
		if byID {
			args = append(args, r.PathValue("id"))
		}
		var out []lead
		err := pgx.BeginFunc(r.Context(), pool, func(tx pgx.Tx) error {
			if _, err := tx.Exec(r.Context(), "SELECT set_config('app.current_tenant', $1, true)",
				string(scope.Tenant)); err != nil {
				return err
			}
			rows, err := tx.Query(r.Context(), sql, args...)
			if err != nil {
				return err
			}
			out, err = pgx.CollectRows(rows, pgx.RowToStructByPos[lead])
			return err
		})
		if err != nil {
			http.Error(w, "database", http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(out) // the client may have gone
	}
}
