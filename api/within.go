package api

import (
	"context"
	"net/http"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/api/internal/problem"
	"github.com/moat-db/moat/auth"
	"github.com/moat-db/moat/internal/serving"
)

// Verified answers requests of the API whose caller a middleware of package auth has verified
// already, as the API answers its own: logged, counted, admitted, at the tenant's rate.
func (h *Handler) Verified() http.Handler { return h.observe(h.hold(http.HandlerFunc(h.rest))) }

// Within lets a verified caller in as the API does and runs fn in the scope that it then has. The
// request is logged and counted under target; an error of fn is answered as the API's are.
func (h *Handler) Within(target string, fn func(context.Context, http.ResponseWriter, moat.Scope) error) http.Handler {
	return h.observe(h.hold(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		infoOf(r).target = target
		if err := h.within(w, r, fn); err != nil {
			h.fail(w, r, err)
		}
	})))
}

// hold keeps the answers of next until they are complete.
func (h *Handler) hold(next http.Handler) http.Handler {
	return h.config.Gate.Hold(next, func(w http.ResponseWriter, r *http.Request, err error) { h.fail(w, r, err) })
}

func (h *Handler) within(w http.ResponseWriter, r *http.Request,
	fn func(context.Context, http.ResponseWriter, moat.Scope) error) error {
	if _, err := h.arrive(r); err != nil {
		return err
	}
	x := h.config.Gate.ExchangeOf(r)
	if err := x.Turn(r.Context()); err != nil {
		return err
	}
	defer x.Leave()
	ctx, cancel := context.WithTimeout(r.Context(), h.config.Limits.Timeout)
	defer cancel()
	who, err := h.speaker(ctx, r)
	if err != nil {
		return err
	}
	infoOf(r).tenant = string(who.Tenant)
	return fn(moat.WithScope(ctx, who.Scope), w, who.Scope)
}

// speaker is the caller, admitted: its tenant known and not suspended, it a member.
func (h *Handler) speaker(ctx context.Context, r *http.Request) (serving.Caller, error) {
	identity, _ := auth.FromContext(r.Context())
	choices, err := h.config.From.Choices(r)
	if err != nil {
		return serving.Caller{}, err
	}
	check := h.schema.Load().check
	who, err := h.config.Door.Speak(ctx, check, identity, choices)
	if err != nil {
		return who, err
	}
	if who.Tenant == "" {
		return who, noTenant()
	}
	who.Scope, err = h.config.Door.Admit(ctx, check, who)
	return who, err
}

// Refuse returns an error that is answered with 400, and its text.
func Refuse(format string, args ...any) error {
	return problem.New(http.StatusBadRequest, "MOAT140", format, args...)
}
