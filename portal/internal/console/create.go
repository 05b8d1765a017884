package console

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/moat-db/moat/lifecycle"
	"github.com/moat-db/moat/portal/internal/frame"
	"github.com/moat-db/moat/portal/internal/schema"
	"github.com/moat-db/moat/portal/internal/text"
)

// field is a column of the tenants table that a new client may be given.
type field struct {
	Name, Title, Hint string
	Required, First   bool
	More              bool     // seldom given
	Parents           []parent // to choose from, by name
}

type createPage struct {
	Fields  []field
	Problem string
	Values  url.Values
}

// fields are the columns that can be given, those that a person has to think of first:
// what the client is called, what has no default, and what it stands below.
func fields(sc *schema.Schema) (all []field) {
	r := sc.Relation(sc.Tenants.QName())
	for i := range r.Columns {
		c := &r.Columns[i]
		if c.Generated != "" || c.Identity != "" || c.Name == sc.Tenants.Suspension.Column {
			continue
		}
		f := field{Name: c.Name, Title: text.Column(c.Name), Hint: c.Type, Required: c.NotNull && c.Default == "",
			First: c.Name == sc.Tenants.Label}
		if c.Type == "text" {
			f.Hint = "" // it says nothing
		}
		if c.Name == sc.Tenants.Key && lifecycle.Makes(c) {
			f.Required, f.Hint = false, "made, when this is empty"
		}
		tree := sc.Model.Shapes.Tree
		f.More = !f.First && !f.Required && (tree == nil || tree.Parent != c.Name)
		all = append(all, f)
	}
	rank := func(f field) int {
		switch {
		case f.First:
			return 0
		case f.More:
			return 2
		}
		return 1
	}
	slices.SortStableFunc(all, func(a, b field) int { return rank(a) - rank(b) })
	return all
}

func (p *Pages) createPage(w http.ResponseWriter, r *http.Request, s *frame.Session) error {
	return p.showCreate(w, r, s, "")
}

func (p *Pages) showCreate(w http.ResponseWriter, r *http.Request, s *frame.Session, problem string) error {
	sc, err := p.Source.Schema(r.Context())
	if err != nil {
		return err
	}
	if sc.Tenants == nil {
		return &frame.Refusal{Status: http.StatusConflict, Title: "The console cannot add clients here",
			Hint: "No table lists the clients: one exists when it has rows."}
	}
	page := &createPage{fields(sc), problem, r.PostForm}
	if err := p.offerParents(r, s, sc, page); err != nil {
		return err
	}
	return p.show(w, r, s, "create", "New client", "Clients", page)
}

// create adds a client, and says in the form what the database would not take.
func (p *Pages) create(w http.ResponseWriter, r *http.Request, s *frame.Session) error {
	reason, err := reasonOf(r)
	if err != nil {
		return err
	}
	sc, err := p.Source.Schema(r.Context())
	if err != nil || sc.Tenants == nil {
		return p.showCreate(w, r, s, "")
	}
	values := map[string]string{}
	for _, f := range fields(sc) {
		if v := r.PostFormValue("set." + f.Name); v != "" {
			values[f.Name] = v
		}
	}
	id := ""
	err = p.operate(r, s, reason, func(ctx context.Context, o *lifecycle.Operator) (err error) {
		id, err = o.Create(ctx, values)
		return err
	})
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok && pg.Code < "24" { // classes 22 and 23: the values
		return p.showCreate(w, r, s, pg.Message)
	}
	if err != nil {
		return err
	}
	p.Source.Door.Flush()
	return frame.Elsewhere(tenant{ID: id}.Path() + "?done=created")
}
