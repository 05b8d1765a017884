package client

import (
	"net/http"

	"github.com/moat-db/moat/portal/internal/frame"
)

// sessionsPage lists where somebody is signed in.
func (p *Pages) sessionsPage(w http.ResponseWriter, r *http.Request, v *Visit) error {
	out := p.Page(r, v, "Sessions", "sessions")
	if v.Session.ViewAs == nil {
		list, err := p.sessions.List(v, v.Session)
		if err != nil {
			return err
		}
		out.Data = list
	}
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
