package database

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/policy"
)

// Through moat proxy a transaction has its tenant by a token, which it names first and
// once. So each try is a transaction of its own there.

// Token signs a token that moat proxy takes for the scope; for the zero scope one of a
// service, which opens a connection for all tenants.
type Token func(ctx context.Context, s moat.Scope) (string, error)

// turns are the transactions of a session through the proxy. Reports show a name in the
// place of a token.
type turns struct {
	token  Token
	scopes map[string]moat.Scope // by the statement that a report shows
}

// name is the statement that names the scope's tenant, as a report shows it.
func (t *turns) name(s moat.Scope) string {
	who := "a token of tenant " + string(s.Tenant)
	if s.Subject != "" {
		who += ", subject " + s.Subject
	}
	if s.Issuer != "" {
		who += ", issuer " + s.Issuer
	}
	if s.Role != "" {
		who += ", role " + s.Role
	}
	shown := policy.NameTenant(who)
	t.scopes[shown] = s
	return shown
}

// names says whether a statement names a tenant in the middle of a transaction, which the
// proxy refuses.
func (t *turns) names(steps []string) bool {
	return t != nil && slices.ContainsFunc(steps, func(s string) bool { _, names := t.scopes[s]; return names })
}

// throughProxy signs in at the proxy as a service.
func throughProxy(ctx context.Context, application *pgx.ConnConfig, token Token) (*pgx.ConnConfig, error) {
	password, err := token(ctx, moat.Scope{})
	if err != nil {
		return nil, fmt.Errorf("sign the service's token: %w", err)
	}
	application = application.Copy()
	application.Password = password
	return application, nil
}

// turn begins the transaction of a try, as the tenant that its binding names, and returns
// what else the binding says.
func (s *session) turn(ctx context.Context, as []string) ([]string, error) {
	for _, sql := range []string{"ROLLBACK", "BEGIN READ WRITE"} { // one message each
		if _, err := s.run(ctx, sql); err != nil {
			return nil, err
		}
	}
	if len(as) > 0 && s.bind.turns.names(as[:1]) {
		token, err := s.bind.turns.token(ctx, s.bind.turns.scopes[as[0]])
		if err != nil {
			return nil, fmt.Errorf("sign a token: %w", err)
		}
		if _, err := s.run(ctx, policy.NameTenant(token)); err != nil {
			return nil, err
		}
		as = as[1:]
	}
	_, err := s.run(ctx, s.limits...)
	return as, err
}

// tryTurn makes an attempt in a transaction of its own.
func (s *session) tryTurn(ctx context.Context, a attempt) outcome {
	s.notices = nil
	as, err := s.turn(ctx, a.as)
	o := outcome{ready: true}
	if err == nil {
		o.results, err = s.run(ctx, slices.Concat(as, a.steps)...)
		o.bound = len(o.results) >= len(as)
		o.results = o.results[min(len(as), len(o.results)):]
	}
	o.notices = s.notices
	if err != nil && !errors.As(err, &o.err) {
		o.broken = err
	}
	return o
}

// refusesTenant says whether the proxy refuses the token of a tenant that it does not know.
func (s *session) refusesTenant(ctx context.Context, as []string) bool {
	_, err := s.turn(ctx, as)
	var refused *pgconn.PgError
	return errors.As(err, &refused) && refused.Code == codeAuthorization
}

// turnScript writes tries as a file for psql, each in a transaction of its own.
func (p *prover) turnScript(b *strings.Builder, tries []attack) {
	fmt.Fprintf(b, "-- Run through moat proxy, signed in as a service, with tokens in the places that name them.\n")
	for _, a := range tries {
		put(b, []string{"BEGIN READ WRITE"}, a.as, []string{immediate}, a.steps, []string{"ROLLBACK"})
	}
}
