package catalog

import "github.com/moat-db/moat/internal/sqltext"

// SQL returns the name as SQL takes it, quoted where it must be.
func (q QName) SQL() string {
	if q.Schema == "" {
		return sqltext.Ident(q.Name)
	}
	return sqltext.Ident(q.Schema) + "." + sqltext.Ident(q.Name)
}
