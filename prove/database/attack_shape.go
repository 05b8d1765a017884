package database

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/moat-db/moat/internal/list"
	"github.com/moat-db/moat/internal/sqltext"
	"github.com/moat-db/moat/policy"
	"github.com/moat-db/moat/prove"
)

// What decides whose rows are others', beside policies: the columns that name a row's
// tenants, and the closure of the tree.

// attackHandOver writes another tenant into each column that the model fixes, as every caller:
// a policy cannot compare a row before and after.
func (p *prover) attackHandOver(ctx context.Context, t *target, callers []policy.Caller) error {
	columns := list.Filter(p.view.Fixed(t.rel), func(name string) bool {
		return t.column(name) != nil && !slices.Contains(t.key, name)
	})
	if len(columns) == 0 || t.risky && !p.Disposable || !t.reach.usage {
		return nil
	}
	f := isolated("nobody updates %s", sqltext.Idents(columns))
	var script []string
	for _, c := range callers {
		as, err := p.asCaller(ctx, c)
		if err != nil {
			return err
		}
		for _, column := range columns {
			for _, other := range []string{p.a, p.b, c.Tenant} {
				update := fmt.Sprintf("UPDATE %s SET %s = %s", t.sql(), sqltext.Ident(column), lit(other))
				o := p.app.try(ctx, attempt{as: as, steps: []string{update}})
				if o.broken != nil {
					return o.broken
				}
				if o.err == nil && o.last().n > 0 && f.verdict != prove.VerdictLeak {
					f, script = leak("%s updates %s, which says whose a row is", describeCaller(c), column), append(as, update)
				}
			}
		}
	}
	p.report.Add(prove.Probe{Attack: "hand over", Object: t.name(), Verdict: f.verdict, Reason: f.reason,
		Script: strings.Join(script, ";\n")})
	return ctx.Err()
}

// attackClosure compares the pairs that a tenant sees with what the parents say, and tries to
// add one.
func (p *prover) attackClosure(ctx context.Context, tenants []string) error {
	tree := p.model.Shapes.Tree
	if tree == nil || p.view.Relation(tree.Closure()) == nil {
		return nil
	}
	worst := isolated("each tenant sees the pairs that the parents give, and nobody adds one")
	var script []string
	worse := func(f finding, steps []string) {
		if prove.Worst(worst.verdict, f.verdict) != worst.verdict {
			worst, script = f, steps
		}
	}
	callers, err := p.callersOfTree(ctx, tenants)
	if err != nil {
		return err
	}
	for _, caller := range callers {
		as, err := p.asCaller(ctx, caller)
		if err != nil {
			return err
		}
		read := "SELECT count(*), coalesce(sum(pg_catalog.hashtextextended(ancestor::text || ' ' || tenant::text, 0)), 0) " +
			"FROM " + tree.Closure().SQL()
		o := p.app.try(ctx, attempt{as: as, steps: []string{read}})
		want, err := p.operator.guarded(ctx, p.view.Pairs(caller))
		switch {
		case err != nil:
			return fmt.Errorf("compute the pairs of the tree: %w", err)
		case o.broken != nil:
			return o.broken
		case o.err != nil && caller.Tenant == "":
		case o.err != nil:
			worse(undecided("broken: %s", o.err.Message), append(as, read))
		case o.last().number() > want[0].number():
			worse(leak("%s sees %d pairs of the tree, and the parents give %d", describeCaller(caller),
				o.last().number(), want[0].number()), append(as, read))
		case o.last().text() != want[0].text():
			worse(undecided("broken: %s sees other pairs of the tree than the parents give",
				describeCaller(caller)), append(as, read))
		}
	}
	as, err := p.app.bind.to(ctx, p.a)
	if err != nil {
		return err
	}
	add := fmt.Sprintf("INSERT INTO %s VALUES (%s, %s, 1) ON CONFLICT DO NOTHING", tree.Closure().SQL(), lit(p.a),
		lit(p.b))
	if o := p.app.try(ctx, attempt{as: as, steps: []string{add}}); o.err == nil && o.broken == nil {
		worse(leak("tenant A put tenant B below itself"), append(as, add))
	}
	p.report.Add(prove.Probe{Attack: "pairs of the tree", Object: tree.Closure().String(), Verdict: worst.verdict,
		Reason: worst.reason, Script: strings.Join(script, ";\n")})
	return ctx.Err()
}

// callersOfTree are those whose pairs are compared: each tenant and none, by everybody whom the
// memberships tell apart where a caller sees what is below all of their tenants.
func (p *prover) callersOfTree(ctx context.Context, tenants []string) ([]policy.Caller, error) {
	people := []person{{}}
	if p.view.CallerTenants() != nil {
		var err error
		if people, err = p.subjects(ctx, &target{rel: p.view.Relation(p.model.Tenants)}); err != nil {
			return nil, err
		}
	}
	var all []policy.Caller
	for _, tenant := range append(slices.Clone(tenants), "") {
		for _, who := range people {
			all = append(all, policy.Caller{Tenant: tenant, Subject: who.subject, Issuer: who.issuer})
		}
	}
	return all, nil
}
