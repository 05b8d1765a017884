package proxy_test

import (
	"context"
	"log"
	"net"
	"os"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/proxy"
)

// moat proxy does this with the issuers of moat.yaml; a program of one's own brings its
// check of tokens.
func ExampleNew() {
	_ = func(verify func(ctx context.Context, token, tenant string) (proxy.Caller, error)) error {
		server, err := pgconn.ParseConfig(os.Getenv("MOAT_APP_URL"))
		if err != nil {
			return err
		}
		p, err := proxy.New(proxy.Config{Server: server, Options: &moat.Options{}, Verify: verify})
		if err != nil {
			return err
		}
		defer p.Close()
		l, err := net.Listen("tcp", "127.0.0.1:6432")
		if err != nil {
			return err
		}
		log.Print("listening on ", l.Addr())
		return p.Serve(l)
	}
}
