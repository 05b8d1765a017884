package catalog

import (
	"errors"
	"slices"

	"github.com/jackc/pgx/v5"
)

func (l *loader) policies(rows pgx.Rows) error {
	type row struct {
		Policy
		storedPolicy
		Relation             OID
		RoleOIDs             []OID
		UsingText, CheckText *string
	}
	return collect(rows, func(r *row) error {
		rel := l.relation(r.Relation)
		if rel == nil {
			return nil
		}
		trees, ok := l.trees[r.storedPolicy]
		if !ok {
			return errGone // or altered: its trees are no longer those of the text
		}
		p := r.Policy
		for _, oid := range r.RoleOIDs {
			p.Roles = append(p.Roles, l.roleNames[oid]) // 0, PUBLIC, is in no map: ""
		}
		slices.Sort(p.Roles)
		var usingErr, checkErr error
		p.Using, usingErr = l.expression(r.UsingText, trees.using, r.Relation)
		p.Check, checkErr = l.expression(r.CheckText, trees.check, r.Relation)
		rel.Policies = append(rel.Policies, p)
		return errors.Join(usingErr, checkErr)
	})
}

// expression keeps the text when the tree cannot be read: rules then judge it as
// an expression that they do not know. A tree without a text is a policy that was
// dropped meanwhile, and must not pass for one without that clause.
func (l *loader) expression(text *string, tree *storedTree, relation OID) (*Expr, error) {
	if tree == nil {
		return nil, nil
	}
	if text == nil {
		return nil, errGone
	}
	return &Expr{Text: *text, Root: l.mapTree(tree.root, relation)}, nil
}

func (l *loader) triggers(rows pgx.Rows) error {
	type row struct {
		Trigger
		Relation    OID
		FunctionOID OID
	}
	return each(rows, func(r *row) {
		if rel := l.relation(r.Relation); rel != nil {
			t := r.Trigger
			t.Function = l.functionsBy[r.FunctionOID]
			rel.Triggers = append(rel.Triggers, t)
		}
	})
}

func (l *loader) rules(rows pgx.Rows) error {
	type row struct {
		Rule
		Relation OID
	}
	return each(rows, func(r *row) {
		if rel := l.relation(r.Relation); rel != nil {
			rel.Rules = append(rel.Rules, r.Rule)
		}
	})
}

func (l *loader) ruleDependencies(rows pgx.Rows) error {
	type row struct {
		Source, Target OID
		Rule           string
		ColumnNum      int16
	}
	return each(rows, func(r *row) {
		on := l.relationName(r.Target)
		if from := l.relationName(r.Source); from != (QName{}) && on != (QName{}) {
			l.depends(RelationDependency{From: from, Rule: r.Rule, On: on}, l.columnNames[r.Target][r.ColumnNum])
		}
	})
}

func (l *loader) functionDependencies(rows pgx.Rows) error {
	type row struct {
		Source, Target OID
		ColumnNum      int16
	}
	arguments := map[OID]string{}
	for _, f := range l.snap.Functions {
		arguments[f.OID] = f.Arguments
	}
	return each(rows, func(r *row) {
		if on := l.relationName(r.Target); on != (QName{}) {
			l.depends(RelationDependency{From: l.functionsBy[r.Source], Function: true, Arguments: arguments[r.Source], On: on},
				l.columnNames[r.Target][r.ColumnNum])
		}
	})
}

// depends adds a column to the last dependency when it is the same one: rows
// come ordered by source, rule and target.
func (l *loader) depends(d RelationDependency, column string) {
	if n := len(l.snap.Dependencies); n > 0 {
		last := &l.snap.Dependencies[n-1]
		if last.From == d.From && last.Rule == d.Rule && last.On == d.On &&
			last.Function == d.Function && last.Arguments == d.Arguments {
			if column != "" {
				last.Columns = append(last.Columns, column)
			}
			return
		}
	}
	if column != "" {
		d.Columns = []string{column}
	}
	l.snap.Dependencies = append(l.snap.Dependencies, d)
}
