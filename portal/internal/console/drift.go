package console

import (
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/portal/internal/frame"
	"github.com/moat-db/moat/portal/internal/ledger"
)

// goodState is the schema as it was when it was found to be right.
type goodState struct {
	Fingerprint string            `json:"fingerprint"`
	By          string            `json:"by"`
	Parts       map[string]string `json:"parts"`
}

// driftView is what has changed since the last good state.
type driftView struct {
	Good    bool // there is one
	By      string
	At      time.Time
	Same    bool
	Changes []change
	More    int
}

// maxChanges is how many changes a page lists.
const maxChanges = 60

// drift compares with the last good state.
func drift(ctx context.Context, tx pgx.Tx, l *look) (*driftView, error) {
	var good goodState
	at, err := ledger.State(ctx, tx, "good", &good)
	if err != nil || at.IsZero() {
		return &driftView{}, err
	}
	d := &driftView{Good: true, By: good.By, At: at, Same: good.Fingerprint == l.fingerprint}
	d.Changes = compare(good.Parts, flatten(l.view.Snapshot))
	d.More = max(0, len(d.Changes)-maxChanges)
	d.Changes = d.Changes[:len(d.Changes)-d.More]
	return d, nil
}

// keepGood keeps the present state as the one that later ones are compared with.
func (p *Pages) keepGood(_ http.ResponseWriter, r *http.Request, s *frame.Session) error {
	ctx := r.Context()
	reason, err := reasonOf(r)
	if err != nil {
		return err
	}
	l, err := p.look(ctx, true)
	if err != nil {
		return err
	}
	act := ledger.Entry{By: s, Action: "saved the schema as good", Reason: reason, Details: l.fingerprint}
	err = p.Ledger.Use(ctx, act, func(tx pgx.Tx) error {
		return ledger.Keep(ctx, tx, "good", goodState{l.fingerprint, s.Subject, flatten(l.view.Snapshot)})
	})
	if err != nil {
		return err
	}
	return frame.Elsewhere(base + "/isolation#drift")
}

// change is one difference between two states of a schema.
type change struct {
	What   string // added, removed, changed
	Object string
	Before string
	After  string
}

// flatten takes a snapshot apart into named parts, each as JSON: a table's policies,
// columns, keys and grants one by one, so that a difference names what differs.
func flatten(s *catalog.Snapshot) map[string]string {
	p := parts{}
	for _, r := range s.Relations {
		p.relation(r)
	}
	for _, f := range s.Functions {
		if !f.System {
			p.put("function "+f.Schema+"."+f.Name+"("+f.Arguments+")", f)
		}
	}
	for _, r := range s.Roles {
		if !strings.HasPrefix(r.Name, "pg_") {
			p.put("role "+r.Name, r)
		}
	}
	for _, m := range s.Memberships {
		p.put("membership of "+m.Member+" in "+m.Role+" by "+m.Grantor, m)
	}
	for _, n := range s.Schemas {
		p.put("schema "+n.Name, n)
	}
	for _, t := range s.Types {
		p.put("type "+t.Schema+"."+t.Name, t)
	}
	for _, e := range s.Events {
		p.put("event trigger "+e.Name, e)
	}
	for _, x := range s.Extensions {
		p.put("extension "+x.Name, x)
	}
	for _, x := range s.Publications {
		p.put("publication "+x.Name, x)
	}
	for _, x := range s.Stored {
		p.put("setting "+x.Name+" of role "+cmp.Or(x.Role, "(every)"), x)
	}
	for _, x := range s.Parameters {
		p.put("right to set "+x.Name+" of "+x.Privilege.Grantee, x)
	}
	for _, x := range s.Servers {
		p.put("foreign server "+x.Name, x)
	}
	for _, x := range s.Defaults {
		grantee := cmp.Or(x.Privilege.Grantee, "PUBLIC")
		p.put("default privilege "+x.Privilege.Name+" on "+x.Object+" of "+x.Role+" for "+grantee, x)
	}
	p.put("database", s.Database)
	return p
}

type parts map[string]string

func (p parts) put(name string, value any) {
	text, err := json.Marshal(value)
	if err != nil {
		text = []byte(err.Error()) // plain values: it cannot happen, and if it did it is a difference
	}
	p[name] = string(text)
}

// relation puts what hangs on a relation under names of its own, and the rest as one.
func (p parts) relation(r catalog.Relation) {
	name := string(r.Kind) + " " + r.Schema + "." + r.Name
	for _, x := range r.Policies {
		if x.Using != nil {
			x.Using = &catalog.Expr{Text: x.Using.Text}
		}
		if x.Check != nil {
			x.Check = &catalog.Expr{Text: x.Check.Text}
		}
		p.put(name+" › policy "+x.Name, x)
	}
	for _, x := range r.Columns {
		p.put(name+" › column "+x.Name, x)
	}
	for _, x := range r.Constraints {
		p.put(name+" › constraint "+x.Name, x)
	}
	for _, x := range r.Indexes {
		p.put(name+" › index "+x.Name, x)
	}
	for _, x := range r.Triggers {
		p.put(name+" › trigger "+x.Name, x)
	}
	for _, x := range r.Rules {
		p.put(name+" › rule "+x.Name, x)
	}
	for _, x := range r.Privileges {
		p.put(name+" › "+x.Name+" for "+cmp.Or(x.Grantee, "PUBLIC"), x)
	}
	p.put(name+" › row-level security", map[string]bool{"enabled": r.RLS, "forced": r.ForceRLS})
	p.put(name+" › owner", r.Owner)
	r.Policies, r.Columns, r.Constraints, r.Indexes = nil, nil, nil, nil
	r.Triggers, r.Rules, r.Privileges = nil, nil, nil
	r.RLS, r.ForceRLS, r.Owner = false, false, ""
	p.put(name, r)
}

// compare says what differs between two states, in the order of the names.
func compare(before, after map[string]string) []change {
	all := maps.Clone(after)
	maps.Copy(all, before)
	var out []change
	for _, name := range slices.Sorted(maps.Keys(all)) {
		c := change{What: "changed", Object: name, Before: before[name], After: after[name]}
		if c.Before == c.After {
			continue
		}
		if _, had := before[name]; !had {
			c.What = "added"
		}
		if _, has := after[name]; !has {
			c.What = "removed"
		}
		out = append(out, c)
	}
	return out
}
