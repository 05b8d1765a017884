package catalog

import (
	"context"
	"regexp"
	"slices"
	"strconv"

	"github.com/jackc/pgx/v5"
)

// Distribution is how Citus has spread a database over several servers.
type Distribution struct {
	Version string        `json:"version"` // of the extension
	Tables  []Distributed `json:"tables"`  // in order of their names
}

// Distributed is a table that Citus knows.
type Distributed struct {
	Table QName     `json:"table"`
	Kind  Spreading `json:"kind"`
	// Column is the one whose values decide on the shard; "" for other kinds than Sharded.
	Column string `json:"column,omitempty"`
	// Colocation is the group of tables whose shards stay together; 0 is none.
	Colocation int64 `json:"colocation,omitempty"`
}

// Spreading is where the rows of a table are.
type Spreading string

// The kinds of spreading.
const (
	Sharded     Spreading = "sharded"      // by a column
	Copied      Spreading = "copied"       // a reference table: all rows on each server
	SingleShard Spreading = "single shard" // all rows on one server
	// Managed is a table of the coordinator's that Citus knows, and nothing more.
	Managed Spreading = "local"
)

// Spread reports whether rows are on other servers than the coordinator.
func (d *Distributed) Spread() bool { return d != nil && d.Kind != Managed }

// Distributed returns what Citus has made of a table, nil where it knows nothing of it.
func (v *Lookup) Distributed(name QName) *Distributed { return v.distributed[name] }

// Spread reports whether any table has rows on other servers.
func (d *Distribution) Spread() bool {
	return d != nil && slices.ContainsFunc(d.Tables, func(t Distributed) bool { return t.Spread() })
}

// CitusExtension is the extension that distributes.
const CitusExtension = "citus"

// distribution reads what Citus keeps, where it is installed.
func (l *loader) distribution(ctx context.Context, conn *pgx.Conn) error {
	i := slices.IndexFunc(l.snap.Extensions, func(e Extension) bool { return e.Name == CitusExtension })
	if i < 0 {
		return nil
	}
	l.snap.Distribution = &Distribution{Version: l.snap.Extensions[i].Version}
	var known bool
	if err := conn.QueryRow(ctx, "SELECT pg_catalog.to_regclass('pg_catalog.pg_dist_partition') IS NOT NULL",
		pgx.QueryExecModeExec).Scan(&known); err != nil {
		return &readError{query: "distribution", err: err}
	}
	if !known {
		l.unseen("", "distribution could not be read: Citus is installed, and its table pg_dist_partition is not there")
		return nil
	}
	text, err := queryText("distribution", l.version)
	if err != nil {
		return err
	}
	rows, err := conn.Query(ctx, text, pgx.QueryExecModeExec)
	if err == nil {
		err = l.distributed(rows)
	}
	if err != nil {
		return &readError{query: "distribution", err: err}
	}
	return nil
}

func (l *loader) distributed(rows pgx.Rows) error {
	type row struct {
		Schema, Name        string
		Relation            OID
		Method, Replication string
		Key                 string
		Colocation          int64
	}
	return each(rows, func(r *row) {
		l.snap.Distribution.Tables = append(l.snap.Distribution.Tables, Distributed{Table: QName{r.Schema, r.Name},
			Kind: spreading(r.Method, r.Replication, r.Colocation), Column: l.keyColumn(r.Relation, r.Key),
			Colocation: r.Colocation})
	})
}

// spreading reads partmethod and repmodel. A table without a column to distribute by is a
// reference table (t), the only shard of its group, or one that stayed.
func spreading(method, replication string, colocation int64) Spreading {
	switch {
	case method != "n":
		return Sharded
	case replication == "t":
		return Copied
	case colocation != 0:
		return SingleShard
	}
	return Managed
}

var keyNumber = regexp.MustCompile(`:varattno (\d+)`)

// keyColumn is the column in a partkey, which is a printed node of a tree.
func (l *loader) keyColumn(relation OID, key string) string {
	found := keyNumber.FindStringSubmatch(key)
	if found == nil {
		return ""
	}
	number, err := strconv.ParseInt(found[1], 10, 16)
	if err != nil {
		return ""
	}
	return l.columnNames[relation][int16(number)]
}
