package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/moat-db/moat"
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
		Sealed:        s.config.Sealed.Enabled,
		Timeout:       s.config.Serve.StatementTimeout,
		SecureCookies: s.config.Portal.SecureCookies,
		Logger:        s.log,
	}
	var err error
	if c.Operator, err = s.openOperator(ctx); err != nil {
		return nil, fmt.Errorf("operator's console: %w", err)
	}
	if s.demo != nil {
		if c.Demo, err = s.demoPages(ctx, c.Operator); err != nil {
			return nil, err
		}
	}
	p, err := portal.New(c)
	if err != nil {
		return nil, err
	}
	s.onClose(p.Close)
	var missing *portal.NotPreparedError
	if err := p.Prepare(ctx); errors.As(err, &missing) {
		return nil, withHint(err, "run this once as an administrator:\n%s", missing.SQL)
	} else if err != nil {
		return nil, err
	}
	return p, nil
}

// openOperator returns nil where nothing is configured; half a configuration is an
// error.
func (s *service) openOperator(ctx context.Context) (*portal.Operator, error) {
	issuers := s.config.Portal.Operators
	if len(issuers) == 0 && s.operatorURL == "" {
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
	verifier, err := verifierOf(ctx, s.config, issuers, true, s.log)
	if err != nil {
		return nil, err
	}
	pool, err := pgxpool.New(ctx, s.operatorURL)
	if err != nil {
		return nil, connectError(err)
	}
	s.onClose(pool.Close)
	application, err := pgx.ParseConfig(s.appURL)
	if err != nil {
		return nil, connectError(err)
	}
	o := &portal.Operator{Pool: pool, Verifier: verifier, Role: s.config.Portal.OperatorRole, Application: application, Model: modelOptions(s.config)}
	if o.Prove.Sealer, err = sealerOf(s.config); err != nil {
		return nil, err
	}
	if s.demo != nil {
		o.Admin, err = pgx.ParseConfig(s.demo.AdminURL)
	}
	return o, err
}

// demoPages lets visitors in without a token, and lets them try to break in over a
// pool of its own that is cleared after each attempt.
func (s *service) demoPages(ctx context.Context, o *portal.Operator) (*portal.Demo, error) {
	options, err := scopeOptions(s.config)
	if err != nil {
		return nil, err
	}
	options.Paranoid, options.MaxConns, options.StatementTimeout = true, 2, s.config.Serve.StatementTimeout
	breakIn, err := moat.Open(ctx, s.appURL, options)
	if err != nil {
		return nil, err
	}
	s.onClose(breakIn.Close)
	d := &portal.Demo{Sign: s.demo.Token, SignOperator: s.demo.OperatorToken, BreakIn: breakIn, Referee: o.Pool}
	for _, c := range s.demo.Clients {
		d.Clients = append(d.Clients, portal.DemoClient{Name: c.Name, Tenant: c.Tenant})
	}
	return d, nil
}
