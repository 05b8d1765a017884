package console

import (
	"errors"
	"net/http"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/internal/apikey"
	"github.com/moat-db/moat/portal/internal/frame"
	"github.com/moat-db/moat/portal/internal/ledger"
	"github.com/moat-db/moat/portal/internal/schema"
)

// keysOf lists the keys of a client that are in use; nil where there are none.
func (p *Pages) keysOf(r *http.Request, id string) ([]apikey.Key, error) {
	if p.Keys == nil {
		return nil, nil
	}
	return apikey.List(r.Context(), p.Keys, moat.Tenant(id), "", "")
}

// revokeKey ends a key of the client of the address.
func (p *Pages) revokeKey(_ http.ResponseWriter, r *http.Request, s *frame.Session) error {
	reason, err := reasonOf(r)
	if err != nil {
		return err
	}
	path, id := "", r.PostFormValue("id")
	act := ledger.Entry{By: s, Action: "revoked an API key", Reason: reason, Details: id}
	err = p.one(r, act, func(_ pgx.Tx, _ *schema.Schema, one tenant) error {
		path = one.Path()
		return apikey.Revoke(r.Context(), p.Keys, id, moat.Tenant(one.ID), "", "")
	})
	if errors.Is(err, apikey.ErrNoKey) {
		return frame.ErrNotFound
	}
	if err != nil {
		return err
	}
	return frame.Elsewhere(path + "?done=revoked")
}
