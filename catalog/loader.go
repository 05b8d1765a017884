package catalog

import (
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/internal/list"
)

// loader turns rows into a Snapshot. The maps resolve the numbers by which
// catalog rows and expression trees refer to each other.
type loader struct {
	version int
	snap    *Snapshot
	skip    map[string]string // queries that the role may not run, and why

	roleNames   map[OID]string
	relationAt  map[OID]int   // index into snap.Relations
	otherNames  map[OID]QName // relations outside the user's schemas
	operators   map[OID]operator
	functionsBy map[OID]QName
	typeNames   map[OID]string
	classes     map[OID]operatorClass
	exactly     map[OID]bool // collations
	columnNames map[OID]map[int16]string
	usable      map[string]bool // schemas
	hidden      map[string]int  // relations that may not be read, by schema
	partColumns map[OID][]int16

	trees     map[storedPolicy]policyTrees
	mentioned []OID // in trees
}

type operator struct {
	OID    OID
	Schema string
	Name   string
	Code   OID // the function behind it
	// Extension says that an extension brought it.
	Extension bool
}

type operatorClass struct {
	OID       OID
	Schema    string
	Name      string
	Leakproof bool
	Nearest   string
}

func newLoader(skip map[string]string) *loader {
	return &loader{
		snap: &Snapshot{Settings: map[string]string{}}, skip: skip,
		roleNames: map[OID]string{}, relationAt: map[OID]int{}, otherNames: map[OID]QName{},
		operators: map[OID]operator{}, functionsBy: map[OID]QName{}, typeNames: map[OID]string{},
		classes: map[OID]operatorClass{}, exactly: map[OID]bool{}, columnNames: map[OID]map[int16]string{},
		usable: map[string]bool{}, hidden: map[string]int{},
		partColumns: map[OID][]int16{}, trees: map[storedPolicy]policyTrees{}, mentioned: []OID{},
	}
}

// unseen notes what the role could not look at; schema is "" when it is not
// about one schema.
func (l *loader) unseen(schema, sentence string) {
	l.snap.Unseen = append(l.snap.Unseen, sentence)
	for i := range l.snap.Schemas {
		if l.snap.Schemas[i].Name == schema {
			l.snap.Schemas[i].Unseen = append(l.snap.Schemas[i].Unseen, sentence)
		}
	}
}

// finish adds what needs all the rows, and returns the Snapshot.
func (l *loader) finish() *Snapshot {
	for schema := range Each(l.snap.Schemas) {
		if schema.Extension != "" {
			continue
		}
		switch {
		case !l.usable[schema.Name]:
			l.unseen(schema.Name, fmt.Sprintf("schema %s: role %s has no USAGE on it, so that its tables cannot be probed "+
				"and their statistics are hidden", schema.Name, l.snap.User))
		case l.hidden[schema.Name] > 0:
			l.unseen(schema.Name, fmt.Sprintf("schema %s: role %s may not read %d of its tables, so that they cannot be probed "+
				"and their statistics are hidden", schema.Name, l.snap.User, l.hidden[schema.Name]))
		}
	}
	slices.Sort(l.snap.Unseen)
	return l.snap
}

// relation returns the user's relation of that number, nil when there is none.
func (l *loader) relation(oid OID) *Relation {
	i, ok := l.relationAt[oid]
	if !ok {
		return nil
	}
	return &l.snap.Relations[i]
}

// relationName returns the name of any relation, the zero QName when unknown.
func (l *loader) relationName(oid OID) QName {
	if r := l.relation(oid); r != nil {
		return r.QName()
	}
	return l.otherNames[oid]
}

// names turns column numbers into names; "" stands for an expression.
func (l *loader) names(relation OID, nums []int16) []string {
	if len(nums) == 0 {
		return nil
	}
	return list.Map(nums, func(num int16) string { return l.columnNames[relation][num] })
}

func (l *loader) lookupOperators(rows pgx.Rows) error {
	return each(rows, func(o *operator) {
		l.operators[o.OID] = *o
		if o.Schema != "pg_catalog" && !o.Extension {
			l.snap.Operators = append(l.snap.Operators, QName{o.Schema, o.Name})
		}
	})
}

func (l *loader) lookupCollations(rows pgx.Rows) error {
	type row struct{ OID OID }
	return each(rows, func(r *row) {
		l.exactly[r.OID] = true
	})
}

func (l *loader) lookupTypes(rows pgx.Rows) error {
	type row struct {
		OID  OID
		Name string
	}
	return each(rows, func(r *row) {
		l.typeNames[r.OID] = r.Name
	})
}
