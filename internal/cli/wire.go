package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/api"
	"github.com/moat-db/moat/auth"
	"github.com/moat-db/moat/internal/config"
)

// newVerifier turns the configured issuers into a verifier. A missing issuer, audience
// or key is an error that says which.
func (s *service) newVerifier(ctx context.Context) (*auth.Verifier, error) {
	if err := s.config.CheckIssuers(); err != nil {
		return nil, err
	}
	v, err := s.verifierOf(ctx, s.config.Auth.Issuers, s.keyVerifier())
	return v, withHint(err, "auth.issuers in moat.yaml names who signs tokens: issuer, audience, and one of jwks_url, "+
		"jwks_file, pem_file, secret_file, secret_env, discovery")
}

// verifierOf accepts the tokens of these issuers, also without a tenant: whoever lets
// somebody in asks for one. An issuer that is away does not keep the
// server from starting, but does not pass --check.
func (s *service) verifierOf(ctx context.Context, issuers []config.Issuer, keys keyVerifier) (*auth.Verifier, error) {
	ac := auth.Config{
		TenantType:         moat.TenantType(s.config.Tenant.Type),
		AllowWithoutTenant: true,
		Keys:               keys,
		StartWithoutKeys:   !s.check,
		OnRefreshError: func(issuer string, err error) {
			s.log.Warn("key set not read, keys read before stay in use", "issuer", issuer, "error", err)
		},
	}
	for _, i := range issuers {
		ic, err := issuerConfig(i)
		if err != nil {
			return nil, err
		}
		ac.Issuers = append(ac.Issuers, ic)
	}
	return auth.New(ctx, ac)
}

func issuerConfig(i config.Issuer) (auth.IssuerConfig, error) {
	ic := auth.IssuerConfig{
		Issuer: i.Issuer, Audience: i.Audience, Clients: i.Clients, SecretFile: i.SecretFile, PEMFile: i.PEMFile,
		JWKSFile: i.JWKSFile, JWKSURL: i.JWKSURL, Discovery: i.Discovery, Algorithms: i.Algorithms,
		TenantClaim: i.TenantClaim, RoleClaim: i.RoleClaim, SubjectClaim: i.SubjectClaim, Leeway: i.Leeway,
		External: i.TenantLookup != "",
	}
	if slices.Equal(i.Audience, []string{config.NoAudience}) {
		ic.Audience, ic.NoAudience = nil, true
	}
	if i.SecretEnv != "" {
		secret := os.Getenv(i.SecretEnv)
		if secret == "" {
			return ic, fmt.Errorf("issuer %s: environment variable %s is empty", i.Issuer, i.SecretEnv)
		}
		ic.Secret = auth.Secret(secret)
	}
	return ic, nil
}

// bindOptions say how the configured mode binds a tenant to a transaction.
func bindOptions(c config.Config) (*moat.Options, error) {
	sealer, err := sealerOf(c)
	t := c.Tenant
	return &moat.Options{Sealer: sealer, TenantSetting: t.Setting, TenantType: moat.TenantType(t.Type),
		SubjectSetting: t.SubjectSetting, RoleSetting: t.RoleSetting, ClaimsSetting: t.ClaimsSetting,
		IssuerSetting: c.Issuer(), TreeRole: c.Roles.Tree, Citus: citusBinding(c.Citus)}, err
}

// citusBinding is citus.binding.
func citusBinding(c config.Citus) moat.Citus {
	switch c.Binding {
	case "set_tenant":
		return moat.CitusOn
	case "plain":
		return moat.CitusOff
	}
	return moat.CitusDetect
}

// poolSize is how many connections the application role's pool has; 0 where the connection
// string says it. Two of eight are kept for quick requests, while a few tenants run long ones.
func poolSize(url string, c config.Config) int32 {
	if c.Serve.PoolSize == 0 && !strings.Contains(url, "pool_max_conns") {
		return int32(max(8, runtime.NumCPU()))
	}
	return c.Serve.PoolSize
}

// servingPool configures a pool for the API. Operators in filters have no schema, and are found
// by the path of the connection when a statement is prepared: so the configured schemas are
// behind the role's own there.
func servingPool(ctx context.Context, url string, c config.Config) (func(*pgxpool.Config), error) {
	configure := api.ConfigurePool(c.Serve.StatementTimeout)
	if len(c.Serve.SearchPath) == 0 {
		return configure, nil
	}
	conn, err := moat.Connect(ctx, url)
	if err != nil {
		return nil, connectError(err)
	}
	defer conn.Close(ctx)
	var path string
	if err := conn.QueryRow(ctx, "show search_path").Scan(&path); err != nil {
		return nil, err
	}
	for _, name := range c.Serve.SearchPath {
		path += ", " + pgx.Identifier{name}.Sanitize()
	}
	path = strings.TrimPrefix(path, ", ")
	return func(pc *pgxpool.Config) {
		configure(pc)
		pc.ConnConfig.RuntimeParams["search_path"] = path
	}, nil
}

// openApplication opens the application role's pool as the configuration asks.
func openApplication(ctx context.Context, url string, c config.Config) (*moat.DB, error) {
	o, err := bindOptions(c)
	if err != nil {
		return nil, err
	}
	o.MaxConns = poolSize(url, c)
	if o.ConfigurePool, err = servingPool(ctx, url, c); err != nil {
		return nil, err
	}
	o.Replicas, o.MaxLag = c.Serve.ReplicaURLs, c.Serve.MaxLag
	db, err := moat.Open(ctx, url, o)
	switch {
	case errors.Is(err, moat.ErrObserved):
		return nil, withHint(err, "moat observe shows what enforce would break")
	case errors.Is(err, moat.ErrPoolerHidesProcess):
		return nil, withHint(err, "sealed: {any_connection: true} in moat.yaml, and moat seal key new --apply, or rotate")
	}
	return db, withHint(err, "--app-url (or MOAT_APP_URL) must name a role that row-level security binds: LOGIN, "+
		"NOSUPERUSER, NOBYPASSRLS, owner of nothing")
}
