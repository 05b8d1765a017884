package catalog

import (
	"cmp"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/internal/list"
)

func (l *loader) functions(rows pgx.Rows) error {
	type row struct {
		Function
		ParamTypes, ParamNames, ParamModes []string
		DefaultNumber                      int
		ACL                                []string
	}
	shipped := map[OID]bool{}
	for _, oid := range leakproofFunctions(l.version) {
		shipped[oid] = true
	}
	newer := l.version/10000 > newestMajor
	if newer {
		l.unseen("", fmt.Sprintf("whether somebody marked a function of pg_catalog LEAKPROOF: this moat knows those "+
			"that PostgreSQL ships up to version %d", newestMajor))
	}
	return collect(rows, func(r *row) (err error) {
		f := r.Function
		f.Params = params(r.ParamTypes, r.ParamNames, r.ParamModes, r.DefaultNumber)
		f.LeakproofByDefault = f.System && (shipped[f.OID] || newer)
		f.Privileges, err = parseACL(r.ACL)
		l.snap.Functions = append(l.snap.Functions, f)
		return err
	})
}

// params puts together what pg_proc keeps in parallel arrays. Names and modes are
// empty when all are absent or in; defaults belong to the last input parameters.
func params(types, names, modes []string, defaults int) []Param {
	all := make([]Param, len(types))
	inputs := 0
	for i := range all {
		all[i] = Param{Type: types[i], Mode: "in"}
		if i < len(names) {
			all[i].Name = names[i]
		}
		if i < len(modes) {
			all[i].Mode = cmp.Or(paramModes[modes[i]], "in")
		}
		if all[i].IsInput() {
			inputs++
		}
	}
	for i, seen := 0, 0; i < len(all); i++ {
		if all[i].IsInput() {
			all[i].HasDefault = seen >= inputs-defaults
			seen++
		}
	}
	if len(all) == 0 {
		return nil
	}
	return all
}

// IsInput reports whether a call gives an argument for the parameter.
func (p Param) IsInput() bool { return p.Mode == "in" || p.Mode == "inout" || p.Mode == "variadic" }

// paramModes are pg_proc.proargmodes in words.
var paramModes = map[string]string{"o": "out", "b": "inout", "v": "variadic", "t": "table"}

func (l *loader) types(rows pgx.Rows) error {
	type row struct {
		Type
		AttributeNames, AttributeTypes []string
		DefaultText                    string
		ACL                            []string
	}
	return collect(rows, func(r *row) (err error) {
		t := r.Type
		t.Default = r.DefaultText
		for i, name := range r.AttributeNames {
			t.Attributes = append(t.Attributes, Attribute{Name: name, Type: r.AttributeTypes[i]})
		}
		t.Privileges, err = parseACL(r.ACL)
		l.snap.Types = append(l.snap.Types, t)
		return err
	})
}

// Inputs are the parameters that a call gives arguments for.
func (f *Function) Inputs() []Param {
	return list.Filter(f.Params, Param.IsInput)
}

// Takes reports whether the function can be called with so many arguments.
func (f *Function) Takes(arguments int) bool {
	inputs, defaults := f.Inputs(), 0
	for _, p := range inputs {
		if p.HasDefault {
			defaults++
		}
	}
	return len(inputs)-defaults <= arguments && arguments <= len(inputs)
}
