// Package console is the room of operators: the clients and their sizes, what the audit
// finds and prove attacks, what has drifted, and the log of all that operators do.
//
// Whatever runs as the operator role has a reason and a line in the log first.
package console

import (
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/audit"
	"github.com/moat-db/moat/internal/apikey"
	"github.com/moat-db/moat/portal/internal/client"
	"github.com/moat-db/moat/portal/internal/frame"
	"github.com/moat-db/moat/portal/internal/ledger"
	"github.com/moat-db/moat/portal/internal/schema"
	"github.com/moat-db/moat/portal/internal/signin"
	"github.com/moat-db/moat/portal/internal/text"
	"github.com/moat-db/moat/prove/database"
	"github.com/moat-db/moat/tenancy"
	"github.com/moat-db/moat/watch"
)

//go:embed templates
var templates embed.FS

// base is where the console lives.
const base = frame.Base + "/operator"

// Config is what the pages work with.
type Config struct {
	*frame.Frame
	Source  *schema.Source
	Ledger  *ledger.Ledger
	Clients *client.Pages
	// Tokens are what operators sign in with.
	Tokens *signin.Tokens
	// Application connects as the application role; nil means that prove cannot run.
	Application *pgx.ConnConfig
	// Keys lists and ends API keys; nil where there are none.
	Keys  apikey.DB
	Model tenancy.Options
	Audit audit.Options
	Prove database.Options
	// Watch compares the database with what was accepted; nil means that it is compared with
	// what was saved in the console.
	Watch *watch.Watcher
	// Hidden is what a client is not given of its own rows.
	Hidden Hidden
}

// Pages are the pages of operators.
type Pages struct {
	Config
	*frame.Views
	sessions *frame.Sessions
	door     *signin.Door
	looks    looks
	prover   prover
}

// New returns the pages. It does no I/O.
func New(config Config) (*Pages, error) {
	p := &Pages{Config: config, sessions: config.Frame.Sessions("moat_operator", base)}
	p.door = &signin.Door{Frame: config.Frame, Tokens: config.Tokens, Sessions: p.sessions, Base: base,
		Cookie: "moat_operator_attempt", Show: p.showSignIn, Enter: p.enterAs,
		Help: "Ask who looks after your accounts if it happens again."}
	var err error
	p.Views, err = config.Frame.Views(templates, template.FuncMap{"finding": newFinding, "since": newSince,
		"gigabytes": func(n int64) string { return fmt.Sprintf("%d GB", n>>30) }})
	return p, err
}

// finding is a finding with an id of its own on the page.
type finding struct {
	ID string
	audit.Finding
}

func newFinding(prefix string, i int, f audit.Finding) finding {
	return finding{fmt.Sprint(prefix, i), f}
}

// since is a moment told by how long ago it was.
type since struct {
	At   time.Time
	Zone *time.Location
}

func newSince(at *time.Time, zone *time.Location) since { return since{*at, zone} }

// Close cuts a run of prove short and waits until it has ended.
func (p *Pages) Close() { p.prover.close() }

// routes are the pages that an operator must be signed in for, below the console's base.
func (p *Pages) routes() map[string]Handler {
	all := map[string]Handler{
		"GET /{$}":                   p.tenantsPage,
		"GET /tenants/{id}":          p.tenantPage,
		"POST /tenants/{id}/state":   p.setState,
		"POST /tenants/{id}/view":    p.viewAs,
		"GET /tenants/{id}/erasure":  p.erasurePage,
		"POST /tenants/{id}/erasure": p.setErasure,
		"GET /new":                   p.createPage,
		"POST /new":                  p.create,
		"POST /tenants/{id}/limits":  p.setLimits,
		"GET /tenants/{id}/data":     p.dataPage,
		"POST /tenants/{id}/export":  p.export,
		"POST /tenants/{id}/copy":    p.copy,
		archives:                     p.restore,
		"GET /isolation":             p.isolationPage,
		"POST /isolation/look":       p.lookAgain,
		"POST /isolation/good":       p.keepGood,
		"POST /isolation/prove":      p.startProve,
		"GET /isolation/prove":       p.proveProgress,
		"GET /log":                   p.logPage,
	}
	if p.Clients.People != nil {
		all["POST /tenants/{id}/invite"] = p.invite
	}
	if p.Keys != nil {
		all["POST /tenants/{id}/keys"] = p.revokeKey
	}
	return all
}

// Mount adds the pages to mux.
func (p *Pages) Mount(mux *frame.Mux) {
	mux.Handle("GET "+base+"/sign-in", p.Handle(p.signInPage))
	mux.Handle("POST "+base+"/sign-in", p.Handle(p.signIn))
	mux.Handle("GET "+base+"/sign-in/at/{provider}", p.Handle(p.door.Begin))
	mux.Handle("GET "+base+"/sign-in/back", p.Handle(p.door.Back))
	mux.Handle("GET "+base+"/sign-in/reason", p.Handle(p.reasonPage))
	mux.Handle("POST "+base+"/sign-in/reason", p.Handle(p.giveReason))
	mux.Handle("POST "+base+"/sign-out", p.Handle(p.signOut))
	for pattern, h := range p.routes() {
		method, path, _ := strings.Cut(pattern, " ")
		admit := p.admit
		if pattern == archives {
			admit = p.admitArchive
		}
		mux.Handle(method+" "+base+path, p.Handle(p.signedIn(admit, h)))
	}
}

// Handler answers an operator who is signed in.
type Handler func(w http.ResponseWriter, r *http.Request, s *frame.Session) error

// admit gives a request its turn among those of all operators.
func (p *Pages) admit(r *http.Request) error { return p.Admit(r, operators) }

// signedIn lets a signed-in operator through, and nobody else: before that, no body is read.
func (p *Pages) signedIn(admit func(*http.Request) error, h Handler) frame.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		s, err := p.session(r)
		if err != nil {
			return err
		}
		if s == nil {
			return frame.Elsewhere(base + "/sign-in")
		}
		if s.Reason == "" { // back from a provider, and has not said what for
			return frame.Elsewhere(base + "/sign-in/reason")
		}
		if err := admit(r); err != nil {
			return err
		}
		return h(w, r, s)
	}
}

// session returns the session of a request, nil where there is none or its token is good no
// more.
func (p *Pages) session(r *http.Request) (*frame.Session, error) {
	s, err := p.sessions.Of(r)
	if err != nil || s == nil {
		return nil, err
	}
	if s, err = p.door.Renewed(r.Context(), s); err != nil || s == nil {
		return nil, err
	}
	s.Subject = s.Identity.Subject
	return s, nil
}

// operators is what the gate knows all operators by; no tenant is called so.
const operators = "\x00operators"

// show renders a page with the operator's navigation, at the place that is active.
func (p *Pages) show(w http.ResponseWriter, r *http.Request, s *frame.Session, name, title, active string,
	data any) error {
	out := p.Page(r, title)
	out.Shell, out.Subject, out.Data = "operator", s.Subject, data
	for _, l := range []frame.Link{
		{Title: "Clients", Href: base + "/", Icon: "people"},
		{Title: "Isolation", Href: base + "/isolation", Icon: "shield"},
		{Title: "Operator log", Href: base + "/log", Icon: "list"},
	} {
		l.On = l.Title == active
		out.Nav = append(out.Nav, l)
	}
	return p.Render(w, http.StatusOK, name, out)
}

// minReason is the shortest text that can be a reason.
const minReason = 4

func reasonOf(r *http.Request) (string, error) {
	reason := strings.ToValidUTF8(strings.ReplaceAll(r.PostFormValue("reason"), "\x00", ""), "")
	reason = strings.Join(strings.Fields(text.Clip(reason, 300)), " ")
	if len(reason) < minReason {
		return "", &frame.Refusal{Status: http.StatusUnprocessableEntity, Title: "Give a reason",
			Hint: "Say in a few words why you are doing this. The client can read it."}
	}
	return reason, nil
}
