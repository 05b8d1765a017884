package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/moat-db/moat/api"
)

// startBare starts the bare handler, which takes the caller's word for who he is: it
// shows what net/http, pgx and the two statements cost when nothing is checked, planned,
// limited, counted or logged. No server on this stack can be cheaper.
func startBare(ctx context.Context, d *database, name string, connections int) (*server, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	path := func(c caller, lead string) string {
		return "/leads?tenant=" + c.tenant + "&subject=" + c.subject + "&lead=" + lead
	}
	s := &server{name: name, label: "net/http and pgx alone", address: address,
		list:  func(c caller) []byte { return text("GET", path(c, ""), c.token, "") },
		point: func(c caller) []byte { return text("GET", path(c, c.lead), c.token, "") },
	}
	return s, s.start(ctx, self,
		[]string{"bare", "-address", address, "-url", d.url(name), "-connections", strconv.Itoa(connections)})
}

func serveBare(ctx context.Context, args []string) error {
	f := flag.NewFlagSet("bare", flag.ExitOnError)
	address, url, connections := f.String("address", "", ""), f.String("url", "", ""), f.Int("connections", 0, "")
	_ = f.Parse(args) // it exits by itself
	config, err := pgxpool.ParseConfig(*url)
	if err != nil {
		return err
	}
	config.MaxConns = int32(*connections)
	api.ConfigurePool(0)(config)
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return err
	}
	defer pool.Close()
	s := &http.Server{Addr: *address, Handler: bareLeads(pool), ReadHeaderTimeout: 5 * time.Second}
	context.AfterFunc(ctx, func() { s.Close() })
	if err := s.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

var (
	bareBind  = strings.NewReplacer(":tenant", "$1", ":subject", "$2", ":claims", "$3", ";", "").Replace(bindSQL)
	bareList  = strings.NewReplacer(":tenant", "$1", ";", "").Replace(listSQL)
	barePoint = strings.NewReplacer(":tenant", "$1", ":lead", "$2", ";", "").Replace(pointSQL)
)

func bareLeads(pool *pgxpool.Pool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		who := r.URL.Query()
		tenant, subject := who.Get("tenant"), who.Get("subject")
		batch := &pgx.Batch{}
		batch.Queue(bareBind, tenant, subject, claimsOf(tenant, subject))
		if lead := who.Get("lead"); lead != "" {
			batch.Queue(barePoint, tenant, lead)
		} else {
			batch.Queue(bareList, tenant)
		}
		//moat:unscoped what moat is compared with
		body, err := bareRows(pool.SendBatch(context.WithoutCancel(r.Context()), batch))
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		_, _ = w.Write(body) // the client may have gone
	}
}

func claimsOf(tenant, subject string) string {
	return fmt.Sprintf(`{"aud":"%s","exp":1795532719,"iat":1795446319,"iss":"%s","role":"client","sub":"%s",`+
		`"tenant_id":"%s"}`, audience, issuer, subject, tenant)
}

// bareRows writes the rows with every value as a string, and escapes nothing.
func bareRows(results pgx.BatchResults) (body []byte, err error) {
	defer func() {
		if closed := results.Close(); err == nil {
			err = closed
		}
	}()
	if _, err := results.Exec(); err != nil {
		return nil, err
	}
	rows, err := results.Query()
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	body = make([]byte, 0, 16<<10)
	for rows.Next() {
		for i, v := range rows.RawValues() {
			body = append(body, ",\""...)
			body = append(body, rows.FieldDescriptions()[i].Name...)
			body = append(append(append(body, `":"`...), v...), '"')
		}
	}
	return body, rows.Err()
}
