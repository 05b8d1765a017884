package cli

import (
	"context"
	"fmt"
	"log/slog"
	"os"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/api"
	"github.com/moat-db/moat/auth"
	"github.com/moat-db/moat/internal/config"
)

// newVerifier turns the configured issuers into a verifier. A missing issuer, audience
// or key is an error that says which.
func newVerifier(ctx context.Context, c config.Config, log *slog.Logger) (*auth.Verifier, error) {
	ac := auth.Config{
		TenantType:         moat.TenantType(c.Tenant.Type),
		AllowWithoutTenant: c.Serve.AllowWithoutTenant,
		OnRefreshError: func(issuer string, err error) {
			log.Warn("key set not refreshed, old keys stay", "issuer", issuer, "error", err)
		},
	}
	for _, i := range c.Auth.Issuers {
		ic := auth.IssuerConfig{
			Issuer: i.Issuer, Audience: i.Audience, SecretFile: i.SecretFile, PEMFile: i.PEMFile,
			JWKSFile: i.JWKSFile, JWKSURL: i.JWKSURL, Discovery: i.Discovery, Algorithms: i.Algorithms,
			TenantClaim: i.TenantClaim, RoleClaim: i.RoleClaim, SubjectClaim: i.SubjectClaim, Leeway: i.Leeway,
		}
		if i.SecretEnv != "" {
			secret := os.Getenv(i.SecretEnv)
			if secret == "" {
				return nil, fmt.Errorf("issuer %s: environment variable %s is empty", i.Issuer, i.SecretEnv)
			}
			ic.Secret = auth.Secret(secret)
		}
		ac.Issuers = append(ac.Issuers, ic)
	}
	v, err := auth.New(ctx, ac)
	return v, withHint(err, "auth.issuers in moat.yaml names who signs tokens: issuer, audience, and one of jwks_url, jwks_file, pem_file, secret_file, secret_env, discovery")
}

// openApplication opens the application role's pool as the configuration asks.
func openApplication(ctx context.Context, url string, c config.Config) (*moat.DB, error) {
	db, err := moat.Open(ctx, url, &moat.Options{
		TenantSetting:  c.Tenant.Setting,
		TenantType:     moat.TenantType(c.Tenant.Type),
		SubjectSetting: "app.current_subject",
		RoleSetting:    "app.current_role",
		ClaimsSetting:  "request.jwt.claims",
		MaxConns:       c.Serve.PoolSize,
		ConfigurePool:  api.ConfigurePool(c.Serve.StatementTimeout),
	})
	return db, withHint(err, "--app-url (or MOAT_APP_URL) must name a role that row-level security binds: LOGIN, NOSUPERUSER, NOBYPASSRLS, owner of nothing")
}
