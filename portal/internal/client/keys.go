package client

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/moat-db/moat/internal/apikey"
	"github.com/moat-db/moat/portal/internal/frame"
)

type keysPage struct {
	Keys    []apikey.Key
	Secret  string // of the key that was just made
	Name    string
	Problem string
	May     bool
}

// hasKeys says whether who is signed in may have keys: a person, in a tenant of its own.
func (v *Visit) hasKeys() bool {
	return v.Session.ViewAs == nil && v.Session.Identity.Subject != "" && v.Session.Identity.Key == nil && !v.Above
}

// keysPage lists the keys of who is signed in.
func (p *Pages) keysPage(w http.ResponseWriter, r *http.Request, v *Visit) error {
	return p.showKeys(w, r, v, http.StatusOK, &keysPage{})
}

func (p *Pages) showKeys(w http.ResponseWriter, r *http.Request, v *Visit, status int, page *keysPage) (err error) {
	if page.May = v.hasKeys(); page.May {
		me := v.person()
		if page.Keys, err = apikey.List(v, p.Keys, v.Scope.Tenant, me.Issuer, me.Subject); err != nil {
			return err
		}
	}
	out := p.Page(r, v, "API keys", "keys")
	out.Data = page
	return p.Render(w, status, "keys", out)
}

// makeKey makes a key, with the role of who makes it, and shows it once.
func (p *Pages) makeKey(w http.ResponseWriter, r *http.Request, v *Visit) error {
	if !v.hasKeys() {
		return frame.ErrNotFound
	}
	page := &keysPage{Name: strings.TrimSpace(r.PostFormValue("name"))}
	expires, err := v.keyEnd(r.PostFormValue("expires"))
	if page.Name == "" || len(page.Name) > 200 || err != nil || expires != nil && !expires.After(p.Now()) {
		page.Problem = "Give the key a name, and a last day that is still to come, or none."
		return p.showKeys(w, r, v, http.StatusUnprocessableEntity, page)
	}
	me := v.person()
	page.Secret, _, err = apikey.Create(v, p.Keys, apikey.Key{Tenant: v.Scope.Tenant, Name: page.Name, Role: v.Scope.Role,
		Issuer: me.Issuer, Maker: me.Subject, Expires: expires})
	if err != nil {
		return err
	}
	return p.showKeys(w, r, v, http.StatusOK, page)
}

// keyEnd is the end of the last day that a key works.
func (v *Visit) keyEnd(day string) (*time.Time, error) {
	if day == "" {
		return nil, nil
	}
	at, err := time.ParseInLocation(time.DateOnly, day, v.Zone)
	end := at.AddDate(0, 0, 1)
	return &end, err
}

// revokeKey ends a key of who is signed in.
func (p *Pages) revokeKey(w http.ResponseWriter, r *http.Request, v *Visit) error {
	if !v.hasKeys() {
		return frame.ErrNotFound
	}
	me := v.person()
	err := apikey.Revoke(v, p.Keys, r.PostFormValue("id"), v.Scope.Tenant, me.Issuer, me.Subject)
	if errors.Is(err, apikey.ErrNoKey) {
		return frame.ErrNotFound
	}
	if err != nil {
		return err
	}
	return frame.Elsewhere(frame.Base + "/keys")
}
