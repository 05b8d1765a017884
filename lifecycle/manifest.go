package lifecycle

import (
	"fmt"
	"time"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/list"
)

// FormatVersion is that of the export's format; docs/reference/export-format.md has it.
const FormatVersion = 1

// Manifest says what an export holds. It stands first in the archive without counts, so
// that a reader knows what comes, and last with them, so that a reader knows it came whole.
type Manifest struct {
	Format  string    `json:"format"` // moat-tenant-export
	Version int       `json:"version"`
	Tenant  string    `json:"tenant"`
	TakenAt time.Time `json:"taken_at"`
	// Database and Server say where from; Schema is the fingerprint of the catalog and
	// WAL the position in the log at which the snapshot was taken.
	Database string  `json:"database"`
	Server   int     `json:"server_version"`
	Schema   string  `json:"schema_fingerprint"`
	WAL      string  `json:"wal_position,omitempty"`
	Tables   []Table `json:"tables"`
	// References are rows that are not the tenant's and that its rows refer to. They are
	// there to be read, and restore does not write them.
	References []Table `json:"references,omitempty"`
	// LargeObjects are those that columns of the tenant's rows name.
	LargeObjects []LargeObject `json:"large_objects,omitempty"`
	// Masked are columns, as schema.table.column, whose values were replaced, and LeftOut
	// those that are not here at all. An export with either does not restore.
	Masked  []string `json:"masked,omitempty"`
	LeftOut []string `json:"left_out,omitempty"`
	// NotLookedAt are tables that are configured to be ignored, and those that the tenant's
	// rows refer to and the operator may not read.
	NotLookedAt []string `json:"not_looked_at,omitempty"`
}

// Table is one table of an export.
type Table struct {
	Schema  string   `json:"schema"`
	Name    string   `json:"name"`
	How     string   `json:"how"` // what makes the rows the tenant's
	Columns []Column `json:"columns"`
	Rows    int64    `json:"rows"`
	Bytes   int64    `json:"bytes"`
	SHA256  string   `json:"sha256,omitempty"` // of the data, as it is in the archive
}

// Column is a column with its type as format_type prints it.
type Column struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

// LargeObject is a large object of the tenant.
type LargeObject struct {
	OID    uint32 `json:"oid"`
	Owner  string `json:"owner"` // the role that it belongs to
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
}

func (t *Table) name() catalog.QName { return catalog.QName{Schema: t.Schema, Name: t.Name} }

// label names the table for people.
func (t *Table) label() string { return t.Schema + "." + t.Name }

func (t *Table) names() []string {
	return list.Map(t.Columns, func(c Column) string { return c.Name })
}

// Rows is the sum over all tables.
func (m *Manifest) Rows() (n int64) {
	for _, t := range m.Tables {
		n += t.Rows
	}
	return n
}

// Whole reports why an export cannot stand for the tenant's rows, nil when it can.
func (m *Manifest) Whole() error {
	switch {
	case m.Format != formatName:
		return fmt.Errorf("not a tenant export: its format is %q", m.Format)
	case m.Version != FormatVersion:
		return fmt.Errorf("the export has version %d of the format; this moat reads version %d", m.Version, FormatVersion)
	case len(m.Masked)+len(m.LeftOut) > 0:
		return fmt.Errorf("the export was made with %d columns masked and %d left out: it does not hold the tenant's rows",
			len(m.Masked), len(m.LeftOut))
	}
	return nil
}

const formatName = "moat-tenant-export"
