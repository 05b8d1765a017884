package cli

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/auth"
	"github.com/moat-db/moat/internal/config"
)

// tokenFlags are the flags of moat token.
type tokenFlags struct {
	tenant, service, subject, role, issuer, keyFile string
	expires                                         time.Duration
}

func (a *app) newToken() *cobra.Command {
	var f tokenFlags
	c := &cobra.Command{
		Use:   "token (--tenant ID | --service NAME)",
		Short: "Sign a development token for a tenant",
		Long: "Sign a bearer token for development and tests, with a key that moat.yaml or\n" +
			"--key-file names. In production an identity provider signs tokens; moat only\n" +
			"verifies them. With --service the token has no tenant: it opens a connection of\n" +
			"moat proxy for all tenants, if proxy.services has the name.",
		Example: "  moat token --tenant 0c5e8f2a-4b1d-4e7a-9a63-1f0b7d2c8e01 --expires 1h",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			token, err := a.token(f)
			if err != nil {
				return err
			}
			fmt.Fprintln(a.Out, token)
			return nil
		},
	}
	flags := c.Flags()
	flags.StringVar(&f.tenant, "tenant", "", "tenant the token speaks for")
	flags.StringVar(&f.service, "service", "", "subject of a token without a tenant")
	flags.StringVar(&f.subject, "subject", "developer", "subject (sub)")
	flags.StringVar(&f.role, "role", "", "role inside the tenant")
	flags.DurationVar(&f.expires, "expires", time.Hour, "how long the token is valid")
	flags.StringVar(&f.issuer, "issuer", "", "which issuer of moat.yaml (default: the only one that has a key to sign "+
		"with)")
	flags.StringVar(&f.keyFile, "key-file", "", "secret or PEM private key to sign with (default: the issuer's secret)")
	c.MarkFlagsOneRequired("tenant", "service")
	c.MarkFlagsMutuallyExclusive("tenant", "service")
	c.MarkFlagsMutuallyExclusive("subject", "service")
	return c
}

func (a *app) token(f tokenFlags) (string, error) {
	c, err := a.config()
	if err != nil {
		return "", err
	}
	if f.service != "" {
		f.subject = f.service
	} else if err := moat.TenantType(c.Tenant.Type).Validate(moat.Tenant(f.tenant)); err != nil {
		return "", err
	}
	if f.expires <= 0 {
		return "", errors.New("--expires must be longer than nothing")
	}
	signer, _, err := developmentSigner(c.Auth.Issuers, f)
	if err != nil {
		return "", err
	}
	return signer.Sign(auth.Identity{Tenant: moat.Tenant(f.tenant), Subject: f.subject, Role: f.role}, f.expires)
}

// developmentSigner signs as an issuer, which it returns, whose key moat.yaml or a flag names.
func developmentSigner(issuers []config.Issuer, f tokenFlags) (s *auth.Signer, issuer string, err error) {
	i, err := signingIssuer(issuers, f)
	if err != nil {
		return nil, "", err
	}
	key, err := signingKey(i, f.keyFile)
	if err != nil {
		return nil, "", err
	}
	s, err = auth.NewSigner(auth.SignerConfig{Key: key, Issuer: i.Issuer, Audience: i.Audience[0],
		TenantClaim: i.TenantClaim, RoleClaim: i.RoleClaim})
	return s, i.Issuer, err
}

// signingIssuer picks the issuer to sign as: the named one, else the only candidate.
func signingIssuer(issuers []config.Issuer, f tokenFlags) (config.Issuer, error) {
	var found []config.Issuer
	for _, i := range issuers {
		named := f.issuer == "" || f.issuer == i.Issuer
		if named && (f.keyFile != "" || i.SecretFile != "" || i.SecretEnv != "") && len(i.Audience) > 0 {
			found = append(found, i)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return config.Issuer{}, withHint(errors.New("no issuer to sign as"),
			"moat.yaml needs an issuer with an audience and a secret_file or secret_env, or give --key-file; --config names "+
				"another file")
	}
	return config.Issuer{}, withHint(errors.New("several issuers have a key to sign with"), "choose one with --issuer")
}

func signingKey(i config.Issuer, file string) (auth.Secret, error) {
	if file == "" {
		file = i.SecretFile
	}
	if file == "" {
		if secret := os.Getenv(i.SecretEnv); secret != "" {
			return auth.Secret(secret), nil
		}
		return "", fmt.Errorf("environment variable %s is empty", i.SecretEnv)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("read signing key: %w", err)
	}
	return auth.Secret(strings.TrimSuffix(string(text), "\n")), nil
}
