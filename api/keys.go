package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/moat-db/moat/api/internal/problem"
	"github.com/moat-db/moat/auth"
	"github.com/moat-db/moat/internal/apikey"
	"github.com/moat-db/moat/internal/serving"
)

// keys lists, makes and ends the API keys of the caller in its tenant.
func (h *Handler) keys(w http.ResponseWriter, r *http.Request) {
	status, answer, err := h.ownKeys(r)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	if answer == nil {
		w.WriteHeader(status)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(answer) // the client may have gone
}

func (h *Handler) ownKeys(r *http.Request) (status int, answer any, err error) {
	body, err := h.arrive(r)
	if err != nil {
		return 0, nil, err
	}
	x := h.config.Gate.ExchangeOf(r)
	if err := x.Turn(r.Context()); err != nil {
		return 0, nil, err
	}
	defer x.Leave()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), h.config.Limits.Timeout)
	defer cancel()
	who, err := h.keyMaker(ctx, r)
	if err != nil {
		return 0, nil, err
	}
	infoOf(r).tenant = string(who.Tenant)
	switch r.Method {
	case http.MethodPost:
		made, err := h.makeKey(ctx, who, body)
		return http.StatusCreated, made, err
	case http.MethodDelete:
		err := apikey.Revoke(ctx, h.config.Keys, r.PathValue("id"), who.Tenant, who.Issuer, who.Subject)
		if errors.Is(err, apikey.ErrNoKey) {
			err = problem.New(http.StatusNotFound, "MOAT119", "%s", err.Error())
		}
		return http.StatusNoContent, nil, err
	}
	list, err := apikey.List(ctx, h.config.Keys, who.Tenant, who.Issuer, who.Subject)
	if list == nil {
		list = []apikey.Key{}
	}
	return http.StatusOK, list, err
}

// keyMaker returns a caller who may have keys: a person who may come in at its own tenant. A
// key makes none, so that none outlives who made it.
func (h *Handler) keyMaker(ctx context.Context, r *http.Request) (serving.Caller, error) {
	who, err := h.speaker(ctx, r)
	if err != nil {
		return who, err
	}
	if identity, _ := auth.FromContext(r.Context()); identity.Key != nil || who.Subject == "" || who.Above != "" {
		return who, problem.New(http.StatusForbidden, "MOAT118", "only a person has keys, in a tenant of its own")
	}
	return who, nil
}

// madeKey is told once.
type madeKey struct {
	apikey.Key
	Secret string `json:"key"`
}

func (h *Handler) makeKey(ctx context.Context, who serving.Caller, body []byte) (madeKey, error) {
	var asked struct {
		Name      string     `json:"name"`
		Role      *string    `json:"role"`
		ExpiresAt *time.Time `json:"expires_at"`
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(&asked); err != nil || asked.Name == "" || len(asked.Name) > 200 {
		return madeKey{}, problem.New(http.StatusBadRequest, "MOAT117",
			`a key is made by {"name": "…", "expires_at": "2030-01-31T00:00:00Z"}, of which the second may be left out`)
	}
	if asked.ExpiresAt != nil && !asked.ExpiresAt.After(time.Now()) {
		return madeKey{}, problem.New(http.StatusBadRequest, "MOAT117", "the key would have expired already")
	}
	if asked.Role != nil && *asked.Role != who.Role {
		return madeKey{}, problem.New(http.StatusForbidden, "MOAT118", "a key has the role of who makes it")
	}
	secret, made, err := apikey.Create(ctx, h.config.Keys, apikey.Key{Tenant: who.Tenant, Name: asked.Name, Role: who.Role,
		Issuer: who.Issuer, Maker: who.Subject, Expires: asked.ExpiresAt})
	return madeKey{made, secret}, err
}
