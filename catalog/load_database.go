package catalog

import "github.com/jackc/pgx/v5"

func (l *loader) casts(rows pgx.Rows) error {
	type row struct {
		Schema, Name string
		Into         bool
		Other        string
		FunctionOID  OID
	}
	return each(rows, func(r *row) {
		l.snap.Casts = append(l.snap.Casts,
			Cast{Domain: QName{r.Schema, r.Name}, Into: r.Into, Other: r.Other, Function: r.FunctionOID})
	})
}

func (l *loader) publicationTables(rows pgx.Rows) error {
	type row struct{ Publication, Schema, Name string }
	return each(rows, func(r *row) {
		for i := range l.snap.Publications {
			if p := &l.snap.Publications[i]; p.Name == r.Publication {
				p.Tables = append(p.Tables, QName{r.Schema, r.Name})
			}
		}
	})
}

func (l *loader) eventTriggers(rows pgx.Rows) error {
	type row struct {
		EventTrigger
		FunctionOID OID
	}
	return each(rows, func(r *row) {
		e := r.EventTrigger
		e.Function = l.functionsBy[r.FunctionOID]
		l.snap.Events = append(l.snap.Events, e)
	})
}

func (l *loader) foreignServers(rows pgx.Rows) error {
	type row struct {
		ForeignServer
		ACL []string
	}
	return collect(rows, func(r *row) (err error) {
		r.Privileges, err = parseACL(r.ACL)
		l.snap.Servers = append(l.snap.Servers, r.ForeignServer)
		return err
	})
}

func (l *loader) userMappings(rows pgx.Rows) error {
	type row struct{ Server, Role string }
	return each(rows, func(r *row) {
		for i := range l.snap.Servers {
			if s := &l.snap.Servers[i]; s.Name == r.Server {
				s.Mappings = append(s.Mappings, r.Role)
			}
		}
	})
}
