package why

import (
	"fmt"
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/sqltext"
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

// causeOfName is for a name that means nothing to the application.
func (a *asker) causeOfName() Cause {
	for r := range catalog.Each(a.view.Snapshot.Relations) {
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
