package client

import (
	"net/http"

	"github.com/moat-db/moat/portal/internal/frame"
)

// sessionsPage lists where somebody is signed in.
func (p *Pages) sessionsPage(w http.ResponseWriter, r *http.Request, v *Visit) error {
	var list []frame.Own // none where an operator views
	if v.Session.ViewAs == nil {
		var err error
		if list, err = p.sessions.List(v, v.Session); err != nil {
			return err
		}
	}
	out := p.Page(r, v, "Sessions", "sessions")
	out.Data = list
	return p.Render(w, http.StatusOK, "sessions", out)
}

// endSession ends a session of who is signed in, or all but this one.
func (p *Pages) endSession(w http.ResponseWriter, r *http.Request, v *Visit) error {
	id := r.PostFormValue("id")
	if id == "" && r.PostFormValue("others") == "" {
		return frame.ErrNotFound
	}
	if err := p.sessions.EndOne(v, v.Session, id); err != nil {
		return err
	}
	return frame.Elsewhere(frame.Base + "/sessions")
}
