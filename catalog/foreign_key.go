package catalog

import (
	"strings"

	"github.com/moat-db/moat/internal/sqltext"
)

// ForeignKeySQL writes the definition of a foreign key as it stands after ADD
// CONSTRAINT. SetColumns, if any, are those that its ON DELETE clears.
func (c *Constraint) ForeignKeySQL() string {
	def := "FOREIGN KEY (" + sqltext.Idents(c.Columns) + ") REFERENCES " + c.References.SQL() + " (" +
		sqltext.Idents(c.RefColumns) + ")"
	if c.OnDelete != "" && c.OnDelete != "no action" {
		def += " ON DELETE " + strings.ToUpper(c.OnDelete)
	}
	if len(c.SetColumns) > 0 {
		def += " (" + sqltext.Idents(c.SetColumns) + ")"
	}
	if c.OnUpdate != "" && c.OnUpdate != "no action" {
		def += " ON UPDATE " + strings.ToUpper(c.OnUpdate)
	}
	if c.Deferrable {
		def += " DEFERRABLE"
	}
	if c.Deferred {
		def += " INITIALLY DEFERRED"
	}
	return def
}
