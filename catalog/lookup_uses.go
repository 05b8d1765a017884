package catalog

// Reference is a foreign key, seen from the table that it refers to.
type Reference struct {
	From *Relation
	Key  *Constraint
}

func (x *index) addReferences(r *Relation) {
	for i := range r.Constraints {
		if c := &r.Constraints[i]; c.Type == ForeignKey {
			x.referring[c.References] = append(x.referring[c.References], Reference{r, c})
		}
	}
}

func (x *index) addTriggers(r *Relation) {
	for _, t := range r.Triggers {
		on := x.triggered[t.Function]
		if t.Enabled != "disabled" && (len(on) == 0 || on[len(on)-1] != r) {
			x.triggered[t.Function] = append(on, r)
		}
	}
}

// References returns the foreign keys that refer to a table, in the order of the
// tables that have them.
func (v *Lookup) References(to QName) []Reference { return v.referring[to] }

// Triggered returns the relations with an enabled trigger that runs the function.
func (v *Lookup) Triggered(function QName) []*Relation { return v.triggered[function] }

// Reads returns what a view, a materialized view, a rule's table or an SQL-standard
// function reads, one level down.
func (v *Lookup) Reads(from QName) []RelationDependency { return v.reads[from] }

// Beneath returns what a view reads at any depth, through views and materialized views,
// each once.
func (v *Lookup) Beneath(view QName) []QName {
	var all []QName
	seen := map[QName]bool{view: true}
	var visit func(name QName)
	visit = func(name QName) {
		for _, d := range v.reads[name] {
			if seen[d.On] {
				continue
			}
			seen[d.On] = true
			all = append(all, d.On)
			if r := v.relations[d.On]; r != nil && (r.Kind == View || r.Kind == MaterializedView) {
				visit(d.On)
			}
		}
	}
	visit(view)
	return all
}

// ReadBy returns what reads a relation, one level up.
func (v *Lookup) ReadBy(on QName) []RelationDependency { return v.readBy[on] }
