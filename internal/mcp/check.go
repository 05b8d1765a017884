package mcp

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/audit"
	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/policy"
)

// sealedTenant is what policies of a sealed database read.
var sealedTenant = catalog.QName{Schema: catalog.OwnSchema, Name: "current_tenant"}

// Check says why a database does not keep tenants apart from what agents ask: its release has
// flaws in row-level security, or its policies read a setting that SQL can change.
//
// flaws are those of a release; nil means [audit.Flaws].
func Check(v *policy.View, flaws func(version int) []string) error {
	if flaws == nil {
		flaws = audit.Flaws
	}
	if flaws := flaws(v.Snapshot.Version); len(flaws) > 0 {
		return fmt.Errorf("PostgreSQL has flaws in row-level security that one statement can use: %s",
			strings.Join(flaws, ", "))
	}
	if len(v.Functions(sealedTenant)) == 0 {
		return errors.New("the tenant is not sealed: moat seal key new, then moat seal on")
	}
	for r := range catalog.Each(v.Snapshot.Relations) {
		if v.Class(r.QName()) != catalog.TenantTable {
			continue
		}
		for _, p := range r.Policies {
			if name := plainSetting(v, r, p.Exprs()); name != "" {
				return fmt.Errorf("the policy %s of %s reads the setting %s, which SQL can change: moat seal on", p.Name,
					r.QName(), name)
			}
		}
	}
	return nil
}

// plainSetting is a setting of the application's own that one of these conditions reads. Those that
// the seal's functions read are worth nothing without a signature.
func plainSetting(v *policy.View, r *catalog.Relation, conditions []*catalog.Expr) string {
	for _, e := range conditions {
		settings := v.Judge(e, r).Settings
		plain := func(s string) bool { return strings.Contains(s, ".") && !strings.HasPrefix(s, "moat.sealed") }
		if i := slices.IndexFunc(settings, plain); i >= 0 {
			return settings[i]
		}
	}
	return ""
}

// Reaches says why the identity of a token would not reach the database: a scope that is signed as
// a token's would be is read back by the functions that policies read it by.
func Reaches(ctx context.Context, db *moat.DB, example moat.Tenant) error {
	s := moat.Scope{Tenant: example, Subject: "moat: check before serving agents"}
	var tenant, subject string
	err := db.InTx(moat.WithScope(ctx, s), func(tx pgx.Tx) error {
		const read = "select coalesce(moat.current_tenant(), ''), coalesce(moat.current_fact('subject'), '')"
		return tx.QueryRow(ctx, read).Scan(&tenant, &subject)
	})
	switch {
	case err != nil:
		return fmt.Errorf("the identity of a token does not reach the database: %w", err)
	case tenant != string(s.Tenant) || subject != s.Subject:
		return fmt.Errorf("the identity of a token does not reach the database: it reads tenant %q and subject %q", tenant,
			subject)
	}
	return nil
}
