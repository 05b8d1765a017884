package portal

import (
	"cmp"
	"context"
	"net/http"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/internal/serving"
	"github.com/moat-db/moat/internal/sqltext"
)

func quote(name string) string { return pgx.Identifier{name}.Sanitize() }

// admit asks the door about a session's tenant and caller, and returns the scope to act
// in and the tenant's name for people. An operator who views as a client may look at a
// suspended one, and is no member.
func (p *Portal) admit(ctx context.Context, sc *schema, s *session) (moat.Scope, string, error) {
	verdict, err := p.config.Door.Ask(ctx, sc.check, s.scope)
	if err != nil {
		return moat.Scope{}, "", err
	}
	name, scope := cmp.Or(verdict.Name, string(s.scope.Tenant)), s.scope
	if s.viewAs != nil {
		return scope, name, verdict.Look()
	}
	scope, err = verdict.Admit(scope)
	return scope, name, err
}

// labelOf is the SQL of a tenant's name for people.
func labelOf(t *serving.Tenants) string {
	return sqltext.Ident(cmp.Or(t.Label, t.Key)) + "::text"
}

// canSuspend says whether the console can lock a tenant out and let it in again.
func (s *schema) canSuspend() bool {
	if s.tenants == nil {
		return false
	}
	_, ok := s.tenants.Suspension.Set(true)
	return ok
}

func (s *schema) cannotSuspend() *refusal {
	hint := "The tenants table has no column for it that the application role may read. Add one: suspended_at timestamptz."
	if s.tenants != nil && s.tenants.Suspension != nil {
		hint = "The column " + s.tenants.Suspension.Column + " holds a word, and only your program knows which it may hold."
	}
	return &refusal{http.StatusConflict, "The console cannot suspend here", hint}
}
