package database

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/english"
	"github.com/moat-db/moat/internal/list"
	"github.com/moat-db/moat/internal/sqltext"
	"github.com/moat-db/moat/policy"
	"github.com/moat-db/moat/prove"
)

// The visible and the writable sets are computed from the model, by the operator, for
// tenants in every relation to each other, and compared both ways with what the
// application role gets: a row too many is a leak, a row too few is broken.

// manyTenants is how many tenants are tried at most, and manyRows up to how many rows of one
// caller's are written, to be taken back.
const (
	manyTenants = 12
	manyRows    = 5_000
)

// attackExpected compares the sets of every table of a database with shapes.
func (p *prover) attackExpected(ctx context.Context) error {
	if !p.model.Shapes.Any() {
		return nil
	}
	tenants, err := p.relatives(ctx)
	if err != nil {
		return fmt.Errorf("choose tenants to compare: %w", err)
	}
	for _, t := range p.targets {
		if !t.isTable() || t.rel.Partition || !t.readable() || !p.shapedTable(t) {
			continue
		}
		if err := p.compareSets(ctx, t, tenants); err != nil {
			return err
		}
	}
	return p.attackClosure(ctx, tenants)
}

// shapedTable says whether the model gives the table's rows to tenants.
func (p *prover) shapedTable(t *target) bool {
	return t.tenant != "" || p.model.Shapes.MembersOf(t.rel.QName()) != nil
}

// relatives are A and B, and others that stand in some relation to them: all tenants where
// they are few, else those above, below and beside them, and some that have nothing to do
// with them.
func (p *prover) relatives(ctx context.Context) ([]string, error) {
	key, q := sqltext.Ident(p.model.Key), table(p.model.Tenants)
	if p.model.Key == "" {
		return []string{p.a, p.b}, nil
	}
	near := "t." + key + " IS NULL" // nobody is; a bare false is no expression to order by
	if tree := p.model.Shapes.Tree; tree != nil {
		parent := sqltext.Ident(tree.Parent)
		of := fmt.Sprintf("(SELECT r.%[1]s FROM %[2]s r WHERE r.%[3]s IN (%[4]s, %[5]s))", parent, q, key, lit(p.a), lit(p.b))
		near = fmt.Sprintf("t.%[1]s IN (%[3]s, %[4]s) OR t.%[2]s IN %[5]s OR t.%[1]s IN %[5]s", parent, key, lit(p.a),
			lit(p.b), of)
	}
	sql := fmt.Sprintf("SELECT t.%[1]s::text FROM %[2]s t ORDER BY t.%[1]s IN (%[3]s, %[4]s) DESC, (%[5]s) DESC NULLS "+
		"LAST, t.%[1]s LIMIT %[6]d", key, q, lit(p.a), lit(p.b), near, manyTenants)
	results, err := p.operator.guarded(ctx, sql)
	if err != nil {
		return nil, err
	}
	all := list.Map(results[0].rows, func(row []string) string { return row[0] })
	return all, nil
}

// callers are those whose sets of a table are compared: each tenant, and none; under the
// tree's role too; and where roles within the tenant count, each of them as two people.
func (p *prover) callers(ctx context.Context, t *target, tenants []string) ([]policy.Caller, error) {
	people, err := p.subjects(ctx, t)
	if err != nil {
		return nil, err
	}
	roles := []string{""}
	if x := p.model.Shapes.InsideOf(t.rel.QName()); x != nil {
		roles = append(roles, slices.Concat(x.All, x.Own, x.ReadOwn)...)
	}
	var all []policy.Caller
	unknown := madeTenant(p.model.Type, 999)
	for _, tenant := range append(slices.Clone(tenants), "", unknown) {
		for _, person := range people {
			for _, role := range roles {
				c := policy.Caller{Tenant: tenant, Subject: person.subject, Issuer: person.issuer, Role: role}
				all = append(all, c)
				if tree := p.model.Shapes.Tree; tree != nil && p.member(tree.Role) {
					c.Wide = true
					all = append(all, c)
				}
			}
		}
	}
	return all, nil
}

// person is a caller, by who vouches for them where memberships say that too.
type person struct{ subject, issuer string }

// subjects are people whose rows of a table differ, and nobody.
func (p *prover) subjects(ctx context.Context, t *target) ([]person, error) {
	q, s := t.rel.QName(), &p.model.Shapes
	column, from := "", q
	switch {
	case s.InsideOf(q) != nil && s.InsideOf(q).Owner != "":
		column = s.InsideOf(q).Owner
	case s.MembersOf(q) != nil:
		column = s.MembersOf(q).Key
	case s.Caller != nil:
		column, from = s.Caller.Subject, s.Caller.Table
	default:
		return []person{{}}, nil
	}
	results, err := p.operator.guarded(ctx, fmt.Sprintf("SELECT DISTINCT %[1]s::text FROM %[2]s WHERE %[1]s IS NOT NULL "+
		"ORDER BY 1 LIMIT 3", sqltext.Ident(column), table(from)))
	if err != nil {
		return nil, err
	}
	all := []person{{}}
	for _, row := range results[0].rows {
		people, err := p.vouched(ctx, row[0])
		if err != nil {
			return nil, err
		}
		all = append(all, people...)
	}
	return all, nil
}

// vouched are the people who have a subject: one where memberships name no issuers, else
// that of each issuer, and that of an issuer who is nobody's.
func (p *prover) vouched(ctx context.Context, subject string) ([]person, error) {
	c := p.model.Shapes.Caller
	if c == nil || c.Issuer == "" {
		return []person{{subject: subject}}, nil
	}
	issuer := sqltext.Ident(c.Issuer)
	results, err := p.operator.guarded(ctx, fmt.Sprintf("SELECT DISTINCT %[1]s::text FROM %[2]s WHERE "+
		"%[3]s::text = %[4]s AND %[1]s IS NOT NULL ORDER BY 1 LIMIT 2", issuer, table(c.Table), sqltext.Ident(c.Subject),
		lit(subject)))
	if err != nil {
		return nil, err
	}
	all := []person{{subject, strangeIssuer}}
	all = append(all, list.Map(results[0].rows, func(row []string) person { return person{subject, row[0]} })...)
	return all, nil
}

// strangeIssuer vouches for nobody.
const strangeIssuer = "https://stranger.invalid"

// compareSets compares the sets of one table for all callers and reports one probe for
// reading and one for each command that writes.
func (p *prover) compareSets(ctx context.Context, t *target, tenants []string) error {
	callers, err := p.callers(ctx, t, tenants)
	if err != nil {
		return fmt.Errorf("compare the rows of %s: %w", t.name(), err)
	}
	for _, c := range []comparison{{"visible set", "SELECT", t.digest()}, {"update set", "UPDATE", p.updates(t)},
		{"delete set", "DELETE", p.deletes(t)}} {
		if c.statement == "" {
			continue
		}
		var f finding
		var worst []string
		compared := 0
		for _, caller := range callers {
			got, script, err := p.compareOne(ctx, t, c, caller)
			if err != nil {
				return err
			}
			if got.verdict != "" {
				compared++
			}
			if prove.Worst(f.verdict, got.verdict) != f.verdict {
				f, worst = got, script
			}
		}
		switch {
		case compared == 0:
			f = undecided("every tenant has more than %d rows: too many to write and take back", manyRows)
		case worst == nil: // nobody got anything worse
			f = isolated("%s in every relation: each gets the rows that the model gives, and no others",
				english.Count(int64(compared), "caller"))
		}
		p.report.Add(prove.Probe{Attack: c.name, Object: t.name(), Verdict: f.verdict, Reason: f.reason,
			Script: strings.Join(worst, ";\n")})
	}
	return p.attackHandOver(ctx, t, callers)
}

// comparison is one command, and the statement that touches all rows it may.
type comparison struct{ name, command, statement string }

// identity is a text that tells the rows of a table apart, of columns that may be read.
func (t *target) identity() string {
	columns := t.key
	if len(columns) == 0 || !subset(columns, t.reach.selects) {
		columns = t.reach.selects
	}
	return "md5(ROW(" + qualified("x", columns) + ")::text)"
}

// digest counts rows and adds up what tells them apart: two sets are the same when both are.
func (t *target) digest() string {
	return "SELECT count(*), coalesce(sum(pg_catalog.hashtextextended(" + t.identity() + ", 0)), 0) FROM " + t.sql() + " x"
}

// updates is an UPDATE without WHERE that reads no column, so that only the policies of
// UPDATE stand in its way; "" where no column can be set to NULL, or a trigger runs.
func (p *prover) updates(t *target) string {
	if t.risky && !p.Disposable || !t.reach.usage {
		return ""
	}
	for _, name := range t.reach.updates {
		c := t.column(name)
		keyed := slices.ContainsFunc(t.rel.Constraints, func(k catalog.Constraint) bool {
			return slices.Contains(k.Columns, name)
		})
		if c != nil && !c.NotNull && !keyed && name != t.tenant && c.Generated == "" {
			return "UPDATE " + t.sql() + " SET " + sqltext.Ident(name) + " = NULL"
		}
	}
	return ""
}

// deletes is a DELETE without WHERE.
func (p *prover) deletes(t *target) string {
	if t.risky && !p.Disposable || !t.reach.delete {
		return ""
	}
	return "DELETE FROM " + t.sql()
}

// compareOne runs the statement as one caller. The finding has no verdict where the caller
// has too many rows for it. A difference counts where the model gives the same rows after the
// statement as before: else others wrote meanwhile, and it is asked again.
func (p *prover) compareOne(ctx context.Context, t *target, c comparison, caller policy.Caller) (
	finding, []string, error,
) {
	expected, exact := p.view.Expected(t.rel, caller, c.command, p.role)
	as, err := p.asCaller(ctx, caller)
	if err != nil {
		return finding{}, nil, err
	}
	script := append(slices.Clone(as), c.statement)
	want, f, err := p.given(ctx, t, expected)
	for range mostTries {
		if err != nil || f.verdict != "" || c.command != "SELECT" && want.number() > manyRows {
			return f, nil, err
		}
		o := p.app.try(ctx, attempt{as: as, steps: []string{c.statement}})
		if o.broken != nil {
			return finding{}, nil, o.broken
		}
		got, err := p.difference(ctx, t, answer{c, caller, as, expected, exact, want, o})
		if err != nil || got.verdict == prove.VerdictIsolated {
			return got, script, err
		}
		var now result
		if now, f, err = p.given(ctx, t, expected); now.text() == want.text() {
			return got, script, err
		}
		want = now
	}
	return undecided("others write here all the time, so its rows cannot be compared: run again when they do not"), script,
		nil
}

// given digests the rows that the model gives; the finding says why that cannot be.
func (p *prover) given(ctx context.Context, t *target, expected string) (result, finding, error) {
	results, err := p.operator.guarded(ctx, t.digest()+" WHERE "+expected)
	if refusal, ok := errors.AsType[*pgconn.PgError](err); ok {
		return result{}, unclear(refusal), nil
	}
	if err != nil {
		return result{}, finding{}, fmt.Errorf("compute the rows of %s: %w", t.name(), err)
	}
	return results[0], finding{}, nil
}

// answer is what one caller got, and should have got.
type answer struct {
	comparison
	caller   policy.Caller
	as       []string
	expected string
	exact    bool // too few rows are broken
	want     result
	o        outcome
}

// asCaller binds a caller.
func (p *prover) asCaller(ctx context.Context, c policy.Caller) ([]string, error) {
	as := p.app.bind.sets(p.model.Setting, "")
	if c.Tenant != "" {
		var err error
		as, err = p.app.bind.scope(ctx, moat.Scope{Tenant: moat.Tenant(c.Tenant), Subject: c.Subject, Issuer: c.Issuer,
			Role: c.Role})
		if err != nil {
			return nil, err
		}
	}
	_, role := p.view.Facts()
	as = append(as, fmt.Sprintf("SELECT %s, set_config(%s, %s, true)", p.view.BindSubject(lit(c.Subject)+"::text"),
		lit(role), lit(c.Role)))
	if caller := p.model.Shapes.Caller; caller != nil && caller.Issuer != "" {
		as = append(as, "SELECT "+p.view.BindIssuer(lit(c.Issuer)+"::text"))
	}
	if c.Wide {
		as = append(as, "SET LOCAL ROLE "+sqltext.Ident(p.model.Shapes.Tree.Role))
	}
	return as, nil
}

// difference compares both ways.
func (p *prover) difference(ctx context.Context, t *target, c answer) (finding, error) {
	who, want := describeCaller(c.caller), c.want.number()
	if c.o.err != nil {
		return p.refusedSet(c.comparison, who, int(want), c.o, c.exact && !c.caller.Wide), nil
	}
	if c.command != "SELECT" {
		switch n := c.o.last().n; {
		case n > want:
			return leak("%s %ss %s, and the model gives %d", who, strings.ToLower(c.command), english.Count(n, "row"), want), nil
		case n < want && c.exact && !c.caller.Wide:
			return undecided("broken: %s %ss %s, and the model gives %d", who, strings.ToLower(c.command),
				english.Count(n, "row"), want), nil
		}
		return isolated("as the model says"), nil
	}
	if c.o.last().text() == c.want.text() {
		return isolated("as the model says"), nil
	}
	extra, err := p.extra(ctx, t, c)
	if err != nil {
		return finding{}, err
	}
	got := c.o.last().number()
	if extra = max(extra, got-want); extra > 0 {
		return leak("%s sees %s more than the model gives", who, english.Count(extra, "row")), nil
	}
	if c.exact {
		return undecided("broken: %s does not see %s that the model gives", who, english.Count(want-got, "row")), nil
	}
	return isolated("as the model says"), nil
}

// extra counts, of the first rows that a caller sees, those that the model does not give.
func (p *prover) extra(ctx context.Context, t *target, c answer) (int64, error) {
	seen := p.app.try(ctx, attempt{as: c.as, steps: []string{"SELECT " + t.identity() + " FROM " + t.sql() + " x LIMIT " +
		strconv.Itoa(maxRows)}})
	if seen.err != nil || seen.broken != nil {
		return 0, seen.broken
	}
	ids := make([]string, 0, maxRows)
	ids = append(ids, list.Map(seen.last().rows, func(row []string) string { return lit(row[0]) })...)
	results, err := p.operator.guarded(ctx, "SELECT count(*) FROM unnest(ARRAY["+strings.Join(ids, ", ")+
		"]::text[]) AS seen(id) WHERE id NOT IN (SELECT "+t.identity()+" FROM "+t.sql()+" x WHERE "+c.expected+")")
	if err != nil {
		return 0, fmt.Errorf("compare the rows of %s: %w", t.name(), err)
	}
	return results[0].number(), nil
}

// refusedSet judges an error: rights that the model does not give either are no fault, and
// keys may keep rows from being deleted.
func (p *prover) refusedSet(c comparison, who string, want int, o outcome, exact bool) finding {
	switch {
	case o.err.Code == codeTimeout, o.err.Code == codeLock:
		return unclear(o.err)
	case constraint(o.err):
		return isolated("a key keeps the rows")
	case want == 0 || !exact || c.command != "SELECT" && o.err.Code == codePrivilege:
		return isolated("refused: %s", o.err.Message)
	}
	return undecided("broken: %s is refused what the model gives: %s", who, o.err.Message)
}

func describeCaller(c policy.Caller) string {
	who := "a session without tenant"
	if c.Tenant != "" {
		who = "tenant " + c.Tenant
	}
	if c.Role != "" {
		who += " as " + c.Role
	}
	if c.Wide {
		who += ", with what is below,"
	}
	return who
}

// actAsAdmin gives A and B a role that may do everything within a tenant, where roles
// count: else they would not see their own rows, and seeing none of others would show
// nothing.
func (p *prover) actAsAdmin() {
	_, role := p.view.Facts()
	for _, x := range p.model.Shapes.Inside {
		if _, set := p.Settings[role]; !set && len(x.All) > 0 {
			p.Settings = maps.Clone(p.Settings)
			if p.Settings == nil {
				p.Settings = map[string]string{}
			}
			p.Settings[role] = x.All[0]
		}
	}
}
