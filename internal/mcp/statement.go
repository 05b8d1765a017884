package mcp

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/api"
	"github.com/moat-db/moat/internal/sqltext"
)

// statement is an agent's, read as far as it must be: the server reads the rest.
type statement struct {
	sql string
	// words are its identifiers and keywords, as names; operators its symbols.
	words, operators []string
}

func refuse(text string, args ...any) error { return api.Refuse(text, args...) }

// parse takes one SELECT, VALUES, TABLE or WITH. More than one is the server's to refuse: it parses
// a single statement, whatever this reading makes of the text.
func parse(sql string) (statement, error) {
	tokens := sqltext.Code(sql)
	for len(tokens) > 0 && tokens[len(tokens)-1].Is(";") {
		tokens = tokens[:len(tokens)-1]
	}
	if len(tokens) == 0 {
		return statement{}, errors.New("there is no statement")
	}
	if first := tokens[0].Name(); tokens[0].Kind != sqltext.Word || first != "select" && first != "with" &&
		first != "values" && first != "table" {
		return statement{}, errors.New("only a SELECT can be run")
	}
	s := statement{sql: sql[:tokens[len(tokens)-1].End]}
	for _, t := range tokens {
		switch {
		case t.Kind == sqltext.Quoted && t.Text[0] != '"':
			return statement{}, errors.New(`names are written as they are, not as U&"…"`)
		case t.IsName():
			s.words = append(s.words, t.Name())
		case t.Kind == sqltext.Symbol:
			s.operators = append(s.operators, t.Text)
		case t.Kind == sqltext.Param:
			return statement{}, errors.New("the statement has parameters, and no values come with it")
		}
	}
	return s, nil
}

// volatileQuery finds a name of the statement that stands for something volatile: a function, also
// one that is called like a column, an operator, or a cast to a type. Functions that run a text as
// SQL count, whatever they are declared as: the text could call one.
const volatileQuery = `
select kind, name from (
	select 'function' as kind, proname::text as name from pg_catalog.pg_proc
		where proname = any ($1) and (provolatile = 'v' or pronamespace = 'pg_catalog'::regnamespace and
			proname::text ~ '(_to_xml|_to_xmlschema|_to_xml_and_xmlschema)$|^ts_stat$|^ts_rewrite$')
			and prorettype not in ('trigger'::regtype, 'event_trigger'::regtype)
	union all
	select 'operator', oprname::text from pg_catalog.pg_operator o join pg_catalog.pg_proc p on p.oid = o.oprcode
		where oprname = any ($2) and provolatile = 'v'
	union all
	select 'cast to', typname::text from pg_catalog.pg_cast c join pg_catalog.pg_proc p on p.oid = c.castfunc
		join pg_catalog.pg_type t on t.oid = c.casttarget
		where typname = any ($1) and provolatile = 'v'
) s order by kind, name limit 1`

func (s statement) refuseVolatile(ctx context.Context, tx pgx.Tx) error {
	var kind, name string
	err := tx.QueryRow(ctx, volatileQuery, s.words, s.operators).Scan(&kind, &name)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	return refuse("the %s %s is volatile or runs SQL of its own, and an agent's statement calls none", kind, name)
}
