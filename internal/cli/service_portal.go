package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/moat-db/moat/auth"
	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/config"
	"github.com/moat-db/moat/portal"
)

// openPortal opens the client portal, and the operator's console where operators have
// an issuer and a connection.
func (s *service) openPortal(ctx context.Context) (*portal.Portal, error) {
	c := portal.Config{
		DB:            s.db,
		Verifier:      s.verifier,
		Source:        s.schema.Last,
		Door:          s.door,
		Gate:          s.gate,
		From:          tenantFrom(s.config.Serve.TenantFrom),
		Timeout:       s.config.Serve.StatementTimeout,
		SecureCookies: s.config.Portal.SecureCookies,
		PasteTokens:   s.config.Portal.PasteTokens,
		Locale:        s.config.Portal.Locale,
		Money:         s.config.Portal.Money,
		Figures:       figures(s.config.Portal.Figures),
		Logger:        s.log,
		Tables:        shownTables(s.config.Portal),
	}
	var err error
	if c.Brands, err = openBrands(s.config.Portal); err != nil {
		return nil, err
	}
	if c.SessionKey, err = sessionKey(s.config.Portal); err != nil {
		return nil, err
	}
	if c.Operator, err = s.openOperator(ctx); err != nil {
		return nil, fmt.Errorf("operator's console: %w", err)
	}
	c.SignIn, c.ProviderVerifier, err = s.openSignIn(ctx, s.config.Auth.Issuers)
	if err != nil {
		return nil, err
	}
	if c.Sessions, err = s.openSessions(ctx, c.Operator); err != nil {
		return nil, fmt.Errorf("MOAT_SESSION_URL: %w", err)
	}
	s.openPeople(&c)
	if s.extend != nil {
		if err := s.extend(ctx, s, &c); err != nil {
			return nil, err
		}
	}
	p, err := portal.New(c)
	if err != nil {
		return nil, err
	}
	s.onClose(p.Close)
	if len(c.SignIn) == 0 && !c.PasteTokens {
		s.log.Warn("nobody can sign in to the portal: give an issuer sign_in, or set portal.paste_tokens")
	}
	return p, prepareError(p.Prepare(ctx))
}

// openPeople lets people manage members and their own API keys, where that is set up.
func (s *service) openPeople(c *portal.Config) {
	c.Keys = s.keys
	if p := s.config.Portal.People; p != nil {
		c.People = &portal.People{Admins: p.Admins}
	}
}

// shownTables is portal.tables.
func shownTables(c config.Portal) map[catalog.QName]portal.Table {
	all := map[catalog.QName]portal.Table{}
	for name, t := range c.Tables {
		one := portal.Table{Look: portal.Look(t.PortalLook), Singular: t.Singular, Views: t.Views,
			Columns: map[string]portal.Look{}}
		for column, look := range t.Columns {
			one.Columns[column] = portal.Look(look)
		}
		all[config.Named(name)] = one
	}
	return all
}

// prepareError says what an administrator does where the portal's tables are missing.
func prepareError(err error) error {
	if errors.As(err, new(*portal.NotPreparedError)) || errors.As(err, new(*portal.SessionsNotPreparedError)) ||
		errors.As(err, new(*portal.PeopleNotPreparedError)) {
		return withHint(err, "once, as an administrator: moat tenant setup URL --operator ROLE --apply "+
			"(without --apply it prints the SQL; --sessions ROLE where MOAT_SESSION_URL has a role of its own)")
	}
	return err
}

// openSignIn reads the providers that people sign in at. Their ID tokens are verified as the
// issuers' other tokens are, but for whom they are: the portal is their client.
func (s *service) openSignIn(ctx context.Context, from []config.Issuer) (list []portal.Provider, v *auth.Verifier,
	err error) {
	var issuers []config.Issuer
	for _, i := range from {
		if i.SignIn == nil {
			continue
		}
		one := portal.Provider{Issuer: i.Issuer, ClientID: i.SignIn.ClientID, Name: i.SignIn.Name,
			Scopes: i.SignIn.Scopes, Hosts: i.SignIn.Hosts}
		if env := i.SignIn.ClientSecretEnv; env != "" {
			one.ClientSecret = auth.Secret(os.Getenv(env))
			if one.ClientSecret == "" {
				return nil, nil, fmt.Errorf("issuer %s: environment variable %s is empty", i.Issuer, env)
			}
		}
		list = append(list, one)
		i.Audience, i.Clients = config.Strings{i.SignIn.ClientID}, nil
		issuers = append(issuers, i)
	}
	if len(issuers) > 0 {
		v, err = s.verifierOf(ctx, issuers, nil)
	}
	return list, v, err
}

// openSessions returns the pool that keeps sessions: its own, or the operator's; nil where
// there is neither.
func (s *service) openSessions(ctx context.Context, o *portal.Operator) (*pgxpool.Pool, error) {
	if s.sessionURL == "" {
		if o == nil {
			return nil, nil
		}
		return o.Pool, nil
	}
	pool, err := openPool(ctx, s.sessionURL)
	if err != nil {
		return nil, err
	}
	s.onClose(pool.Close)
	return pool, nil
}

// minSessionKey is how many bytes a secret must have that a cookie's holder cannot guess.
const minSessionKey = 32

// sessionKey reads the secret of the sessions; nil where none is configured.
func sessionKey(c config.Portal) ([]byte, error) {
	var key []byte
	switch {
	case c.SessionKeyFile != "" && c.SessionKeyEnv != "":
		return nil, errors.New("portal: session_key_file and session_key_env exclude each other")
	case c.SessionKeyFile != "":
		text, err := os.ReadFile(c.SessionKeyFile)
		if err != nil {
			return nil, fmt.Errorf("portal.session_key_file: %w", err)
		}
		key = bytes.TrimSpace(text)
	case c.SessionKeyEnv != "":
		key = []byte(os.Getenv(c.SessionKeyEnv))
	default:
		return nil, nil
	}
	if len(key) < minSessionKey {
		return nil, withHint(fmt.Errorf("portal: the session key has %d bytes, and needs %d", len(key), minSessionKey),
			"openssl rand -base64 32 makes one")
	}
	return key, nil
}

// openOperator returns nil where nothing is configured; half a configuration is an
// error.
func (s *service) openOperator(ctx context.Context) (*portal.Operator, error) {
	issuers := s.config.Portal.Operators
	if len(issuers) == 0 && (s.operatorURL == "" || len(s.config.Watch.State) > 0) {
		return nil, nil
	}
	if len(issuers) == 0 || s.operatorURL == "" {
		return nil, errors.New("portal.operator_issuers and MOAT_OPERATOR_URL go together")
	}
	for _, i := range issuers {
		for _, j := range s.config.Auth.Issuers {
			if i.Issuer == j.Issuer {
				return nil, fmt.Errorf("issuer %s signs clients' tokens too: operators need one of their own", i.Issuer)
			}
		}
	}
	verifier, err := s.verifierOf(ctx, issuers, nil)
	if err != nil {
		return nil, err
	}
	pool, err := openPool(ctx, s.operatorURL)
	if err != nil {
		return nil, err
	}
	s.onClose(pool.Close)
	application, err := pgx.ParseConfig(s.appURL)
	if err != nil {
		return nil, connectError(err)
	}
	o := &portal.Operator{Pool: pool, Verifier: verifier, Role: s.config.Portal.OperatorRole, Application: application,
		Model: s.config.Model(), Watch: s.watcher, LeaveOut: s.config.Export.LeaveOut, Mask: s.config.Export.Mask}
	if o.SignIn, o.ProviderVerifier, err = s.openSignIn(ctx, issuers); err != nil {
		return nil, err
	}
	o.Prove.Sealer, err = sealerOf(s.config)
	return o, err
}

func figures(list []config.Figure) (out []portal.Figure) {
	for _, f := range list {
		one := portal.Figure{Title: f.Title, Table: f.Table, Sum: f.Sum, Average: f.Average, Date: f.Date,
			Where: map[string][]string{}}
		for column, values := range f.Where {
			one.Where[column] = values
		}
		out = append(out, one)
	}
	return out
}
