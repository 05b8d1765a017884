package plan

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/moat-db/moat/api/internal/problem"
	"github.com/moat-db/moat/api/internal/query"
	"github.com/moat-db/moat/api/internal/schema"
	"github.com/moat-db/moat/internal/list"
	"github.com/moat-db/moat/internal/sqltext"
)

// Write says what a POST, PUT, PATCH or DELETE does.
type Write struct {
	// Body is the payload: an array of objects for an insert, one object for an update.
	Body []byte
	// Keys are the members of the payload's objects.
	Keys []string
	// Resolution is "", merge-duplicates or ignore-duplicates.
	Resolution string
	// MissingDefault gives members that an object lacks their column's default. Some
	// are the members that some objects have and others lack; Every those that all have.
	MissingDefault bool
	Some, Every    []string
	// Returning is "", headers-only (the key) or representation.
	Returning string
	// AllowUnfiltered lets an update or a delete without a filter touch every row.
	AllowUnfiltered bool
	// Match is the ETag the row must have; "" for any.
	Match string
	// Replace makes an insert a PUT: the row the filters name, and only that.
	Replace bool
}

// errTenantColumn refuses a write of the tenant column: it is always the caller's.
func errTenantColumn(t *schema.Table, name string) error {
	return problem.New(http.StatusBadRequest, "MOAT101", "column '%s' of '%s' cannot be written", name, t.Name.Name).
		WithDetails("The tenant of a row is the tenant of the token.").
		WithHint("Leave '%s' out.", name)
}

func errNoColumn(t *schema.Table, name string) error {
	e := problem.New(http.StatusBadRequest, "PGRST204", "Could not find the '%s' column of '%s' in the schema cache",
		name, t.Name.Name)
	return e
}

// writable resolves the columns of a write. use says which privilege it takes.
func writable(t *schema.Table, names []string, verb string, use func(*schema.Column) bool) ([]*schema.Column, error) {
	columns := make([]*schema.Column, 0, len(names))
	for _, name := range names {
		c := t.Column(name)
		switch {
		case c == nil || !(c.Select || use(c) || c.Generated || c.Identity == "always"):
			return nil, errNoColumn(t, name)
		case c.Tenant:
			return nil, errTenantColumn(t, name)
		case c.Generated || c.Identity == "always":
			return nil, errComputed(c, verb)
		case !use(c):
			return nil, Denied(t)
		}
		columns = append(columns, c)
	}
	return columns, nil
}

// errComputed is PostgreSQL's error for a value of a column that only it may fill.
func errComputed(c *schema.Column, verb string) error {
	e := problem.New(http.StatusBadRequest, "428C9", "column \"%s\" can only be set to DEFAULT", c.Name)
	if verb == "INSERT" {
		e = problem.New(http.StatusBadRequest, "428C9", "cannot insert a non-DEFAULT value into column \"%s\"", c.Name)
	}
	if c.Generated {
		return e.WithDetails("Column \"%s\" is a generated column.", c.Name)
	}
	return e.WithDetails("Column \"%s\" is an identity column defined as GENERATED ALWAYS.", c.Name)
}

// wanted are the columns of a write: those of columns=, else the payload's keys.
func wanted(r *query.Request, keys []string) []string {
	if r.Columns != nil {
		return r.Columns
	}
	return keys
}

// Insert makes the statement of a POST, or of a PUT with Replace.
func Insert(s *schema.Schema, t *schema.Table, r *query.Request, in Write, o Options) (*Statement, error) {
	w := newWriter(s, o)
	if err := w.reach(t); err != nil {
		return nil, err
	}
	if !t.Insert {
		return nil, Denied(t)
	}
	columns, err := writable(t, wanted(r, in.Keys), "INSERT", func(c *schema.Column) bool { return c.Insert })
	if err != nil {
		return nil, err
	}
	if in.MissingDefault { // what no object has is left to the table's own default
		columns = slices.DeleteFunc(columns, func(c *schema.Column) bool {
			return !slices.Contains(in.Some, c.Name) && !slices.Contains(in.Every, c.Name)
		})
	}
	target := source{table: t, alias: w.alias()}
	rows := w.alias()
	from := w.insertRows(target, rows, columns, in)
	names, values := insertLists(rows, columns)
	if c := t.Column(t.TenantColumn); c != nil && c.Tenant && c.Insert {
		names, values = append(names, c.Name), append(values, w.tenantID(t.TenantType))
	}
	if len(names) == 0 {
		return w.insertDefault(target, r, in)
	}
	sql := "INSERT INTO " + t.SQL() + " AS " + target.alias + " (" + quoteAll(names) + ") SELECT " +
		strings.Join(values, ", ") + from
	if in.Replace {
		condition, err := w.replaces(target, rows, r, columns)
		if err != nil {
			return nil, err
		}
		sql += where(condition)
	}
	conflict, err := w.conflict(t, r, columns, in)
	if err != nil {
		return nil, err
	}
	return w.returning(sql+conflict, target, r, in)
}

func insertLists(rows string, columns []*schema.Column) (names, values []string) {
	for _, c := range columns {
		names = append(names, c.Name)
		values = append(values, fromBody(rows, c))
	}
	return names, values
}

// fromBody is a column of the payload as a value of the table's column.
func fromBody(rows string, c *schema.Column) string {
	value := rows + "." + schema.Quote(c.Name)
	if c.Shown.FromJSON != "" {
		value = c.Shown.FromJSON + "(" + value + ")"
	}
	return value
}

// insertDefault inserts one row of defaults.
func (w *writer) insertDefault(target source, r *query.Request, in Write) (*Statement, error) {
	w.args = nil
	return w.returning("INSERT INTO "+target.table.SQL()+" AS "+target.alias+" DEFAULT VALUES", target, r, in)
}

// record is the column definition list of json_to_record.
func record(columns []*schema.Column) string {
	parts := make([]string, len(columns))
	for i, c := range columns {
		parts[i] = schema.Quote(c.Name) + " " + c.Type
		if c.Shown.FromJSON != "" {
			parts[i] = schema.Quote(c.Name) + " json"
		}
	}
	return strings.Join(parts, ", ")
}

// insertRows opens the payload as rows. The whole payload is one parameter, so that
// an insert of any length is the same statement.
func (w *writer) insertRows(target source, rows string, columns []*schema.Column, in Write) string {
	if len(columns) == 0 {
		return " FROM json_array_elements(" + w.arg(string(in.Body)) + "::json) AS " + rows
	}
	if !in.MissingDefault {
		return " FROM json_to_recordset(" + w.arg(string(in.Body)) + "::json) AS " + rows + "(" + record(columns) + ")"
	}
	element := w.alias()
	var pairs []string
	for _, c := range columns {
		if sql := defaultOf(target.table, c); sql != "" && slices.Contains(in.Some, c.Name) {
			pairs = append(pairs, w.key(c.Name, "::text")+", "+sql)
		}
	}
	defaults := "jsonb_build_object(" + strings.Join(pairs, ", ") + ")"
	return " FROM jsonb_array_elements(" + w.arg(string(in.Body)) + "::jsonb) AS " + element +
		"(j) CROSS JOIN LATERAL jsonb_to_record(" +
		defaults + " || " + element + ".j) AS " + rows + "(" + record(columns) + ")"
}

// defaultOf is the SQL of a column's default, as the catalog has it.
func defaultOf(t *schema.Table, c *schema.Column) string {
	if c.Identity == "" {
		return c.Default
	}
	return "nextval(pg_get_serial_sequence(" + sqltext.Literal(t.SQL()) + ", " + sqltext.Literal(c.Name) + "))"
}

// conflict renders ON CONFLICT. The tenant column belongs to the key although the
// client does not name it.
func (w *writer) conflict(t *schema.Table, r *query.Request, columns []*schema.Column, in Write) (string, error) {
	if in.Resolution == "" {
		return "", nil
	}
	key, err := conflictKey(t, r)
	if err != nil {
		return "", err
	}
	if len(key) == 0 {
		return "", nil // without a key nothing can be a duplicate
	}
	if in.Resolution == "ignore-duplicates" {
		return " ON CONFLICT (" + quoteAll(key) + ") DO NOTHING", nil
	}
	var sets []string
	for _, c := range columns {
		if !slices.Contains(key, c.Name) {
			sets = append(sets, schema.Quote(c.Name)+" = EXCLUDED."+schema.Quote(c.Name))
		}
	}
	if len(sets) == 0 { // an update of nothing still returns the row
		for _, name := range key {
			if c := t.Column(name); c != nil && !c.Tenant {
				sets = append(sets, schema.Quote(name)+" = EXCLUDED."+schema.Quote(name))
			}
		}
	}
	if len(sets) == 0 {
		return " ON CONFLICT (" + quoteAll(key) + ") DO NOTHING", nil
	}
	return " ON CONFLICT (" + quoteAll(key) + ") DO UPDATE SET " + strings.Join(sets, ", "), nil
}

// conflictKey is the key by which rows are duplicates.
func conflictKey(t *schema.Table, r *query.Request) ([]string, error) {
	if r.OnConflict == nil {
		return t.FullKey, nil
	}
	return uniqueKey(t, r.OnConflict)
}

// uniqueKey finds the unique key with these columns, the tenant column aside.
func uniqueKey(t *schema.Table, names []string) ([]string, error) {
	for _, name := range names {
		if c := t.Column(name); c == nil || !(c.Select || c.Insert) {
			return nil, unknownColumn(t, name)
		}
	}
	for _, unique := range t.Uniques {
		if sameColumns(unique, names, t.TenantColumn) {
			return unique, nil
		}
	}
	return nil, problem.New(http.StatusBadRequest, "42P10",
		"there is no unique or exclusion constraint matching the ON CONFLICT specification")
}

func sameColumns(unique, names []string, tenant string) bool {
	matched := 0
	for _, name := range unique {
		switch {
		case slices.Contains(names, name):
			matched++
		case name != tenant:
			return false
		}
	}
	return matched == len(names)
}

// ErrPut refuses a PUT whose payload is not the row that its filters name.
var ErrPut = problem.New(http.StatusBadRequest, "PGRST115", "Payload values do not match URL in primary key column(s)")

// replaces says that a PUT's row is the one its filters name.
func (w *writer) replaces(target source, rows string, r *query.Request, columns []*schema.Column) ([]string, error) {
	bad := problem.New(http.StatusMethodNotAllowed, "PGRST105",
		"Filters must include all and only primary key columns with 'eq' operators")
	key := target.table.Key
	if len(key) == 0 || len(r.Root.Where) != len(key) {
		return nil, bad
	}
	var conditions []string
	for i := range r.Root.Where {
		c := &r.Root.Where[i]
		f := &c.Filter
		if c.Not || c.Logic != "" || f.Op != query.OpEq || f.Quantifier != "" || len(f.Field.Path) > 0 ||
			!slices.Contains(key, f.Field.Name) {
			return nil, bad
		}
		if slices.ContainsFunc(r.Root.Where[:i], func(o query.Cond) bool { return o.Filter.Field.Name == f.Field.Name }) {
			return nil, bad
		}
		if !slices.ContainsFunc(columns, func(c *schema.Column) bool { return c.Name == f.Field.Name }) {
			return nil, ErrPut
		}
		conditions = append(conditions, rows+"."+schema.Quote(f.Field.Name)+" = "+w.arg(f.Value))
	}
	return conditions, nil
}

// Update makes the statement of a PATCH; nil when the payload changes nothing.
func Update(s *schema.Schema, t *schema.Table, r *query.Request, in Write, o Options) (*Statement, error) {
	w := newWriter(s, o)
	if err := w.mayChange(t, t.Update, r, in, "UPDATE"); err != nil {
		return nil, err
	}
	columns, err := writable(t, wanted(r, in.Keys), "UPDATE", func(c *schema.Column) bool { return c.Update })
	if err != nil || len(columns) == 0 {
		return nil, err
	}
	target := source{table: t, alias: w.alias()}
	sql := "UPDATE " + t.SQL() + " AS " + target.alias + " SET " + w.updates(target, columns, in)
	conditions, err := w.affected(target, r, in)
	if err != nil {
		return nil, err
	}
	return w.returning(sql+where(conditions), target, r, in)
}

// updates are the new values of a PATCH: the payload's, and with missing=default the
// column's default for a column that the payload lacks.
func (w *writer) updates(target source, columns []*schema.Column, in Write) string {
	row := w.alias()
	var sets []string
	var given []*schema.Column
	for _, c := range columns {
		if in.MissingDefault && !slices.Contains(in.Keys, c.Name) {
			sets = append(sets, schema.Quote(c.Name)+" = DEFAULT")
			continue
		}
		given = append(given, c)
	}
	if target.table.Spread {
		return strings.Join(append(sets, w.assigned(target, given, in)...), ", ")
	}
	for _, c := range given {
		sets = append(sets, schema.Quote(c.Name)+" = "+fromBody(row, c))
	}
	sql := strings.Join(sets, ", ")
	if len(given) == 0 {
		return sql
	}
	return sql + " FROM json_to_record(" + w.arg(string(in.Body)) + "::json) AS " + row + "(" + record(given) + ")"
}

// assigned sets columns to the payload's without opening it as a row: the servers of Citus get
// the statement without the column definition list that a row needs.
func (w *writer) assigned(target source, columns []*schema.Column, in Write) []string {
	if len(columns) == 0 {
		return nil
	}
	body := w.arg(string(in.Body)) + "::json"
	sets := make([]string, len(columns))
	for i, c := range columns {
		name := schema.Quote(c.Name)
		value := "(json_populate_record(NULL::" + target.table.SQL() + ", " + body + "))." + name
		if c.Shown.FromJSON != "" {
			value = c.Shown.FromJSON + "(" + body + " -> " + sqltext.Literal(c.Name) + ")"
		}
		sets[i] = name + " = " + value
	}
	return sets
}

// Delete makes the statement of a DELETE.
func Delete(s *schema.Schema, t *schema.Table, r *query.Request, in Write, o Options) (*Statement, error) {
	w := newWriter(s, o)
	if err := w.mayChange(t, t.Delete, r, in, "DELETE"); err != nil {
		return nil, err
	}
	target := source{table: t, alias: w.alias()}
	conditions, err := w.affected(target, r, in)
	if err != nil {
		return nil, err
	}
	return w.returning("DELETE FROM "+t.SQL()+" AS "+target.alias+where(conditions), target, r, in)
}

// mayChange refuses what is not granted, and a change of every row by accident.
func (w *writer) mayChange(t *schema.Table, granted bool, r *query.Request, in Write, verb string) error {
	if err := w.reach(t); err != nil {
		return err
	}
	if !granted {
		return Denied(t)
	}
	if len(r.Root.Where) == 0 && !in.AllowUnfiltered {
		return problem.New(http.StatusBadRequest, "21000", "%s requires a WHERE clause", verb).
			WithHint("Add a filter, such as id=eq.1.")
	}
	return nil
}

// affected are the conditions of an update or delete.
func (w *writer) affected(target source, r *query.Request, in Write) ([]string, error) {
	conditions, err := w.allConditions(target, &r.Root)
	if err != nil {
		return nil, err
	}
	conditions = append(w.tenantCondition(target), conditions...)
	if in.Match != "" && in.Match != "*" {
		if !wholeRow(target.table) {
			return nil, problem.New(http.StatusBadRequest, "MOAT122", "If-Match needs a table of which every column may be read")
		}
		conditions = append(conditions, rowHash(target)+" = "+w.arg(in.Match))
	}
	if r.Root.Limit == nil && r.Root.Offset == 0 {
		return conditions, nil
	}
	return w.limited(target, r, conditions)
}

// limited narrows a change to the first rows of an order, found by their key.
func (w *writer) limited(target source, r *query.Request, conditions []string) ([]string, error) {
	key := target.table.FullKey
	if len(key) == 0 || len(r.Root.Order) == 0 {
		return nil, problem.New(http.StatusBadRequest, "PGRST109", "A 'limit' was applied without an explicit 'order'").
			WithHint("Apply an 'order' using unique column(s)")
	}
	order, err := w.order(target, &r.Root)
	if err != nil {
		return nil, err
	}
	columns := list.Join(key, ", ", target.column)
	// The inner query has the same alias, which hides the outer one.
	inner := "SELECT " + columns + " FROM " + target.table.SQL() + " AS " + target.alias + where(conditions) +
		" ORDER BY " + order
	if r.Root.Limit != nil {
		inner += " LIMIT " + strconv.FormatInt(*r.Root.Limit, 10)
	}
	if r.Root.Offset > 0 {
		inner += " OFFSET " + w.arg(strconv.FormatInt(r.Root.Offset, 10)) + "::bigint"
	}
	return append(w.tenantCondition(target), "("+columns+") IN ("+inner+")"), nil
}
