package catalog

import (
	"strings"

	"github.com/jackc/pgx/v5"
)

// blockSize is what pg_class.relpages counts in, on all but self-built servers.
const blockSize = 8192

// The bits of pg_relation_is_updatable are 1 << CmdType.
const (
	bitUpdate = 1 << 2
	bitInsert = 1 << 3
	bitDelete = 1 << 4
)

func (l *loader) relations(rows pgx.Rows) error {
	type row struct {
		Relation
		ACL           []string
		Rows          float64
		Pages         int64
		Options       []string
		Strategy      string
		PartColumns   []int16
		PartText      string
		UpdatableBits int32
		TriggeredBits int32 // with INSTEAD OF triggers, of views
		Hidden        bool
	}
	return collect(rows, func(r *row) (err error) {
		rel := r.Relation
		if rel.Privileges, err = parseACL(r.ACL); err != nil {
			return err
		}
		rel.Estimate = Estimate{Rows: r.Rows, Bytes: r.Pages * blockSize}
		rel.PartitionKey = PartKey{Strategy: r.Strategy, Text: r.PartText}
		l.partColumns[rel.OID] = r.PartColumns
		rel.setOptions(r.Options)
		rel.Updatable = r.UpdatableBits&bitUpdate != 0
		rel.Insertable = r.UpdatableBits&bitInsert != 0
		rel.Deletable = r.UpdatableBits&bitDelete != 0
		triggered := r.TriggeredBits &^ r.UpdatableBits
		rel.InsteadOf = InsteadOf{triggered&bitInsert != 0, triggered&bitUpdate != 0, triggered&bitDelete != 0}
		if r.Hidden {
			l.hidden[rel.Schema]++
		}
		l.relationAt[rel.OID] = len(l.snap.Relations)
		l.snap.Relations = append(l.snap.Relations, rel)
		return nil
	})
}

// setOptions reads reloptions; a boolean may be spelt in any way that PostgreSQL
// takes for one.
func (r *Relation) setOptions(options []string) {
	if r.Kind != View {
		return
	}
	for _, option := range options {
		name, value, _ := strings.Cut(option, "=")
		switch name {
		case "security_invoker":
			r.SecurityInvoker = isTrue(value)
		case "security_barrier":
			r.SecurityBarrier = isTrue(value)
		case "check_option":
			r.CheckOption = strings.ToLower(value)
		}
	}
}

// isTrue reads a boolean as PostgreSQL's parse_bool does.
func isTrue(text string) bool {
	text = strings.ToLower(text)
	return text == "1" || text == "on" || text != "" &&
		(strings.HasPrefix("true", text) || strings.HasPrefix("yes", text))
}

func (l *loader) inherits(rows pgx.Rows) error {
	type row struct{ Child, Parent OID }
	return each(rows, func(r *row) {
		if child := l.relation(r.Child); child != nil {
			child.Parents = append(child.Parents, r.Parent)
			child.ParentNames = append(child.ParentNames, l.relationName(r.Parent))
		}
	})
}

func (l *loader) columns(rows pgx.Rows) error {
	type row struct {
		Column
		Relation             OID
		TypeSchema, TypeBase string
		DefaultText          string
		ACL                  []string
	}
	err := collect(rows, func(r *row) (err error) {
		rel := l.relation(r.Relation)
		if rel == nil {
			return nil
		}
		column := r.Column
		column.TypeName = QName{r.TypeSchema, r.TypeBase}
		column.Default = r.DefaultText
		if column.Privileges, err = parseACL(r.ACL); err != nil {
			return err
		}
		if l.columnNames[rel.OID] == nil {
			l.columnNames[rel.OID] = map[int16]string{}
		}
		l.columnNames[rel.OID][column.Num] = column.Name
		rel.Columns = append(rel.Columns, column)
		return nil
	})
	for rel := range Each(l.snap.Relations) {
		rel.PartitionKey.Columns = l.names(rel.OID, l.partColumns[rel.OID])
	}
	return err
}

func (l *loader) statistics(rows pgx.Rows) error {
	type row struct {
		Schema, Name, ColumnName string
		Frequency                float64
	}
	named := map[QName]*Relation{}
	for i := range l.snap.Relations {
		named[l.snap.Relations[i].QName()] = &l.snap.Relations[i]
	}
	return each(rows, func(r *row) {
		rel := named[QName{r.Schema, r.Name}]
		if rel == nil {
			return
		}
		if column := rel.Column(r.ColumnName); column != nil {
			column.MostCommon = r.Frequency
		}
	})
}

func (l *loader) ownedSequences(rows pgx.Rows) error {
	type row struct {
		Sequence, Relation OID
		ColumnNum          int16
	}
	return each(rows, func(r *row) {
		if sequence, owner := l.relation(r.Sequence), l.relation(r.Relation); sequence != nil && owner != nil {
			sequence.OwnedBy = &ColumnRef{owner.QName(), l.columnNames[r.Relation][r.ColumnNum]}
		}
	})
}
