package protect

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/list"
	"github.com/moat-db/moat/internal/sqltext"
	"github.com/moat-db/moat/policy"
)

// named is a relation in the table's schema, called after the table.
func (w *partitioner) named(suffix ...string) catalog.QName {
	return catalog.QName{Schema: w.rel.Schema, Name: sqltext.Name(append([]string{w.rel.Name}, suffix...)...)}
}

// The tables of a plan: the partitioned one until it gets its name, the partition of all
// other tenants, the tenant's own.
func (w *partitioner) staged() catalog.QName { return w.named("moat") }
func (w *partitioner) rest() catalog.QName   { return w.named("rest") }
func (w *partitioner) own() catalog.QName {
	sum := sha256.Sum256([]byte(w.know.literal))
	return w.named("t", hex.EncodeToString(sum[:4]))
}

// part is a partition with its bound.
type part struct {
	name  catalog.QName
	bound string
}

func (w *partitioner) parts() []part {
	if w.o.Hash == 0 {
		return []part{{w.own(), w.inTenant()}, {w.rest(), "DEFAULT"}}
	}
	all := make([]part, w.o.Hash)
	for i := range all {
		all[i] = part{w.named(fmt.Sprintf("h%d", i)), fmt.Sprintf("FOR VALUES WITH (MODULUS %d, REMAINDER %d)", w.o.Hash, i)}
	}
	return all
}

func (w *partitioner) inTenant() string { return "FOR VALUES IN (" + w.know.literal + ")" }

func (w *partitioner) by() string {
	strategy := "LIST"
	if w.o.Hash > 0 {
		strategy = "HASH"
	}
	return fmt.Sprintf("PARTITION BY %s (%s)", strategy, sqltext.Ident(w.t.column))
}

// like writes a new table with the columns, defaults and checks of another.
func like(name, other catalog.QName, tail string) string {
	return strings.TrimSpace(fmt.Sprintf("CREATE TABLE %s (LIKE %s INCLUDING ALL EXCLUDING INDEXES EXCLUDING IDENTITY) %s",
		name.SQL(), other.SQL(), tail))
}

// closed gives a new table its owner and closes it: only its parent is read.
func (w *partitioner) closed(q catalog.QName) []string {
	sql := []string{fmt.Sprintf("ALTER TABLE %s OWNER TO %s", q.SQL(), sqltext.Ident(w.rel.Owner)), "REVOKE ALL ON " +
		q.SQL() + " FROM PUBLIC"}
	for _, role := range w.grantees() {
		sql = append(sql, fmt.Sprintf("REVOKE ALL ON %s FROM %s", q.SQL(), sqltext.Role(role)))
	}
	// The operator dumps tables one by one.
	for _, h := range w.rel.Privileges {
		if h.Grantee == w.c.Roles.Operator {
			sql = append(sql, grant(h, "TABLE "+q.SQL()))
		}
	}
	return append(sql, policy.Enable(q)...)
}

// grantees are all who have rights on the table or its columns, or get them on new tables,
// but for its owner.
func (w *partitioner) grantees() []string {
	var all []string
	add := func(role string) {
		if role != w.rel.Owner && role != "" && !slices.Contains(all, role) {
			all = append(all, role)
		}
	}
	for _, h := range heldOn(w.rel) {
		add(h.Grantee)
	}
	for _, d := range w.s.Defaults {
		if d.Object == "tables" {
			add(d.Privilege.Grantee)
		}
	}
	return all
}

// stored are the storage parameters, which a partitioned table cannot have itself.
func (w *partitioner) stored(q catalog.QName) []string {
	if len(w.know.options) == 0 {
		return nil
	}
	return []string{fmt.Sprintf("ALTER TABLE %s SET (%s)", q.SQL(), strings.Join(w.know.options, ", "))}
}

// indexes creates those of the table on another, under names made by rename.
func (w *partitioner) indexes(on catalog.QName, rename func(string) string) (sql []string) {
	for _, x := range w.rel.Indexes {
		if late(x) && on != w.rel.QName() {
			continue
		}
		if k := w.rel.Constraint(x.Name); k != nil && x.Constraint {
			sql = append(sql, fmt.Sprintf("ALTER TABLE %s ADD CONSTRAINT %s %s", on.SQL(), sqltext.Ident(rename(x.Name)),
				k.Definition))
			continue
		}
		sql = append(sql, reindexed(x.Definition, rename(x.Name), on, ""))
	}
	return sql
}

// reindexed writes CREATE INDEX, as the server prints it, for another name and table.
func reindexed(definition, name string, on catalog.QName, only string) string {
	tokens := sqltext.Code(definition)
	for i, t := range tokens {
		if !t.Is("on") || i+3 >= len(tokens) {
			continue
		}
		first := i + 1
		if tokens[first].Is("only") {
			first++
		}
		return definition[:tokens[i-1].Pos] + sqltext.Ident(name) + " ON " + only + on.SQL() +
			definition[tokens[first+2].End:]
	}
	return definition
}

// foreignKeys are the table's own, on another table.
func (w *partitioner) foreignKeys(on catalog.QName) (sql []string) {
	for i := range w.rel.Constraints {
		if k := &w.rel.Constraints[i]; k.Type == catalog.ForeignKey {
			sql = append(sql, addKey(on, k, ""))
		}
	}
	return sql
}

func addKey(on catalog.QName, k *catalog.Constraint, tail string) string {
	definition, _, _ := strings.Cut(k.Definition, " NOT VALID")
	return fmt.Sprintf("ALTER TABLE %s ADD CONSTRAINT %s %s%s", on.SQL(), sqltext.Ident(k.Name), definition, tail)
}

// dropKeys takes away the keys that refer to the table, and addKeys brings them back for
// whichever table has its name, to be validated later.
func (w *partitioner) dropKeys() (sql []string) {
	for _, r := range w.References(w.rel.QName()) {
		sql = append(sql, dropConstraint(r.From.QName(), r.Key.Name))
	}
	return sql
}

func (w *partitioner) addKeys() (sql []string) {
	for _, r := range w.References(w.rel.QName()) {
		sql = append(sql, addKey(r.From.QName(), r.Key, " NOT VALID"))
	}
	return sql
}

func (w *partitioner) validateKeys() (sql []string) {
	for _, r := range w.References(w.rel.QName()) {
		sql = append(sql, fmt.Sprintf("ALTER TABLE %s VALIDATE CONSTRAINT %s", r.From.QName().SQL(),
			sqltext.Ident(r.Key.Name)))
	}
	return sql
}

// opened gives the partitioned table, under its name, what lets its users in: policies and
// grants, in this order.
func (w *partitioner) opened() []string {
	q := w.rel.QName()
	sql := policy.Enable(q)
	for _, p := range w.rel.Policies {
		sql = append(sql, policy.Create(q, p.Name, p.Permissive, p.Command, p.Roles, w.isolating(p.Using),
			w.isolating(p.Check)))
	}
	if w.guardExists() {
		sql = append(sql, fmt.Sprintf("SELECT moat.remember(%s::regclass)", sqltext.Literal(q.SQL())))
	}
	return append(sql, w.grantsTo(q)...)
}

// grantsTo gives a table the rights that the table has.
func (w *partitioner) grantsTo(q catalog.QName) (sql []string) {
	for _, h := range heldOn(w.rel) {
		if h.Grantee != w.rel.Owner {
			sql = append(sql, grant(h, "TABLE "+q.SQL()))
		}
	}
	return sql
}

func grant(h catalog.Privilege, object string) string {
	sql := fmt.Sprintf("GRANT %s ON %s TO %s", h.Name, object, sqltext.Role(h.Grantee))
	if h.Grantable {
		sql += " WITH GRANT OPTION"
	}
	return sql
}

func (w *partitioner) revokeFrom(q catalog.QName) (sql []string) {
	for _, role := range append(w.grantees(), "") {
		sql = append(sql, fmt.Sprintf("REVOKE ALL ON %s FROM %s", q.SQL(), sqltext.Role(role)))
	}
	return sql
}

// triggers creates the table's own on whichever table has its name, in the state they are
// in.
func (w *partitioner) triggers() (sql []string) {
	sql = append(sql, list.Map(w.rel.Triggers, func(g catalog.Trigger) string { return g.Definition })...)
	return append(sql, w.triggerStates()...)
}

func (w *partitioner) triggerStates() (sql []string) {
	for _, g := range w.rel.Triggers {
		state := map[string]string{"origin": "ENABLE", "always": "ENABLE ALWAYS", "replica": "ENABLE REPLICA",
			"disabled": "DISABLE"}[g.Enabled]
		sql = append(sql, fmt.Sprintf("ALTER TABLE %s %s TRIGGER %s", w.rel.QName().SQL(), state, sqltext.Ident(g.Name)))
	}
	return sql
}

// views creates those that read the table again: they go by its identity, not by its name.
func (w *partitioner) views() (sql []string) {
	for _, d := range w.ReadBy(w.rel.QName()) {
		v := w.Relation(d.From)
		if v == nil || v.Kind != catalog.View {
			continue
		}
		create := "CREATE OR REPLACE VIEW " + v.QName().SQL() + viewOptions(v) + " AS\n" +
			strings.TrimRight(strings.TrimSpace(v.Definition), ";")
		if !slices.Contains(sql, create) {
			sql = append(sql, create)
		}
	}
	return sql
}

func viewOptions(v *catalog.Relation) string {
	var options []string
	if v.SecurityInvoker {
		options = append(options, "security_invoker = true")
	}
	if v.SecurityBarrier {
		options = append(options, "security_barrier = true")
	}
	if v.CheckOption != "" {
		options = append(options, "check_option = "+v.CheckOption)
	}
	if len(options) == 0 {
		return ""
	}
	return " WITH (" + strings.Join(options, ", ") + ")"
}

// described is the table's own comment; the rest of them are known.
func (w *partitioner) described() []string {
	if w.rel.Comment == "" {
		return w.know.comments
	}
	return append([]string{fmt.Sprintf("COMMENT ON TABLE %s IS %s", w.rel.QName().SQL(), sqltext.Literal(w.rel.Comment))},
		w.know.comments...)
}

// numbered moves identity columns and the sequences of serial ones from one table to
// another, with the number they have come to. from holds the old sequences' schema.
func (w *partitioner) numbered(from, to catalog.QName, fromSequence func(string) catalog.QName) (sql []string) {
	for _, c := range w.rel.Columns {
		i, ok := w.know.identity[c.Name]
		if !ok {
			continue
		}
		column, now := sqltext.Ident(c.Name), catalog.QName{Schema: to.Schema, Name: i.Name}
		sql = append(sql, fmt.Sprintf("ALTER TABLE %s ALTER COLUMN %s %s", to.SQL(), column, i.generated(to.Schema,
			strings.ToUpper(c.Identity))),
			fmt.Sprintf("SELECT pg_catalog.setval(%s, s.last_value, s.is_called) FROM %s s", sqltext.Literal(now.SQL()),
				fromSequence(i.Name).SQL()),
			fmt.Sprintf("ALTER TABLE %s ALTER COLUMN %s DROP IDENTITY", from.SQL(), column))
		if seq := w.Relation(catalog.QName{Schema: w.rel.Schema, Name: i.Name}); seq != nil {
			for _, h := range seq.Privileges {
				if h.Grantee != seq.Owner {
					sql = append(sql, grant(h, "SEQUENCE "+now.SQL()))
				}
			}
		}
	}
	return sql
}

// serials are the sequences that serial columns own.
func (w *partitioner) serials() (all []*catalog.Relation) {
	for r := range catalog.Each(w.s.Relations) {
		if r.OwnedBy != nil && r.OwnedBy.Relation == w.rel.QName() {
			if _, identity := w.know.identity[r.OwnedBy.Column]; !identity {
				all = append(all, r)
			}
		}
	}
	return all
}

func (w *partitioner) ownSerials(by string) (sql []string) {
	for _, seq := range w.serials() {
		owner := by
		if owner != "NONE" {
			owner += "." + sqltext.Ident(seq.OwnedBy.Column)
		}
		sql = append(sql, fmt.Sprintf("ALTER SEQUENCE %s OWNED BY %s", seq.QName().SQL(), owner))
	}
	return sql
}

// renameIndexes renames the table's indexes, and with them its constraints.
func (w *partitioner) renameIndexes(schema string, from, to func(string) string) (sql []string) {
	for _, x := range w.rel.Indexes {
		sql = append(sql, fmt.Sprintf("ALTER INDEX %s RENAME TO %s", catalog.QName{Schema: schema,
			Name: from(x.Name)}.SQL(), sqltext.Ident(to(x.Name))))
	}
	return sql
}

func same(name string) string { return name }
func suffixed(suffix string) func(string) string {
	return func(n string) string { return sqltext.Name(n, suffix) }
}
