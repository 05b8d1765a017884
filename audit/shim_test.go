package audit_test

import "github.com/moat-db/moat/catalog"

func infer(s *catalog.Snapshot, o catalog.Options) *catalog.Model {
	m := &catalog.Model{Column: "tenant_id", Type: "uuid", Setting: "app.current_tenant", Roles: o.Roles, Schemas: []string{"app"}}
	for i := range s.Relations {
		r := &s.Relations[i]
		tm := catalog.TableModel{Table: r.QName(), Class: catalog.UnknownTable}
		if r.Kind != catalog.Table && r.Kind != catalog.PartitionedTable && r.Kind != catalog.ForeignTable {
			continue
		}
		if c := r.ColumnNamed("tenant_id"); c != nil {
			tm.Class, tm.Column, tm.Type = catalog.TenantTable, "tenant_id", c.Type
		} else {
			for _, k := range r.Constraints {
				if k.Type == catalog.ForeignKey {
					tm.Class = catalog.ChildTable
					tm.Paths = []catalog.Path{{{From: r.QName(), Constraint: k.Name, Columns: k.Columns, To: k.References, RefColumns: k.RefColumns}}}
				}
			}
		}
		m.Tables = append(m.Tables, tm)
	}
	return m
}
