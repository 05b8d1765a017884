package database

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/body"
	"github.com/moat-db/moat/internal/sqltext"
	"github.com/moat-db/moat/policy"
)

// members finds settings that name someone who belongs to a tenant (a user's id),
// by the policies that look them up, and a value of each for A and for B: to be a
// tenant where membership decides is to be one of its members.
func (p *prover) members(ctx context.Context) {
	values := map[string]map[string]string{p.a: {}, p.b: {}}
	p.byCaller(ctx, values)
	for _, t := range p.targets {
		for i := range t.rel.Policies {
			for _, e := range t.rel.Policies[i].Exprs() {
				for _, c := range policy.Comparisons(e) {
					p.addMember(ctx, values, t, e.Text, c.Column, c.Setting)
				}
			}
		}
	}
	if len(values[p.a]) == 0 {
		return
	}
	for _, s := range []*session{p.operator, p.app} {
		s.bind.values = values
	}
	p.values = values
}

// byCaller finds who acts for A and for B in the table that the walls ask for the caller's
// membership: members of the one tenant who are not in the other, of few others.
func (p *prover) byCaller(ctx context.Context, values map[string]map[string]string) {
	c := p.model.Shapes.Caller
	setting, _ := p.view.Facts()
	if _, given := p.Settings[setting]; c == nil || given {
		return
	}
	people := map[string]person{}
	for tenant, other := range map[string]string{p.a: p.b, p.b: p.a} {
		link, subject, column := table(c.Table), sqltext.Ident(c.Subject), sqltext.Ident(c.Tenant)
		results, err := p.operator.guarded(ctx, fmt.Sprintf("SELECT x.%[2]s::text, %[6]s FROM %[1]s x WHERE x.%[3]s = %[4]s "+
			"AND x.%[2]s IS NOT NULL AND NOT EXISTS (SELECT 1 FROM %[1]s y WHERE y.%[2]s = x.%[2]s AND y.%[3]s = %[5]s) "+
			"ORDER BY (SELECT count(DISTINCT y.%[3]s) FROM %[1]s y WHERE y.%[2]s = x.%[2]s), 1 LIMIT 1", link, subject, column,
			lit(tenant), lit(other), issuerOf(c, "x.")))
		if err != nil || len(results[0].rows) == 0 {
			return
		}
		people[tenant] = person{results[0].rows[0][0], results[0].rows[0][1]}
	}
	p.people = people
	for tenant, who := range people {
		values[tenant][setting] = p.callerValue(tenant, who)
		if issuer := p.view.IssuerSetting(); c.Issuer != "" && issuer != setting {
			values[tenant][issuer] = who.issuer
		}
	}
	p.report.Context.Inferred = append(p.report.Context.Inferred,
		"setting "+setting+": a member of each tenant, by "+c.Table.String()+"."+c.Subject)
}

// issuerOf selects who vouches for a member: ” where memberships do not say.
func issuerOf(c *catalog.Caller, alias string) string {
	if c.Issuer == "" {
		return "''"
	}
	return "coalesce(" + alias + sqltext.Ident(c.Issuer) + "::text, '')"
}

// callerValue is a person as the setting holds them: with the tenant beside them where
// both are claims of one token.
func (p *prover) callerValue(tenant string, who person) string {
	shapes := &p.model.Shapes
	path := shapes.SubjectClaim
	if p.model.Person {
		path = p.model.Claim
	}
	if len(path) == 0 {
		return who.subject
	}
	both := map[string]any{}
	if who.issuer != "" {
		both["iss"] = who.issuer
	}
	if strings.EqualFold(p.model.Setting, shapes.Subject) && len(p.model.Claim) > 0 {
		setClaim(both, p.model.Claim, tenant)
	}
	setClaim(both, path, who.subject)
	return asJSON(both)
}

// isTenants says whether a setting holds the tenant itself, whatever column a policy
// compares it with: that of a party, or of the receiver of a share.
func (p *prover) isTenants(setting string) bool {
	return strings.EqualFold(setting, p.model.Setting) && len(p.model.Claim) == 0 && p.model.Membership == nil
}

// addMember looks a setting's values up in the table that ties it to tenants.
func (p *prover) addMember(
	ctx context.Context, values map[string]map[string]string, t *target, text, column, setting string,
) {
	if _, given := p.Settings[setting]; given || values[p.a][setting] != "" || p.isTenants(setting) {
		return
	}
	for _, m := range p.targets {
		if m.tenant == "" || column == m.tenant || m.column(column) == nil || m != t && !mentions(text, m.rel.Name) {
			continue
		}
		found := map[string]string{}
		for _, tenant := range []string{p.a, p.b} {
			c, name := sqltext.Ident(column), sqltext.Ident(m.tenant)
			sql := "SELECT x." + c + "::text FROM " + m.sql() + " x WHERE x." + name + " = " + lit(tenant) +
				" AND NOT EXISTS (SELECT 1 FROM " + m.sql() + " y WHERE y." + c + " = x." + c +
				" AND y." + name + " <> x." + name + ") LIMIT 1"
			if results, err := p.operator.guarded(ctx, sql); err == nil && len(results[0].rows) > 0 {
				found[tenant] = p.as(setting, results[0].rows[0][0])
			}
		}
		if len(found) == 2 {
			values[p.a][setting], values[p.b][setting] = found[p.a], found[p.b]
			p.report.Context.Inferred = append(p.report.Context.Inferred,
				"setting "+setting+": a member of each tenant, by "+m.name()+"."+column)
			return
		}
	}
}

// as is a value as a setting holds it: the tenant's own may be JSON.
func (p *prover) as(setting, value string) string {
	if !strings.EqualFold(setting, p.model.Setting) {
		return value
	}
	return claims(p.model.Claim, value)
}

// flagAttacks switch on whatever else the policies read: a setting that opens rows
// is open to everyone.
func (st *site) flagAttacks(p *prover) []attack {
	var out []attack
	where := st.foreign("x")
	if where == "" {
		return nil
	}
	tried := map[string]bool{}
	for i := range st.rel.Policies {
		for _, e := range st.rel.Policies[i].Exprs() {
			for _, setting := range body.Settings(e.Text) {
				if strings.EqualFold(setting, p.model.Setting) || tried[setting] || p.values[p.a][setting] != "" {
					continue
				}
				tried[setting] = true
				for _, v := range once(append([]string{"on", "true", "1", "admin"}, mined(e.Text)...)) {
					if v == "" || strings.Contains(v, ".") && strings.Contains(e.Text, "current_setting('"+v) {
						continue
					}
					out = append(out, attack{name: "flag", steps: append(st.s.bind.sets(setting, v),
						"SELECT 1 FROM "+st.sql()+" x WHERE "+where+" LIMIT 5"),
						judge: seen("the setting " + setting + " = " + v + " opened the table"), onError: failsClosed})
				}
			}
		}
	}
	return out
}

// failsClosed takes a value that the policy cannot read for a refusal.
func failsClosed(e *pgconn.PgError) finding {
	if e.Code == codeCast {
		return isolated("refused: %s", e.Message)
	}
	return unclear(e)
}

// shadowAttacks put a temporary table in the place of one that a policy's function
// looks up by its bare name, in which A belongs to B.
func (st *site) shadowAttacks(p *prover) []attack {
	var out []attack
	where := st.foreign("x")
	if where == "" {
		return nil
	}
	for f := range catalog.Each(p.view.Snapshot.Functions) {
		if f.System || f.BodyParsed || !st.calls(f.Name) || slices.ContainsFunc(f.Settings, func(s string) bool {
			return strings.HasPrefix(s, "search_path=") && strings.HasSuffix(strings.Trim(s, `"`), "pg_temp")
		}) {
			continue
		}
		for _, used := range body.Scan(f).Tables {
			for _, t := range p.targets {
				if used.Schema == "" && t.rel.Name == used.Name && t.tenant != "" {
					out = append(out, st.shadow(p, f, t, where))
				}
			}
		}
	}
	return out
}

// calls says whether a policy of the relation calls a function of the name.
func (t *target) calls(function string) bool {
	return slices.ContainsFunc(t.rel.Policies, func(pol catalog.Policy) bool {
		return slices.ContainsFunc(pol.Exprs(), func(e *catalog.Expr) bool { return mentions(e.Text, function) })
	})
}

func (st *site) shadow(p *prover, f *catalog.Function, t *target, where string) attack {
	member := ""
	for _, setting := range slices.Sorted(maps.Keys(p.values[p.a])) {
		member = p.values[p.a][setting]
	}
	m := newMaker(p.view.Snapshot)
	kinds := &sower{maker: m}
	var columns, values []string
	for c := range catalog.Each(t.rel.Columns) {
		columns = append(columns, sqltext.Ident(c.Name)+" "+base(m, c))
		v, ok := m.value(c, tagA, 0)
		switch {
		case c.Name == t.tenant:
			v = st.b
		case member != "" && (kinds.kind(c) == "number" || kinds.kind(c) == "text"),
			len(member) == 36 && c.TypeName.Name == "uuid":
			v = member
		case !ok:
			v = null
		}
		values = append(values, lit(v))
	}
	name := sqltext.Ident(t.rel.Name)
	return attack{name: "shadowed table", steps: []string{
		"CREATE TEMPORARY TABLE " + name + " (" + strings.Join(columns, ", ") + ") ON COMMIT DROP",
		"INSERT INTO pg_temp." + name + " VALUES (" + strings.Join(values, ", ") + ")",
		"GRANT SELECT ON pg_temp." + name + " TO PUBLIC",
		"SET LOCAL search_path = pg_temp, " + sqltext.Ident(t.rel.Schema) + ", public",
		"SELECT 1 FROM " + st.sql() + " x WHERE " + where + " LIMIT 5"},
		judge: seen("a temporary table " + t.rel.Name + " took the place of the real one in " + f.Schema + "." + f.Name)}
}
