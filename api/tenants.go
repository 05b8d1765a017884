package api

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/auth"
	"github.com/moat-db/moat/internal/serving"
)

// tenants lists the tenants that the caller may choose.
func (h *Handler) tenants(w http.ResponseWriter, r *http.Request) {
	list, err := h.ownTenants(r)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	body, err := json.Marshal(list)
	if err != nil { // texts and truths marshal
		h.fail(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	_, _ = w.Write(body) // the client may have gone
}

func (h *Handler) ownTenants(r *http.Request) ([]serving.OwnTenant, error) {
	identity, _ := auth.FromContext(r.Context())
	door, check, x := h.config.Door, h.schema.Load().check, h.config.Gate.ExchangeOf(r)
	if err := x.Arrive(r.Context(), door.Lane(check, identity, nil)); err != nil {
		return nil, err
	}
	if err := x.Turn(r.Context()); err != nil {
		return nil, err
	}
	defer x.Leave()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), h.config.Limits.Timeout)
	defer cancel()
	who, err := door.Speak(ctx, check, identity, nil)
	if err != nil {
		return nil, err
	}
	infoOf(r).tenant = string(who.Tenant)
	return door.Own(ctx, check, who, moat.Tenant(r.URL.Query().Get("after")))
}
