package why

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/english"
)

// cause explains the outcome. A tenant that is not let in explains what an error of the
// statement does not.
func (a *asker) cause() Cause {
	steps := []func() Cause{a.causeOfTenant, a.causeOfEmptiness}
	switch a.answer.Outcome {
	case Refused:
		steps = []func() Cause{a.causeOfRefusal, a.causeOfTenant}
	case Rows:
		steps = []func() Cause{a.causeOfTenant, a.causeOfRows}
	}
	for _, step := range steps {
		if c := step(); c.Kind != "" {
			return c
		}
	}
	text := "More than one explanation is left; the tables below say what is known."
	if a.bindErr != nil {
		text = "The tenant could not be bound: " + a.answer.Error.Message + "."
	}
	return Cause{Kind: CannotTell, Text: text}
}

func (a *asker) causeOfTenant() Cause {
	switch {
	case a.suspended:
		return Cause{SuspendedTenant, string(a.Scope.Tenant), "The tenant is suspended: moat serve, the portal and moat " +
			"proxy refuse it before any statement.", "moat tenant resume lets it in again."}
	case a.listed != nil && !*a.listed && a.answer.Outcome == Empty:
		return Cause{UnknownTenant, a.view.Model.Tenants.String(), fmt.Sprintf("%s does not list this tenant.",
			a.view.Model.Tenants), "Look for a misspelled id: moat tenant list shows the tenants."}
	}
	return Cause{}
}

func (a *asker) causeOfBinding() Cause {
	var invalid *moat.InvalidTenantError
	if !errors.As(a.bindErr, &invalid) {
		return Cause{}
	}
	return Cause{InvalidTenant, string(a.Scope.Tenant), fmt.Sprintf("The tenant is no value of the tenant column's "+
		"type: %s.", invalid), "Give the tenant as the tenants table writes it."}
}

// causeOfRows names tables of tenants on which no policy binds the role.
func (a *asker) causeOfRows() Cause {
	if c := a.unprotected(); c.Kind != "" {
		return c
	}
	return Cause{Kind: Nothing, Text: fmt.Sprintf("%s: nothing was refused.", english.Count(a.answer.Count, "row"))}
}

func (a *asker) unprotected() Cause {
	for _, r := range a.reads {
		if r.Free == "" || r.asked {
			continue
		}
		return Cause{Unprotected, r.Name, fmt.Sprintf("No policy of %s binds %s: %s. Rows of every tenant are reached.",
			r.Name, r.role, free(r.Free)), "moat audit says what is open, moat protect closes it."}
	}
	return Cause{}
}

// free is why no policy binds a role, as a part of a sentence.
func free(bypass string) string {
	switch {
	case bypass == "superuser", strings.HasPrefix(bypass, "owner"):
		return "it is " + article(bypass)
	case bypass == "BYPASSRLS":
		return "it has BYPASSRLS"
	}
	return bypass
}

func article(s string) string {
	if strings.HasPrefix(s, "owner") {
		return "the " + s
	}
	return "a " + s
}

// causeOfUnset explains settings that the policies of the tables read and that are empty.
func (a *asker) causeOfUnset() Cause {
	if len(a.unset) == 0 {
		return Cause{}
	}
	name, m := a.unset[0], a.view.Model
	bound := a.boundNames()
	if a.Scope.Tenant == "" && len(a.Settings) == 0 {
		return Cause{NoTenant, name, "No tenant is bound: the policies read the setting " + name + ", which is empty.",
			"Bind the tenant in the transaction, before the statement; here, --tenant does it."}
	}
	if !slices.Contains(bound, name) || strings.EqualFold(name, m.Setting) {
		return Cause{WrongSetting, name, fmt.Sprintf("The policies read the setting %s, which is empty; what is set is %s.",
			name, strings.Join(bound, ", ")), "Set " + name + ", or make the policies read the setting that the " +
			"application sets (tenant.setting in moat.yaml)."}
	}
	return Cause{MissingFact, name, fmt.Sprintf("The policies read %s, and this scope does not say it.", name),
		"Bind the caller too; here, --subject, --role or --claims do it."}
}

// boundNames are the settings that the scope and the caller set to something, in order.
func (a *asker) boundNames() []string {
	var names []string
	if a.Scope.Tenant != "" {
		bound, _ := moat.Settings(a.Scope, a.Bind) // what was bound could be said
		for name := range bound {
			names = append(names, strings.ToLower(name))
		}
	}
	for name := range a.Settings {
		names = append(names, strings.ToLower(name))
	}
	slices.Sort(names)
	return names
}

// shadowed is a table of tenants that has the name of one that the statement reads.
func (a *asker) shadowed(r *reading) *catalog.Relation {
	if a.tenants(r) {
		return nil
	}
	for other := range catalog.Each(a.view.Snapshot.Relations) {
		if other != r.rel && other.Name == r.rel.Name && other.IsTable() && a.view.Class(other.QName()).HasTenants() {
			return other
		}
	}
	return nil
}
