package why

import (
	"fmt"
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/sqltext"
	"github.com/moat-db/moat/policy"
)

// causeOfRefusal goes by the code of the error, which is the same in every language.
func (a *asker) causeOfRefusal() Cause {
	if a.err == nil {
		return a.causeOfBinding()
	}
	code := a.err.Code
	switch {
	case code == "42501":
		return a.causeOfDenial()
	case code == "23503":
		return a.causeOfForeignKey()
	case code == "23505", code == "23P01":
		return a.causeOfUniqueKey()
	case code == "23502":
		return a.causeOfNull()
	case code == "23514":
		return a.constraint(Check, "The row does not meet the constraint %s of %s.")
	case code == "42P01", code == "42883", code == "3F000":
		return a.causeOfName()
	case code == "42704" || code[:2] == "22":
		return a.causeOfSetting()
	case code == "42P17":
		return Cause{Recursion, "", "A policy of one of the tables reads its own table, by itself or through another.",
			"Ask the other table through a SECURITY DEFINER function; moat explain policy-recursion."}
	case code == "25006":
		return a.causeOfReadOnly()
	case code == "57014":
		return a.causeOfTime()
	case code == "0A000" && a.verb() == "COPY":
		return Cause{CopyFrom, "", "PostgreSQL refuses COPY FROM into a table whose policies bind the role.",
			"INSERT … SELECT FROM unnest(…) writes many rows in one statement."}
	case code == "55000":
		return a.causeOfState()
	}
	return a.causeOfTrigger()
}

// causeOfDenial tells a missing grant from a row that a policy's WITH CHECK refused: the
// server says which of its functions refused.
func (a *asker) causeOfDenial() Cause {
	if strings.HasPrefix(a.err.Routine, "ExecWithCheckOptions") {
		return a.causeOfCheck()
	}
	if strings.HasPrefix(a.err.Routine, "exec_stmt_raise") {
		return a.causeOfTrigger()
	}
	var found []Cause
	for _, r := range a.reads {
		if !r.late {
			found = append(found, a.missing(r)...)
		}
	}
	if len(found) == 0 {
		found = append(found, a.missingSchemas()...)
	}
	if len(found) == 0 {
		found = append(found, a.missingElse()...)
	}
	if len(found) == 0 {
		return Cause{}
	}
	return found[0] // each of them is needed
}

// missing are the rights on a relation that its role lacks.
func (a *asker) missing(r *reading) []Cause {
	kind, q := GrantTable, r.rel.QName()
	if !a.view.HasSchemaPrivilege(r.role, q.Schema, "USAGE") && r.role == a.session.role {
		return []Cause{grantSchema(r.role, q.Schema)}
	}
	for _, right := range r.rights() {
		if !a.view.HasTablePrivilege(r.role, r.rel, right) {
			c := Cause{kind, r.Name, fmt.Sprintf("%s has no %s on %s.", r.role, right, r.Name),
				fmt.Sprintf("GRANT %s ON %s TO %s;", right, q.SQL(), sqltext.Ident(r.role))}
			if r.role != a.session.role {
				c.Kind = ViewOwner
				c.Text = fmt.Sprintf("A view reads %s with the rights of its owner, %s, which has no %s on it.", r.Name, r.role,
					right)
			}
			return []Cause{c}
		}
		if lacks := a.lacking(r, right); len(lacks) > 0 {
			return []Cause{{GrantColumn, r.Name, fmt.Sprintf("%s may %s some columns of %s, not %s.", r.role, right, r.Name,
				strings.Join(lacks, ", ")), fmt.Sprintf("Name only the other columns, or GRANT %s (%s) ON %s TO %s;", right,
				sqltext.Idents(lacks), q.SQL(), sqltext.Ident(r.role))}}
		}
	}
	return nil
}

// rights are those that a statement needs on a relation. To name rows needs SELECT too, but
// a DELETE without WHERE does not.
func (r *reading) rights() []string {
	switch r.Command {
	case "COPY":
		return []string{"INSERT"}
	case "MERGE":
		return []string{"SELECT"}
	case "SELECT":
		return []string{"SELECT"}
	case "INSERT":
		return r.inserting
	}
	return []string{r.Command, "SELECT"}
}

// lacking are the columns that the statement may have named and that the role has no right
// on, where it has one on others: all of them for a star, else those that are named.
func (a *asker) lacking(r *reading, right string) []string {
	var named, all []string
	for _, c := range r.rel.Columns {
		if a.view.HasColumnPrivilege(r.role, r.rel, c.Name, right) {
			continue
		}
		all = append(all, c.Name)
		if a.names(c.Name) {
			named = append(named, c.Name)
		}
	}
	star := slices.ContainsFunc(sqltext.Code(a.SQL), func(t sqltext.Token) bool { return t.Is("*") })
	if len(named) == 0 && star && right == "SELECT" {
		return all
	}
	return named
}

func grantSchema(role, schema string) Cause {
	return Cause{GrantSchema, schema, fmt.Sprintf("%s has no USAGE on the schema %s.", role, schema),
		fmt.Sprintf("GRANT USAGE ON SCHEMA %s TO %s;", sqltext.Ident(schema), sqltext.Ident(role))}
}

// missingSchemas are schemas that the statement names and the role may not use.
func (a *asker) missingSchemas() []Cause {
	var all []Cause
	for _, s := range a.view.Snapshot.Schemas {
		if a.names(s.Name) && !a.view.HasSchemaPrivilege(a.session.role, s.Name, "USAGE") {
			all = append(all, grantSchema(a.session.role, s.Name))
		}
	}
	return all
}

// missingElse are sequences of the tables written, and functions named.
func (a *asker) missingElse() []Cause {
	var all []Cause
	for i := range a.view.Snapshot.Relations {
		s := &a.view.Snapshot.Relations[i]
		if s.Kind == catalog.Sequence && a.draws(s) && !a.view.HasTablePrivilege(a.session.role, s, "USAGE") &&
			!a.view.HasTablePrivilege(a.session.role, s, "UPDATE") {
			all = append(all, Cause{GrantSequence, s.QName().String(), fmt.Sprintf("%s has no USAGE on the sequence %s.",
				a.session.role, s.QName()), fmt.Sprintf("GRANT USAGE ON SEQUENCE %s TO %s;", s.QName().SQL(),
				sqltext.Ident(a.session.role))})
		}
	}
	for i := range a.view.Snapshot.Functions {
		f := &a.view.Snapshot.Functions[i]
		if !f.System && a.calls(f.Name) && !a.view.HasFunctionPrivilege(a.session.role, f) {
			all = append(all, Cause{GrantFunction, f.Signature(), fmt.Sprintf("%s has no EXECUTE on %s.", a.session.role,
				f.Signature()), fmt.Sprintf("GRANT EXECUTE ON FUNCTION %s TO %s;", f.Signature(), sqltext.Ident(a.session.role))})
		}
	}
	return all
}

// draws reports whether the statement inserts into a table whose default draws from a
// sequence. An identity column needs no right on its own.
func (a *asker) draws(s *catalog.Relation) bool {
	if a.names(s.Name) {
		return true
	}
	return slices.ContainsFunc(a.reads, func(r *reading) bool {
		return r.Command == "INSERT" && slices.ContainsFunc(r.rel.Columns, func(c catalog.Column) bool {
			return c.Identity == "" && strings.Contains(c.Default, "nextval(") && strings.Contains(c.Default, s.Name)
		})
	})
}

// causeOfCheck explains a row that a WITH CHECK refused.
func (a *asker) causeOfCheck() Cause {
	if c := a.causeOfUnset(); c.Kind != "" {
		return c
	}
	r := a.written()
	if r == nil {
		return Cause{}
	}
	for _, command := range r.commands() {
		if e := a.view.Effective(r.rel, r.role, command); e.Denied {
			return a.denied(r, command)
		}
	}
	if p := a.blamed(r); p != nil && !a.walls(r, p) {
		return Cause{WithCheck, r.Name + "." + p.Name, fmt.Sprintf("The row that the statement leaves in %s does not meet "+
			"the policy %s: %s.", r.Name, p.Name, p.WriteExpr().Text), ""}
	} else if p == nil && !a.wallAlone(r) {
		return Cause{}
	}
	column := a.tenantColumn(r)
	if column == nil {
		return Cause{}
	}
	if a.verb() == "INSERT" && !a.names(column.Name) && column.Default == "" && hasColumnList(a.SQL) {
		return Cause{WithCheck, r.Name, fmt.Sprintf("The row has no tenant: the statement does not give %s, and the column "+
			"has no default.", column.Name), "moat protect gives the column a default, the current tenant."}
	}
	return Cause{WithCheck, r.Name, fmt.Sprintf("The row that the statement leaves in %s is not the tenant's: %s has "+
		"another value.", r.Name, column.Name), "Leave " + column.Name + " out, so that its default fills it, or bind " +
		"the tenant whose row it is."}
}

// hasColumnList reports whether an INSERT names its columns.
func hasColumnList(sql string) bool {
	tokens := sqltext.Code(sql)
	at := slices.IndexFunc(tokens, func(t sqltext.Token) bool { return t.Is("into") })
	for i := at + 1; at >= 0 && i < len(tokens); i++ {
		switch {
		case tokens[i].Is("("):
			return true
		case tokens[i].Is("values"), tokens[i].Is("select"), tokens[i].Is("default"):
			return false
		}
	}
	return false
}

// written is the one table that the statement writes.
func (a *asker) written() *reading {
	var found *reading
	for _, r := range a.reads {
		if r.Command != "SELECT" && !r.late && r.rel.IsTable() {
			if found != nil {
				return nil
			}
			found = r
		}
	}
	return found
}

// blamed is the restrictive policy that the server names, in whatever language; nil for
// none, or more than one that it may be.
func (a *asker) blamed(r *reading) *catalog.Policy {
	var found *catalog.Policy
	restrictive, _ := a.policies(r)
	for _, p := range restrictive {
		if !strings.Contains(a.err.Message, p.Name) {
			continue
		}
		if found != nil {
			return nil
		}
		found = p
	}
	return found
}

// walls reports whether a policy asks of a row that is written that it is the tenant's, and
// nothing else.
func (a *asker) walls(r *reading, p *catalog.Policy) bool {
	e := p.WriteExpr()
	return e != nil && a.view.Judge(e, r.rel).Isolates && len(e.Root.Conjuncts()) == 1
}

// wallAlone reports whether the tenant's wall is the only condition on what is written. What
// reads rows asks the policies of SELECT of the new row too.
func (a *asker) wallAlone(r *reading) bool {
	restrictive, permissive := a.policies(r)
	walls := 0
	for _, p := range slices.Concat(restrictive, permissive) {
		if p.Command == "DELETE" {
			continue
		}
		e := p.WriteExpr()
		switch {
		case a.walls(r, p):
			walls++
		case e != nil && !a.view.Judge(e, r.rel).AlwaysTrue && policy.GateRoles(p.Using) == nil:
			return false
		}
	}
	return walls > 0
}

func (a *asker) constraint(kind Kind, format string) Cause {
	table := catalog.QName{Schema: a.err.SchemaName, Name: a.err.TableName}
	return Cause{Kind: kind, Object: table.String() + "." + a.err.ConstraintName,
		Text: fmt.Sprintf(format, a.err.ConstraintName, table)}
}

// failing is the constraint that the server names.
func (a *asker) failing() (*catalog.Relation, *catalog.Constraint) {
	r := a.view.Relation(catalog.QName{Schema: a.err.SchemaName, Name: a.err.TableName})
	if r == nil {
		return nil, nil
	}
	return r, r.Constraint(a.err.ConstraintName)
}

func (a *asker) causeOfForeignKey() Cause {
	r, key := a.failing()
	if key == nil {
		return Cause{}
	}
	c := a.constraint(ForeignKey, "The key %s of %s refused it.")
	parent := key.References.String()
	if w := a.written(); w != nil && w.rel.QName() == key.References && w.rel != r {
		c.Text = fmt.Sprintf("Rows of %s still refer to the row of %s (key %s).", r.QName(), parent, key.Name)
		c.Fix = "Delete them first, or give the key ON DELETE CASCADE."
		return c
	}
	if slices.Contains(key.Columns, a.view.TenantColumn(r)) {
		c.Text = fmt.Sprintf("The tenant has no such row in %s: it is another tenant's, or nobody's (key %s of %s).", parent,
			key.Name, r.QName())
		c.Fix = "moat why 'SELECT … FROM " + parent + " WHERE …' says which."
		return c
	}
	c.Text = fmt.Sprintf("There is no such row in %s, of any tenant (key %s of %s).", parent, key.Name, r.QName())
	return c
}

func (a *asker) causeOfUniqueKey() Cause {
	r := a.view.Relation(catalog.QName{Schema: a.err.SchemaName, Name: a.err.TableName})
	if r == nil {
		return Cause{}
	}
	c := a.constraint(UniqueKey, "The key %s of %s is taken.")
	for i := range r.Indexes {
		if r.Indexes[i].Name != a.err.ConstraintName {
			continue
		}
		if own := a.view.TenantColumn(r); own != "" && slices.Contains(r.Indexes[i].Columns(), own) {
			c.Text = fmt.Sprintf("The tenant has a row with this key already (%s of %s); a policy may hide it.",
				r.Indexes[i].Name, r.QName())
			return c
		}
		c.Text = fmt.Sprintf("A row of some tenant has this key already: %s of %s is for all tenants together.",
			r.Indexes[i].Name, r.QName())
		c.Fix = "Begin the key with the tenant column: moat explain key-unique."
	}
	return c
}

func (a *asker) causeOfNull() Cause {
	r := a.view.Relation(catalog.QName{Schema: a.err.SchemaName, Name: a.err.TableName})
	if r == nil {
		return Cause{}
	}
	c := Cause{Kind: NotNull, Object: r.QName().String() + "." + a.err.ColumnName,
		Text: fmt.Sprintf("%s of %s has no value.", a.err.ColumnName, r.QName())}
	if a.err.ColumnName != a.view.TenantColumn(r) {
		return c
	}
	if a.Scope.Tenant == "" && len(a.Settings) == 0 {
		return Cause{NoTenant, c.Object, fmt.Sprintf("No tenant is bound, so that %s gets no value.", c.Object),
			"Bind the tenant in the transaction, before the statement; here, --tenant does it."}
	}
	c.Fix = "moat protect gives the column a default, the current tenant."
	return c
}

// causeOfName is for a name that means nothing to the application.
func (a *asker) causeOfName() Cause {
	for i := range a.view.Snapshot.Relations {
		r := &a.view.Snapshot.Relations[i]
		if !a.names(r.Name) || r.Kind == catalog.Sequence {
			continue
		}
		if !a.view.HasSchemaPrivilege(a.session.role, r.Schema, "USAGE") {
			return grantSchema(a.session.role, r.Schema)
		}
		if !slices.Contains(a.session.path, r.Schema) && !a.names(r.Schema) {
			return Cause{SearchPath, r.QName().String(), fmt.Sprintf("%s is not in the search_path of %s (%s).", r.QName(),
				a.session.role, strings.Join(a.session.path, ", ")), "Name it with its schema, or ALTER ROLE " +
				sqltext.Ident(a.session.role) + " SET search_path = " + sqltext.Ident(r.Schema) + ", …;"}
		}
	}
	if a.err.Code != "42P01" {
		return Cause{}
	}
	return Cause{NoTable, "", "No table or view has that name.", ""}
}

// causeOfSetting is for an error that reading a setting may have raised.
func (a *asker) causeOfSetting() Cause {
	for _, r := range a.reads {
		for _, j := range a.judgements(r) {
			if j.RaisesWhenUnset {
				return a.causeOfUnset()
			}
		}
	}
	return Cause{}
}

func (a *asker) causeOfReadOnly() Cause {
	if a.session.standby {
		return Cause{Replica, "", "The application's connection leads to a standby, which writes nothing.",
			"Write over the primary's connection: target_session_attrs=read-write chooses it."}
	}
	if a.session.readOnly {
		return Cause{ReadOnly, "", "The transactions of " + a.session.role + " only read: " +
			"default_transaction_read_only is on.",
			"ALTER ROLE … RESET default_transaction_read_only, or use another role for writing."}
	}
	return Cause{}
}

func (a *asker) causeOfTime() Cause {
	if a.session.timeout == "0" {
		return Cause{Kind: CannotTell, Text: fmt.Sprintf("It took longer than %s, the limit of this look.", a.Timeout)}
	}
	return Cause{TimeLimit, "statement_timeout", "It took longer than the application's statement_timeout, " +
		a.session.timeout + ".", "Is there an index that begins with the tenant column? moat audit says."}
}

func (a *asker) causeOfState() Cause {
	for _, r := range a.reads {
		if r.rel.Kind == catalog.MaterializedView {
			return Cause{NotFilled, r.Name, "The materialized view " + r.Name + " was never filled.",
				"REFRESH MATERIALIZED VIEW " + r.rel.QName().SQL() + ";"}
		}
	}
	return a.causeOfTrigger()
}

// causeOfTrigger finds the trigger whose function the error came out of.
func (a *asker) causeOfTrigger() Cause {
	for _, r := range a.reads {
		for _, t := range r.rel.Triggers {
			in := strings.Contains(a.err.Where, t.Function.Name+"(") || strings.Contains(a.err.Where, t.Function.SQL()+"(")
			if t.Enabled != "disabled" && in {
				return Cause{Trigger, r.Name + "." + t.Name, fmt.Sprintf("The trigger %s of %s refused it, by %s: %s.", t.Name,
					r.Name, t.Function, a.err.Message), ""}
			}
		}
	}
	return Cause{}
}
