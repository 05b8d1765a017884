package database

import (
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/sqltext"
)

// sequential keeps the planner from finding only A's rows by an index before any
// condition is evaluated, as an attacker would.
var sequential = []string{"SET LOCAL enable_indexscan = off", "SET LOCAL enable_indexonlyscan = off",
	"SET LOCAL enable_bitmapscan = off"}

// leakyAttacks put conditions beside the policy that tell what they saw, by an
// error or a notice. They run as a tenant without a row: whatever they saw is
// another tenant's.
func (st *site) leakyAttacks() []attack {
	if st.mute || st.prover.model.Shapes.SharedRowsOf(st.rel.QName()) != nil {
		return nil // errors about shared rows show what may be seen
	}
	var out []attack
	where := "SELECT count(*) FROM " + st.sql() + " x WHERE "
	judge := func(o outcome) finding {
		if len(o.notices) > 0 {
			return leak("a function saw rows before the policy did: %s", o.notices[0])
		}
		return isolated("no condition was evaluated on another tenant's row")
	}
	add := func(name, condition string) {
		out = append(out, attack{name: name, as: st.asNobody, steps: append(slices.Clone(sequential), where+condition),
			judge: judge, onError: toldByError})
	}
	texts := 0
	for _, name := range st.reach.selects {
		c := st.column(name)
		if c == nil || c.Generated == "virtual" {
			continue
		}
		switch c.TypeName.Name {
		case "text", "varchar", "citext", "bpchar":
			if texts++; texts <= 2 {
				add("leaky operator", "x."+sqltext.Ident(name)+"::boolean")
				add("leaky operator", "x."+sqltext.Ident(name)+` ILIKE '%\'`)
				add("leaky operator", "x."+sqltext.Ident(name)+` LIKE '%\'`)
			}
		case "uuid":
			if name == st.tenant || len(st.reach.selects) == 1 {
				add("leaky operator", "x."+sqltext.Ident(name)+"::text::boolean")
			}
		}
		for _, f := range st.leaky {
			if takes(f, c.Type) {
				call := sqltext.Ident(f.Schema) + "." + sqltext.Ident(f.Name) + "(x." + sqltext.Ident(name) + ")"
				add("leakproof function", call+" IS NOT NULL")
				if f.Result == "boolean" {
					add("leakproof function", call)
				}
			}
		}
	}
	return out
}

// takes says whether a function of one argument takes the type.
func takes(f *catalog.Function, typ string) bool {
	return len(f.Params) == 1 && f.Params[0].Mode == "in" && (f.Params[0].Type == typ ||
		f.Params[0].Type == "text" && strings.HasPrefix(typ, "character varying"))
}

// leakproof lists the functions that claim to leak nothing and are not the system's own.
func (p *prover) leakproof() []*catalog.Function {
	var out []*catalog.Function
	for i := range p.view.Snapshot.Functions {
		if f := &p.view.Snapshot.Functions[i]; f.Leakproof && !f.System && p.callable(f) {
			out = append(out, f)
		}
	}
	return out
}

// toldByError reads an error that only a row could have raised.
func toldByError(err *pgconn.PgError) finding {
	switch {
	case strings.Contains(err.Message, "-000000009999"), strings.Contains(err.Message, `"moat-tenant-9999"`):
		return unclear(err) // the policy could not read the tenant that was bound
	case strings.HasPrefix(err.Code, "22"), strings.HasPrefix(err.Code, "P0"):
		return leak("a condition saw another tenant's row before the policy did, and its error says so: %s", err.Message)
	}
	return unclear(err)
}
