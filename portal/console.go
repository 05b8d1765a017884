package portal

import (
	"context"
	"net/http"
)

// console is the operator's side of the portal.
type console struct{ p *Portal }

func newConsole(p *Portal) *console { return &console{p: p} }

func (c *console) routes(mux *http.ServeMux) {
	if c == nil {
		return
	}
}

func (c *console) seen(ctx context.Context, s *session) {}

func (p *Portal) accessLog(w http.ResponseWriter, r *http.Request, v *visit) error {
	return errNotFound
}
func (p *Portal) breakInPage(w http.ResponseWriter, r *http.Request, v *visit) error {
	return errNotFound
}
func (p *Portal) breakIn(w http.ResponseWriter, r *http.Request, v *visit) error { return errNotFound }
