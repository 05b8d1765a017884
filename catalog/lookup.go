package catalog

import (
	"slices"
	"sync"
)

// Lookup is a Snapshot with indexes: the same facts, found quickly. It does not copy;
// the Snapshot must not change after [NewLookup]. A Lookup may be used by several
// goroutines at once.
type Lookup struct {
	Snapshot *Snapshot

	relations map[QName]*Relation
	byOID     map[OID]*Relation
	children  map[OID][]*Relation
	roles     map[string]*Role
	functions map[QName][]*Function
	byProc    map[OID]*Function
	edges     map[string][]Membership // by member

	mu       sync.Mutex
	closures map[closureKey][]string
	judged   map[judgedKey]Judgement
	bodies   map[*Function]*body
}

type closureKey struct {
	role string
	mode Mode
}

// NewLookup indexes a Snapshot.
func NewLookup(s *Snapshot) *Lookup {
	v := &Lookup{
		Snapshot: s, relations: map[QName]*Relation{}, byOID: map[OID]*Relation{}, children: map[OID][]*Relation{},
		roles: map[string]*Role{}, functions: map[QName][]*Function{}, byProc: map[OID]*Function{},
		edges: map[string][]Membership{}, closures: map[closureKey][]string{}, judged: map[judgedKey]Judgement{},
		bodies: map[*Function]*body{},
	}
	for i := range s.Relations {
		r := &s.Relations[i]
		v.relations[r.QName()] = r
		v.byOID[r.OID] = r
		for _, parent := range r.Parents {
			v.children[parent] = append(v.children[parent], r)
		}
	}
	for i := range s.Roles {
		v.roles[s.Roles[i].Name] = &s.Roles[i]
	}
	for i := range s.Functions {
		f := &s.Functions[i]
		v.functions[f.QName()] = append(v.functions[f.QName()], f)
		v.byProc[f.OID] = f
	}
	for _, m := range s.Memberships {
		v.edges[m.Member] = append(v.edges[m.Member], m)
	}
	// The database's owner is the one member that pg_database_owner has.
	if v.roles["pg_database_owner"] != nil {
		owner := s.Database.Owner
		v.edges[owner] = append(v.edges[owner], Membership{Role: "pg_database_owner", Member: owner, Inherit: true, Set: true})
	}
	return v
}

// QName returns the function's name; functions of one name differ by Arguments.
func (f *Function) QName() QName { return QName{f.Schema, f.Name} }

// ColumnNamed returns the column of that name, nil when there is none.
func (r *Relation) ColumnNamed(name string) *Column { return r.column(name) }

// Relation returns the relation of that name, nil when there is none.
func (v *Lookup) Relation(name QName) *Relation { return v.relations[name] }

// Role returns the role of that name, nil when there is none.
func (v *Lookup) Role(name string) *Role { return v.roles[name] }

// Functions returns the functions of that name, in the order of their arguments.
func (v *Lookup) Functions(name QName) []*Function { return v.functions[name] }

// Function returns the function of that number, nil when it is not in the Snapshot.
func (v *Lookup) Function(oid OID) *Function { return v.byProc[oid] }

// Children returns the partitions and the inheriting tables of a relation, one
// level down, in the order of their names.
func (v *Lookup) Children(r *Relation) []*Relation { return v.children[r.OID] }

// Parents returns the tables that a relation is a partition of or inherits from.
func (v *Lookup) Parents(r *Relation) []*Relation {
	var all []*Relation
	for _, oid := range r.Parents {
		if parent := v.byOID[oid]; parent != nil {
			all = append(all, parent)
		}
	}
	return all
}

// Descendants returns everything below a relation, each once.
func (v *Lookup) Descendants(r *Relation) []*Relation {
	all := slices.Clone(v.Children(r))
	for i := 0; i < len(all); i++ {
		for _, child := range v.Children(all[i]) {
			if child != r && !slices.Contains(all, child) {
				all = append(all, child)
			}
		}
	}
	return all
}
