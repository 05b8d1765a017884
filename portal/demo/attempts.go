package demo

import (
	"slices"
	"strings"

	"github.com/moat-db/moat/internal/sqltext"
	"github.com/moat-db/moat/portal/internal/schema"
)

// attempt is a statement to try.
type attempt struct{ Title, SQL string }

// attempts are statements on a table for a visitor who wants another's rows.
func attempts(t *schema.Table, setting, tenant string, other Client) []attempt {
	column, label := sqltext.Ident(t.Tenant), "*"
	shown := []string{column}
	if t.Label != nil {
		label = t.Label.SQL()
		shown = append(shown, label)
	}
	fill := strings.NewReplacer(
		"{table}", t.SQL(), "{column}", column, "{label}", label, "{list}", strings.Join(shown, ", "),
		"{own}", sqltext.Literal(tenant), "{theirs}", sqltext.Literal(string(other.Tenant)),
		"{setting}", sqltext.Literal(setting))
	out := []attempt{
		{"Read everything", "select {list}\nfrom {table}\nlimit 20"},
		{"Ask for " + other.Name, "select {list}\nfrom {table}\nwhere {column} = {theirs}"},
		{"Or true", "select {list}\nfrom {table}\nwhere {column} = {theirs} or true\nlimit 20"},
		{"Count by client", "select {column}, count(*)\nfrom {table}\ngroup by {column}"},
		{"Change their rows", "update {table}\nset {column} = {own}\nwhere {column} = {theirs}\nreturning {list}"},
		{"Turn row-level security off", "alter table {table} disable row level security"},
		{"Leak through an error", "select 1 / (case when {label}::text like 'A%' then 0 else 1 end), {column}\n" +
			"from {table}\nwhere {column} = {theirs}"},
		{"Forge the setting", "select set_config({setting}, {theirs}, true)"},
		{"Forge, then read", "with forged as materialized (\n  select set_config({setting}, {theirs}, true) as id\n)\n" +
			"select {list}\nfrom forged cross join lateral (\n" +
			"  select * from {table} where {column}::text = forged.id limit 20\n) t"},
	}
	for i := range out {
		out[i].SQL = fill.Replace(out[i].SQL)
	}
	return out
}

// unfit says why a statement is not run: because this page could not show or undo it,
// not because the moat could not stand it.
func unfit(sql string) string {
	if len(sql) > maxSQL {
		return "The statement is too long: use at most 20,000 characters."
	}
	statements, first := 0, ""
	for _, s := range sqltext.Split(sql) {
		code := sqltext.Code(s.Text)
		if len(code) == 0 {
			continue
		}
		statements++
		if first == "" {
			first = strings.ToLower(code[0].Text)
		}
	}
	transaction := []string{"begin", "start", "commit", "end", "rollback", "abort", "savepoint", "release"}
	switch {
	case statements == 0:
		return "There is no statement to run."
	case statements > 1:
		return "One statement at a time, please."
	case slices.Contains(transaction, first):
		return "Everything you try here is rolled back, so the page begins and ends the transaction itself."
	case first == "copy":
		return "COPY returns plain text, and this page could not say whose rows are in it. " +
			"Row-level security applies to COPY TO as it does to SELECT, and COPY FROM is refused."
	}
	return ""
}
