package client

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/mail"
	"net/url"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/portal/internal/frame"
	"github.com/moat-db/moat/portal/internal/people"
	"github.com/moat-db/moat/portal/internal/schema"
)

// maxMembers is how many members a page lists.
const maxMembers = 500

// member is somebody who belongs to the tenant, with what who looks may do.
type member struct {
	people.Member
	You    bool
	Change bool
	Roles  []choice
}

type peoplePage struct {
	Members     []member
	More        bool
	Manage      bool // who looks is an admin
	Roles       []choice
	Invitations []people.Invitation
	Link        string // of the invitation that was just made
	Address     string
	Problem     string
	Said        string
}

// peoplePage serves the members of the tenant.
func (p *Pages) peoplePage(w http.ResponseWriter, r *http.Request, v *Visit) error {
	return p.showPeople(w, r, v, http.StatusOK, &peoplePage{Said: map[string]string{"role": "The role was changed.",
		"removed": "The member was removed.", "withdrawn": "The invitation was withdrawn."}[r.URL.Query().Get("done")]})
}

func (p *Pages) showPeople(w http.ResponseWriter, r *http.Request, v *Visit, status int, page *peoplePage) error {
	l, err := people.Find(v.Schema.View)
	if err != nil {
		return err
	}
	var list []people.Member
	err = p.read(v, func(tx pgx.Tx) (err error) {
		list, page.More, err = members(v, tx, v.Schema, l, v.Tenant)
		return err
	})
	if err != nil {
		return err
	}
	for _, m := range list {
		page.Members = append(page.Members, member{Member: m})
	}
	page.allow(v, l, p.People.Admins)
	if page.Manage {
		if page.Invitations, err = p.People.Open(v, v.Scope.Tenant, p.Now()); err != nil {
			return err
		}
	}
	out := p.Page(r, v, "People", "people")
	out.Data = page
	return p.Render(w, status, "people", out)
}

// members reads the members of a tenant as that tenant: what it may not see of them is left out.
func members(ctx context.Context, tx pgx.Tx, sc *schema.Schema, l *people.Link, tenant string) (
	list []people.Member, more bool, err error) {
	t := sc.Shown(l.People)
	list, more, err = l.Members(ctx, tx, tenant, func(column string) bool { return t != nil && t.Column(column) != nil },
		maxMembers)
	for i := range list {
		list[i].Name, list[i].Email = schema.Veiled(list[i].Name), schema.Veiled(list[i].Email)
	}
	return list, more, err
}

// Members are those of a tenant for the console, which sees as much of them as the tenant
// itself: none where nothing says who they are, or the application role may not read it.
func (p *Pages) Members(ctx context.Context, sc *schema.Schema, tenant string) (list []people.Member, more bool,
	err error) {
	l, err := people.Find(sc.View)
	if err != nil {
		return nil, false, nil
	}
	by := &frame.ViewAs{Tenant: moat.Tenant(tenant)}
	list, more, err = p.membersBy(ctx, sc, l, by)
	if err == nil && len(list) > 0 && sc.Check.AsksMember() { // who they are, only a member is shown
		by.Subject, by.Issuer = list[0].Subject, list[0].Issuer
		list, more, err = p.membersBy(ctx, sc, l, by)
	}
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok && pg.Code == "42501" {
		return nil, false, nil
	}
	return list, more, err
}

func (p *Pages) membersBy(ctx context.Context, sc *schema.Schema, l *people.Link, by *frame.ViewAs) (
	list []people.Member, more bool, err error) {
	ctx = moat.WithScope(ctx, viewed(by, ""))
	err = p.read(ctx, func(tx pgx.Tx) (err error) {
		list, more, err = members(ctx, tx, sc, l, string(by.Tenant))
		return err
	})
	return list, more, err
}

// allow says what the page offers: the database decides again, by its own look.
func (g *peoplePage) allow(v *Visit, l *people.Link, admins []string) {
	rank := func(role string) int {
		if i := slices.Index(admins, role); i >= 0 {
			return i
		}
		return len(admins)
	}
	me, mine := v.person(), len(admins)
	for i := range g.Members {
		m := &g.Members[i]
		m.You = m.Subject == me.Subject && me.Subject != "" && (l.Issuer == "" || m.Issuer == me.Issuer)
		if m.You && !m.Waits {
			mine = rank(m.Role)
		}
	}
	g.Manage = mine < len(admins) && v.Session.ViewAs == nil
	roles := v.roles(l, admins)
	may := slices.DeleteFunc(slices.Clone(roles), func(role string) bool { return rank(role) < mine })
	g.Roles = pick(options(may), may[len(may)-1])
	for i := range g.Members {
		m := &g.Members[i]
		if m.Change = g.Manage && rank(m.Role) >= mine; m.Change {
			m.Roles = pick(options(may), m.Role)
		}
	}
}

// roles are those that a member can have: what the column takes, or the admins'.
func (v *Visit) roles(l *people.Link, admins []string) []string {
	if t := v.Schema.Shown(l.Table); t != nil {
		if c := t.Column(l.Role); c != nil && len(c.Options) > 0 {
			return c.Options
		}
	}
	return append(slices.Clone(admins), "member")
}

// onPeople says whether what a table holds is on the page of people.
func (p *Pages) onPeople(v *Visit, t *schema.Table) bool {
	if p.People == nil {
		return false
	}
	l, err := people.Find(v.Schema.View)
	return err == nil && (t.Name == l.Table || t.Name == l.People)
}

// knownRole says whether a member can have a role, as far as the schema tells.
func (p *Pages) knownRole(v *Visit, role string) bool {
	l, err := people.Find(v.Schema.View)
	return err == nil && slices.Contains(v.roles(l, p.People.Admins), role)
}

// person is who is signed in, as the database knows people.
func (v *Visit) person() people.Person {
	return people.Person{Issuer: v.Session.Identity.Issuer, Subject: v.Session.Identity.Subject}
}

// invite makes an invitation, and shows its link, once.
func (p *Pages) invite(w http.ResponseWriter, r *http.Request, v *Visit) error {
	at, err := mail.ParseAddress(r.PostFormValue("email"))
	if err != nil || at.Name != "" || len(at.Address) > 320 {
		return p.showPeople(w, r, v, http.StatusUnprocessableEntity, &peoplePage{Address: r.PostFormValue("email"),
			Problem: "Enter one e-mail address."})
	}
	if !p.knownRole(v, r.PostFormValue("role")) {
		return p.showPeople(w, r, v, http.StatusUnprocessableEntity, &peoplePage{Address: at.Address,
			Problem: "This role is not known."})
	}
	code, err := p.People.Invite(v, v.Scope.Tenant, v.person(), at.Address, r.PostFormValue("role"), p.Now())
	if err != nil {
		return p.peopleRefused(w, r, v, err)
	}
	return p.showPeople(w, r, v, http.StatusOK, &peoplePage{Address: people.Address(at.Address),
		Link: p.door.Here(r, "/invitation/"+code)})
}

func (p *Pages) changeRole(w http.ResponseWriter, r *http.Request, v *Visit) error {
	role := r.PostFormValue("role")
	if !p.knownRole(v, role) {
		return frame.ErrNotFound
	}
	return p.changeMember(w, r, v, role, "role")
}

func (p *Pages) removeMember(w http.ResponseWriter, r *http.Request, v *Visit) error {
	return p.changeMember(w, r, v, "", "removed")
}

func (p *Pages) changeMember(w http.ResponseWriter, r *http.Request, v *Visit, role, done string) error {
	whom := people.Person{Issuer: r.PostFormValue("issuer"), Subject: r.PostFormValue("person")}
	if err := p.People.Change(v, v.Scope.Tenant, v.person(), whom, role); err != nil {
		return p.peopleRefused(w, r, v, err)
	}
	p.Source.Door.Flush() // here at once, and on other servers with their next look
	return frame.Elsewhere(frame.Base + "/people?done=" + url.QueryEscape(done))
}

func (p *Pages) withdraw(w http.ResponseWriter, r *http.Request, v *Visit) error {
	if err := p.People.Withdraw(v, v.Scope.Tenant, v.person(), r.PostFormValue("id")); err != nil {
		return p.peopleRefused(w, r, v, err)
	}
	return frame.Elsewhere(frame.Base + "/people?done=withdrawn")
}

// peopleRefused says why something was not done.
func (p *Pages) peopleRefused(w http.ResponseWriter, r *http.Request, v *Visit, err error) error {
	switch {
	case errors.Is(err, people.ErrNotAdmin):
		return &frame.Refusal{Status: http.StatusForbidden, Title: "You cannot do this",
			Hint: "Only those who manage this account can change who belongs to it."}
	case errors.Is(err, people.ErrGone):
		return frame.ErrNotFound
	}
	problem := map[error]string{people.ErrAbove: "This role is above your own.",
		people.ErrLast: "Somebody must be left who manages this account: give the role to another member first.",
		people.ErrMany: "There are too many open invitations. Withdraw some first."}[cmp.Or(errors.Unwrap(err), err)]
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok && refusedValue(pg.Code, "member") != "" {
		problem = "This role is not known."
	}
	if problem == "" {
		return err
	}
	return p.showPeople(w, r, v, http.StatusUnprocessableEntity, &peoplePage{Problem: problem})
}

// Until is when an invitation ends, for people.
func (g *peoplePage) Until(i people.Invitation, zone *time.Location) string {
	return i.Expires.In(zone).Format("2 Jan 2006")
}
