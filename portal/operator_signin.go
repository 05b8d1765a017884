package portal

import (
	"net/http"
	"strings"
	"time"
)

type operatorSignInPage struct {
	Problem string
	Reason  string
	Offer   bool // the demo signs an operator in without a token
}

func (c *console) signInPage(w http.ResponseWriter, r *http.Request) error {
	return c.showSignIn(w, r, http.StatusOK, "")
}

func (c *console) showSignIn(w http.ResponseWriter, r *http.Request, status int, problem string) error {
	out := c.p.page(r, "Operator sign-in", "")
	data := &operatorSignInPage{Problem: problem, Reason: r.PostFormValue("reason"), Offer: c.p.config.Demo != nil && c.p.config.Demo.SignOperator != nil}
	if data.Offer && data.Reason == "" {
		data.Reason = "Looking around the demo"
	}
	out.Data = data
	return c.p.render(w, status, "operator-sign-in", out)
}

// signIn takes a token of the operators' own issuer, with the operator's role, and the
// reason that this session's looks are logged with.
func (c *console) signIn(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	reason, err := reasonOf(r)
	if err != nil {
		return c.showSignIn(w, r, http.StatusUnprocessableEntity, "Say in a few words what you are here for: it is written into the operator log.")
	}
	token := strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(r.PostFormValue("token")), "Bearer "))
	if d := c.p.config.Demo; token == "" && d != nil && d.SignOperator != nil {
		if token, err = d.SignOperator("demo-operator@example.com", 8*time.Hour); err != nil {
			return err
		}
	}
	identity, err := c.config.Verifier.Verify(r.Context(), token)
	if err != nil || identity.Role != c.config.Role || identity.Subject == "" {
		problem := "This is no operator's token: it must come from the operators' own issuer, with the role “" + c.config.Role + "” and a subject."
		return c.showSignIn(w, r, http.StatusUnauthorized, problem)
	}
	s := &session{subject: identity.Subject, reason: reason, expires: c.p.expiry(identity.Expires)}
	if err := c.record(r.Context(), entryOf{by: s, action: "signed in"}); err != nil {
		return err
	}
	c.p.desk.remove(r, operatorCookie)
	c.p.setCookie(w, r, operatorCookie, base+"/operator", c.p.desk.add(s))
	redirect(w, r, base+"/operator/")
	return nil
}

func (c *console) signOut(w http.ResponseWriter, r *http.Request) error {
	c.p.desk.remove(r, operatorCookie)
	c.p.setCookie(w, r, operatorCookie, base+"/operator", "")
	redirect(w, r, base+"/operator/sign-in")
	return nil
}
