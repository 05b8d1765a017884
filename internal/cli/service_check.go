package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/policy"
	"github.com/moat-db/moat/tenancy"
)

// checkTenant compares what moat.yaml says of the tenant with the database: a type
// that the column does not have refuses every token, and a setting that no policy reads
// shows no row, both without a word of why.
func (s *service) checkTenant(ctx context.Context) error {
	t := s.config.Tenant // what is not said is not checked
	read, err := s.schema.Last(ctx)
	if err != nil {
		return err
	}
	if wrong := otherType(read.Model, t.Type); t.Type != "" && wrong != nil {
		err := fmt.Errorf("tenant.type %s: %s.%s is %s", t.Type, wrong.Table, wrong.Column, wrong.Type)
		return withHint(err, "leave tenant.type out to take it from the database")
	}
	if t.Setting == "" {
		return nil
	}
	o := s.config.Model()
	o.Setting = ""
	inferred, err := tenancy.Infer(read.Snapshot, o)
	if err != nil {
		return err
	}
	other := inferred.Model.Setting
	carried := other == t.ClaimsSetting || other == t.SubjectSetting // set with each request in any case
	if !carried && !policiesRead(read, t.Setting) && policiesRead(read, other) {
		err := fmt.Errorf("tenant.setting %s: no policy reads it, they read %s", t.Setting, other)
		return withHint(err, "leave tenant.setting out to take it from the policies")
	}
	return nil
}

// otherType returns a table whose tenant column is of another kind than want, where
// none is of that kind.
func otherType(model *catalog.Model, want string) *catalog.TableModel {
	var wrong *catalog.TableModel
	for m := range catalog.Each(model.Tables) {
		switch {
		case m.Class != catalog.TenantTable || m.Type == "":
		case kind(m.Type) == kind(want):
			return nil
		default:
			wrong = m
		}
	}
	return wrong
}

// kind puts types together that hold the same tenants: a key and the columns that refer
// to it need not have the same size.
func kind(name string) string {
	if name = tenantType(name); name == "bigint" {
		return "integer"
	}
	return name
}

// tenantType is the one of moat's four types of tenant that a column's type holds.
func tenantType(name string) string {
	base, _, _ := strings.Cut(name, "(")
	switch base {
	case "character varying", "character":
		return "text"
	case "smallint":
		return "integer"
	}
	return name
}

// policiesRead says whether a policy reads a setting, by itself or in a function.
func policiesRead(v *policy.View, setting string) bool {
	setting = strings.ToLower(setting) // as judgements write it
	for r := range catalog.Each(v.Snapshot.Relations) {
		for _, p := range r.Policies {
			if slices.Contains(v.Judge(p.Using, r).Settings, setting) || slices.Contains(v.Judge(p.Check, r).Settings, setting) {
				return true
			}
		}
	}
	return false
}
