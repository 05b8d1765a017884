package api

import (
	"net/http"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/api/internal/problem"
	"github.com/moat-db/moat/api/internal/schema"
	"github.com/moat-db/moat/internal/serving"
	"github.com/moat-db/moat/policy"
)

// widthHeader says how much of a tree of tenants a read shows.
const widthHeader = "Moat-Scope"

// width reads the header. Without one, only the tenant's own rows are shown.
func (q *request) width() (moat.Width, error) {
	values := q.Header[widthHeader]
	switch {
	case len(values) == 0 || len(values) == 1 && values[0] == "own":
		return moat.Own, nil
	case len(values) == 1 && values[0] == "descendants":
		return moat.Descendants, nil
	}
	return moat.Own, problem.New(http.StatusBadRequest, "MOAT106", "%s is own or descendants", widthHeader)
}

// widen makes the request one of the tenant and those below it, where it asks for that.
// Who may come in has been decided by then, of the tenant alone.
func (q *request) widen() error {
	width, err := q.width()
	if err != nil || width == moat.Own {
		return err
	}
	if q.state.below == nil {
		return problem.New(http.StatusBadRequest, "MOAT107", "there is nothing below a tenant to read here").
			WithDetails("%s", q.state.flat).WithHint("Leave %s out.", widthHeader)
	}
	if !q.state.check.Wide(q.caller) {
		return problem.New(http.StatusForbidden, "MOAT107", "the token's issuer speaks for some tenants only").
			WithHint("Leave %s out; Moat-Tenant names one tenant.", widthHeader)
	}
	if !safe(q.Method) && q.Method != http.MethodOptions {
		return problem.New(http.StatusBadRequest, "MOAT108", "a write goes to one tenant").
			WithHint("Leave %s out; the token, or Moat-Tenant, says which.", widthHeader)
	}
	q.scope.Width = width
	q.own, q.state = q.state, q.state.below
	return nil
}

// notBelow answers a wide request for what is served of one tenant only.
func (q *request) notBelow(name string) error {
	full := schema.Name{Schema: q.profile, Name: name}
	if q.own == nil || q.own.Table(full.Schema, full.Name) == nil {
		return nil
	}
	reason := "the role that reads the tree may not read it"
	for _, hidden := range q.state.Hidden {
		if hidden.Name == full {
			reason = hidden.Reason
		}
	}
	return problem.New(http.StatusBadRequest, "MOAT109", "%s cannot be read of several tenants together", name).
		WithDetails("%s", reason).WithHint("Leave %s out.", widthHeader)
}

// errCallBelow refuses a wide call: of what a function computes nobody can tell which
// rows are a suspended tenant's.
func errCallBelow() error {
	return problem.New(http.StatusBadRequest, "MOAT109", "a function is called for one tenant").
		WithHint("Leave %s out.", widthHeader)
}

// loadBelow adds to a state what is served of a tenant and those below it. A reason not
// to is logged and told, and does not keep a tenant from its own rows.
func (h *Handler) loadBelow(v *policy.View, s *state) {
	s.flat = "There is no tree of tenants."
	below, err := h.config.Door.Below(v)
	if below == nil && err == nil {
		return
	}
	var built *schema.Schema
	if err == nil {
		built, err = schema.Build(v, schema.Options{Schemas: usable(below, s.Schemas), Below: below})
	}
	if err != nil {
		s.flat = "The server's log says why."
		h.config.Logger.Warn("what is below a tenant is not served", "reason", err.Error())
		return
	}
	s.below = &state{Schema: built, version: s.version, check: s.check, plans: newPlans()}
}

// usable are those of the schemas that the tree's role may use.
func usable(b *serving.Below, names []string) (out []string) {
	for _, name := range names {
		if b.Uses(name) {
			out = append(out, name)
		}
	}
	return out
}
