package catalog

import (
	"strings"

	"github.com/jackc/pgx/v5"
)

func (l *loader) roles(rows pgx.Rows) error {
	type row struct {
		Role
		OID OID
	}
	return each(rows, func(r *row) {
		l.roleNames[r.OID] = r.Name
		l.snap.Roles = append(l.snap.Roles, r.Role)
	})
}

func (l *loader) schemas(rows pgx.Rows) error {
	type row struct {
		Schema
		ACL    []string
		Usable bool
	}
	return collect(rows, func(r *row) (err error) {
		l.usable[r.Name] = r.Usable
		r.Privileges, err = parseACL(r.ACL)
		l.snap.Schemas = append(l.snap.Schemas, r.Schema)
		return err
	})
}

func (l *loader) defaultPrivileges(rows pgx.Rows) error {
	type row struct {
		Role, Schema, Object string
		ACL                  []string
	}
	return collect(rows, func(r *row) error {
		privileges, err := parseACL(r.ACL)
		for _, p := range privileges {
			l.snap.Defaults = append(l.snap.Defaults, DefaultPrivilege{r.Role, r.Schema, r.Object, p})
		}
		return err
	})
}

func (l *loader) storedSettings(rows pgx.Rows) error {
	type row struct {
		Role, Database string
		Entries        []string
	}
	return each(rows, func(r *row) {
		for _, entry := range r.Entries {
			name, value, _ := strings.Cut(entry, "=")
			l.snap.Stored = append(l.snap.Stored, StoredSetting{r.Role, r.Database, name, value})
		}
	})
}

func (l *loader) parameterGrants(rows pgx.Rows) error {
	type row struct {
		Name string
		ACL  []string
	}
	return collect(rows, func(r *row) error {
		privileges, err := parseACL(r.ACL)
		for _, p := range privileges {
			l.snap.Parameters = append(l.snap.Parameters, ParameterGrant{r.Name, p})
		}
		return err
	})
}

func (l *loader) systemTables(rows pgx.Rows) error {
	type row struct {
		Name string
		ACL  []string
	}
	return collect(rows, func(r *row) error {
		privileges, err := parseACL(r.ACL)
		l.snap.SystemTables = append(l.snap.SystemTables, SystemTable{r.Name, privileges})
		return err
	})
}

func (l *loader) settings(rows pgx.Rows) error {
	type row struct{ Name, Value string }
	return each(rows, func(r *row) {
		l.snap.Settings[r.Name] = r.Value
	})
}

func (l *loader) largeObjects(rows pgx.Rows) error {
	type row struct{ Number int64 }
	return each(rows, func(r *row) {
		l.snap.LargeObjects = r.Number
	})
}
