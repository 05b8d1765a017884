package cli

import (
	"errors"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/sqltext"
	"github.com/moat-db/moat/policy"
)

// judge says whose a row is. What a row says of itself proves nothing: a column may be
// called as the tenant's is. Where it comes from is what the server says.
type judge struct {
	view   *policy.View
	tenant moat.Tenant
}

// finding is what came of one try: rows of other tenants, and why there may be more.
type finding struct {
	others int
	doubts []string
}

func (f *finding) doubt(text string) {
	if !slices.Contains(f.doubts, text) {
		f.doubts = append(f.doubts, text)
	}
}

// refused doubts an error whose text can quote a value: that of a cast or a RAISE.
func (f *finding) refused(err error) {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) || strings.HasPrefix(pg.Code, "22") || strings.HasPrefix(pg.Code, "P0") {
		f.doubt("the error's text can hold a value, and nothing says whose")
	}
}

// sources are the tables that the columns of a result come from.
type sources struct {
	judge
	tables   []*source
	computed []int // columns that are no table's
	names    []string
}

// source is one table, or view over it, with the columns that show it.
type source struct {
	shown   uint32 // the relation that the statement names
	table   *catalog.Relation
	columns []int
	tenant  int // the column that says whose a row is; -1 where none is shown
}

func (j judge) sources(fields []pgconn.FieldDescription) *sources {
	s := &sources{judge: j}
	for i, f := range fields {
		s.names = append(s.names, f.Name)
		table, column := j.view.Origin(j.view.Numbered(catalog.OID(f.TableOID), int16(f.TableAttributeNumber)))
		if table == nil {
			s.computed = append(s.computed, i)
			continue
		}
		one := s.of(f.TableOID, table)
		one.columns = append(one.columns, i)
		if column.Name == j.view.TenantColumn(table) {
			one.tenant = i
		}
	}
	return s
}

func (s *sources) of(shown uint32, table *catalog.Relation) *source {
	for _, t := range s.tables {
		if t.shown == shown && t.table == table {
			return t
		}
	}
	s.tables = append(s.tables, &source{shown: shown, table: table, tenant: -1})
	return s.tables[len(s.tables)-1]
}

// whose says in a word who owns a row, and notes what speaks against the moat.
func (s *sources) whose(row [][]byte, found *finding) string {
	whose := "own"
	for _, t := range s.tables {
		switch doubt := s.doubt(t, row); {
		case t.tenant >= 0 && row[t.tenant] != nil && !s.isOwn(string(row[t.tenant])):
			found.others++
			return "OTHER"
		case doubt != "":
			found.doubt(doubt)
			whose = "?"
		}
	}
	for _, i := range s.computed {
		if row[i] != nil {
			found.doubt("nothing says whose the value of " + s.names[i] + " is: it is no table's column")
			whose = "?"
		}
	}
	return whose
}

// doubt says why a row's part from one table can be anybody's, and "" where it cannot.
func (s *sources) doubt(t *source, row [][]byte) string {
	name := t.table.QName()
	column := s.view.TenantColumn(t.table)
	// An outer join that found nothing leaves every column empty.
	holds := slices.ContainsFunc(t.columns, func(i int) bool { return row[i] != nil })
	switch {
	case s.view.Class(name) == catalog.SharedTable, !holds:
		return ""
	case column == "":
		return name.String() + " has no tenant column"
	case t.tenant < 0:
		return "select " + column + " of " + name.String() + " too"
	case row[t.tenant] == nil:
		return "a row of " + name.String() + " has no tenant"
	}
	return ""
}

// isOwn compares as the column's type does: only a uuid has several spellings.
func (s *sources) isOwn(value string) bool {
	return value == string(s.tenant) || s.view.Model.Type == "uuid" && strings.EqualFold(value, string(s.tenant))
}

// readsNothing says whether a statement answers with what it says itself, or with a
// setting: it names no table, and calls nothing that could.
func readsNothing(statement string) bool {
	code := sqltext.Code(statement)
	if len(code) == 0 || !code[0].Is("select") && !code[0].Is("show") {
		return false
	}
	for i, t := range code {
		called := i+1 < len(code) && code[i+1].Is("(") && t.IsName()
		qualified := i > 0 && code[i-1].Is(".") && !(i > 1 && code[i-2].Name() == "pg_catalog")
		setting := t.Name() == "set_config" || t.Name() == "current_setting"
		if t.Is("from") || t.Is("table") || t.Is("into") || i > 0 && t.Is("select") || called && (qualified || !setting) {
			return false
		}
	}
	return true
}
