package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/auth"
	"github.com/moat-db/moat/internal/config"
	"github.com/moat-db/moat/policy"
	"github.com/moat-db/moat/prove"
	"github.com/moat-db/moat/prove/database"
	"github.com/moat-db/moat/prove/pool"
)

// How long tokens for the proxy last: a service's as long as a run may take.
const (
	provedFor  = 24 * time.Hour
	attemptFor = 10 * time.Minute
)

// proxyTokens signs for moat proxy with a key of moat.yaml, as moat token does.
func proxyTokens(c config.Config) (database.Token, error) {
	if len(c.Proxy.Services) == 0 {
		return nil, withHint(errors.New("proxy.services names no service to connect as"),
			"--proxy uses one connection for all tenants: add proxy: {services: [prove]} to moat.yaml, and start moat proxy "+
				"with it")
	}
	signer, issuer, err := developmentSigner(c.Auth.Issuers, tokenFlags{})
	if err != nil {
		return nil, err
	}
	return func(_ context.Context, s moat.Scope) (string, error) {
		if s.Issuer != "" && s.Issuer != issuer {
			return "", fmt.Errorf("a caller of issuer %s is to be tried, and moat.yaml has a key to sign as %s only", s.Issuer,
				issuer)
		}
		if s.Tenant == "" {
			return signer.Sign(auth.Identity{Subject: c.Proxy.Services[0]}, provedFor)
		}
		return signer.Sign(auth.Identity{Tenant: s.Tenant, Subject: cmp.Or(s.Subject, "prove"), Role: s.Role}, attemptFor)
	}, nil
}

// attackProxyPool attacks a pool of connections that moat proxy keeps for all tenants.
func attackProxyPool(ctx context.Context, appURL string, token database.Token, o pool.Options) (*prove.Report, error) {
	cfg, err := pgxpool.ParseConfig(appURL)
	if err != nil {
		return nil, connectError(err)
	}
	cfg.MaxConns = 4
	if cfg.ConnConfig.Password, err = token(ctx, moat.Scope{}); err != nil {
		return nil, err
	}
	connections, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, connectError(err)
	}
	defer connections.Close()
	return pool.Attack(ctx, pool.AcquireFrom(connections),
		func(ctx context.Context, tenant moat.Tenant, sql string) ([][]string, error) {
			named, err := token(ctx, moat.Scope{Tenant: tenant})
			if err != nil {
				return nil, err
			}
			return queryAs(ctx, connections, named, sql)
		}, o)
}

// queryAs runs a statement in a transaction that names its tenant by a token, as a program
// does behind moat proxy.
func queryAs(ctx context.Context, connections *pgxpool.Pool, token, sql string) (rows [][]string, err error) {
	err = pgx.BeginFunc(ctx, connections, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, policy.NameTenant(token)); err != nil {
			return fmt.Errorf("name the tenant: %w", err)
		}
		rows, err = pool.Texts(tx.Query(ctx, sql))
		return err
	})
	return rows, err
}
