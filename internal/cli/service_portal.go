package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

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
		Logger:        s.log,
	}
	var err error
	if c.SessionKey, err = sessionKey(s.config.Portal); err != nil {
		return nil, err
	}
	if c.Operator, err = s.openOperator(ctx); err != nil {
		return nil, fmt.Errorf("operator's console: %w", err)
	}
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
	var missing *portal.NotPreparedError
	if err := p.Prepare(ctx); errors.As(err, &missing) {
		return nil, withHint(err, "run this once as an administrator:\n%s", missing.SQL)
	} else if err != nil {
		return nil, err
	}
	return p, nil
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
	verifier, err := s.verifierOf(ctx, issuers, nil)
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
	o := &portal.Operator{Pool: pool, Verifier: verifier, Role: s.config.Portal.OperatorRole, Application: application,
		Model: s.config.Model()}
	o.Prove.Sealer, err = sealerOf(s.config)
	return o, err
}
