package portal

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/auth"
)

type signInPage struct {
	Clients  []DemoClient
	Operator bool
	Problem  string
	Next     string
}

// home sends a visitor to where it belongs.
func (p *Portal) home(w http.ResponseWriter, r *http.Request) error {
	if p.sessions.of(r, clientCookie) == nil {
		return errSignIn
	}
	redirect(w, r, base+"/dashboard")
	return nil
}

func (p *Portal) signInPage(w http.ResponseWriter, r *http.Request) error {
	return p.showSignIn(w, r, http.StatusOK, "")
}

func (p *Portal) showSignIn(w http.ResponseWriter, r *http.Request, status int, problem string) error {
	data := &signInPage{Problem: problem, Operator: p.config.Operator != nil}
	if p.config.Demo != nil {
		data.Clients = p.config.Demo.Clients
	}
	out := p.page(r, "Sign in", "")
	out.Data = data
	return p.render(w, status, "sign-in", out)
}

// signIn takes a token, or in the demo the name of a sample client.
func (p *Portal) signIn(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	token := strings.TrimSpace(r.PostFormValue("token"))
	token = strings.TrimSpace(strings.TrimPrefix(token, "Bearer "))
	if tenant := moat.Tenant(r.PostFormValue("client")); token == "" && tenant != "" && p.config.Demo != nil {
		var err error
		if token, err = p.config.Demo.token(tenant); err != nil {
			return err
		}
	}
	if token == "" {
		return p.showSignIn(w, r, http.StatusUnprocessableEntity, "Paste the token that your agency gave you.")
	}
	identity, err := p.config.Verifier.Verify(r.Context(), token)
	if err != nil || identity.Tenant == "" {
		return p.showSignIn(w, r, http.StatusUnauthorized, refused(err))
	}
	one := &session{scope: p.config.Scope(identity), subject: identity.Subject, expires: p.expiry(identity.Expires)}
	sc, err := p.view(r.Context())
	if err != nil {
		return err
	}
	if _, _, err := p.admit(r.Context(), sc, one); err != nil {
		return err
	}
	p.sessions.remove(r, clientCookie)
	p.setCookie(w, r, clientCookie, base, p.sessions.add(one))
	redirect(w, r, base+"/dashboard")
	return nil
}

// token signs in a sample client; any other tenant is refused, as the sign-in page does
// not offer it.
func (d *Demo) token(tenant moat.Tenant) (string, error) {
	if d.Sign == nil || !slices.ContainsFunc(d.Clients, func(c DemoClient) bool { return c.Tenant == tenant }) {
		return "", errNotFound
	}
	return d.Sign(tenant, "demo@example.com", "client", 12*time.Hour)
}

// refused says why a token does not do, as far as its holder may know.
func refused(err error) string {
	var token *auth.TokenError
	if errors.As(err, &token) && token.Reason == auth.Expired {
		return "This token has expired. Ask your agency for a new one."
	}
	if errors.As(err, &token) && token.Reason == auth.NotYetValid {
		return "This token is not valid yet. Look at the clock, or ask your agency."
	}
	return "This token is not good for this portal. Copy the whole of it, without quotes, and try again."
}

func (p *Portal) signOut(w http.ResponseWriter, r *http.Request) error {
	one := p.sessions.of(r, clientCookie)
	p.sessions.remove(r, clientCookie)
	p.setCookie(w, r, clientCookie, base, "")
	if one != nil && one.viewAs != nil {
		redirect(w, r, base+"/operator/")
		return nil
	}
	redirect(w, r, base+"/sign-in")
	return nil
}
