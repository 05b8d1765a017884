package api

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strconv"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/moat-db/moat/api/internal/plan"
	"github.com/moat-db/moat/api/internal/problem"
	"github.com/moat-db/moat/api/internal/query"
	"github.com/moat-db/moat/internal/alive"
	"github.com/moat-db/moat/internal/serving"
)

// answer is what a statement gave.
type answer struct {
	body []byte
	// rows is how many rows came back, or were changed.
	rows     int64
	inserted int64
	// counted is how many rows the one value was made of; nil where it is a row's own.
	counted *int64
	// total is the count without paging; -1 when it was not asked for.
	total int64
	etag  string
	// last are the key values of the last row.
	last []*string
	// keys are the names and values of the first row's key columns.
	keys []keyValue
	// made says that a function of the database made the body.
	made bool
	// status and header are what a function asked for.
	status int
	header http.Header
}

type keyValue struct {
	name  string
	value *string // nil for NULL, as in a view over an outer join
}

// prelude is a statement that runs before the main one.
type prelude struct {
	sql  string
	args []any
	// read takes the row of its result; nil where that has none to read.
	read func(pgx.Row) error
	slow bool // it may take as long as the main one
}

// run reads the result of a prelude.
func (p prelude) run(results pgx.BatchResults) error {
	if p.read != nil {
		return p.read(results.QueryRow())
	}
	_, err := results.Exec()
	return err
}

// execution is one request's work in the database.
type execution struct {
	statement *plan.Statement
	// tenant and values go into the statement's parameters.
	tenant string
	values []string
	media  query.Media
	// columns remembers how the result of a statement that is used again is written;
	// nil for none.
	columns  *atomic.Pointer[[]column]
	preludes []prelude
	// response says that functions of the database may run, which can set the answer's
	// status and headers: those are read afterwards.
	response bool
	// readOnly lets the statement change nothing.
	readOnly bool
	// timeout is the statement's own; "" leaves the session's.
	timeout string
	limit   int64
	take    func(int) error // counts what the body takes of the memory
	taken   int             // so far
}

// send runs everything as one batch: one round trip and one transaction. The write is
// committed when it returns nil, unless sender is an open transaction.
func (x *execution) send(ctx context.Context, sender Sender, a *answer) (err error) {
	b := &pgx.Batch{}
	for _, p := range x.preludes {
		b.Queue(p.sql, p.args...)
	}
	st := x.statement
	b.Queue(st.SQL, st.Bind(x.tenant, x.values)...)
	if st.Count != nil {
		b.Queue(st.Count.SQL, st.Count.Bind(x.tenant, x.values)...)
	}
	if x.response {
		b.Queue("select current_setting('response.status', true), current_setting('response.headers', true)")
	}
	results := sender.SendBatch(x.times(ctx), b)
	defer func() {
		// Closing tells whether the transaction committed.
		if closed := results.Close(); err == nil {
			err = closed
		}
	}()
	return x.read(results, a)
}

// times says how many of the statements may take the statement timeout.
func (x *execution) times(ctx context.Context) context.Context {
	n := 1
	if x.statement.Count != nil {
		n++
	}
	for _, p := range x.preludes {
		if p.slow {
			n++
		}
	}
	switch {
	case x.timeout != "":
		return alive.Times(ctx, 0)
	case n > 1:
		return alive.Times(ctx, n)
	}
	return ctx
}

func (x *execution) read(results pgx.BatchResults, a *answer) error {
	for _, p := range x.preludes {
		if err := p.run(results); err != nil {
			return err
		}
	}
	rows, err := results.Query()
	if err != nil {
		return err
	}
	if err := x.rows(rows, a); err != nil {
		return err
	}
	if err := x.count(results, a); err != nil {
		return err
	}
	if x.response {
		return readResponse(results.QueryRow(), a)
	}
	return nil
}

// rows writes the rows in the format of the answer.
func (x *execution) rows(rows pgx.Rows, a *answer) error {
	defer rows.Close()
	columns, err := x.resultColumns(rows.FieldDescriptions())
	if err != nil {
		return err
	}
	e := x.encoder(columns)
	held := cap(a.body) // the first piece comes from a pool
	a.body = e.begin(a.body)
	for rows.Next() {
		values := rows.RawValues()
		a.observe(columns, values)
		a.body = e.row(a.body, values, a.rows)
		a.rows++
		if int64(len(a.body)) > x.limit {
			return &serving.TooLargeError{Limit: x.limit}
		}
		if more := cap(a.body) - held; more > 0 {
			if err := x.take(more); err != nil {
				return err
			}
			held, x.taken = held+more, x.taken+more
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	a.body = e.end(a.body, a.rows)
	a.made = x.media.Format == query.Made
	if a.counted != nil {
		a.rows = *a.counted
	}
	if len(columns) == 0 {
		a.rows = rows.CommandTag().RowsAffected()
	}
	return nil
}

// resultColumns are those of the last time where the types are the same.
func (x *execution) resultColumns(fields []pgconn.FieldDescription) ([]column, error) {
	if x.columns == nil {
		return columnsOf(x.statement, fields)
	}
	if known := x.columns.Load(); known != nil && describes(*known, fields) {
		return *known, nil
	}
	columns, err := columnsOf(x.statement, fields)
	if err == nil {
		x.columns.Store(&columns)
	}
	return columns, err
}

// observe keeps the hidden columns.
func (a *answer) observe(columns []column, values [][]byte) {
	keys := 0
	for i := range columns {
		switch columns[i].plan {
		case plan.ETag:
			a.etag = string(values[i])
		case plan.Rows:
			n, _ := strconv.ParseInt(string(values[i]), 10, 64) // count(*) is a number
			a.counted = &n
		case plan.Inserted:
			if len(values[i]) == 1 && values[i][0] == 't' {
				a.inserted++
			}
		case plan.Key:
			if keys == 0 {
				a.last = a.last[:0]
			}
			keys++
			a.last = append(a.last, textOf(values[i]))
			if a.rows == 0 {
				a.keys = append(a.keys, keyValue{columns[i].name, textOf(values[i])})
			}
		}
	}
}

func textOf(v []byte) *string {
	if v == nil {
		return nil
	}
	s := string(v)
	return &s
}

// count reads the result of the counting statement. One that stopped at its limit says
// that there is one more, which is true of every further page as well.
func (x *execution) count(results pgx.BatchResults, a *answer) error {
	a.total = -1
	st := x.statement
	if st.Count == nil {
		return nil
	}
	err := results.QueryRow().Scan(&a.total)
	if st.CountLimit > 0 && a.total > st.CountLimit {
		a.total = max(a.total, st.Offset+a.rows+1)
	}
	return err
}

// readResponse takes the status and headers that a function set.
func readResponse(row pgx.Row, a *answer) error {
	var status, headers *string
	if err := row.Scan(&status, &headers); err != nil {
		return err
	}
	if status != nil && *status != "" {
		code, err := strconv.Atoi(*status)
		if err != nil || code < 200 || code > 599 {
			return problem.New(http.StatusInternalServerError, "PGRST112", "response.status guc must be a valid status code")
		}
		a.status = code
	}
	if headers == nil || *headers == "" {
		return nil
	}
	var list []map[string]string
	if err := json.Unmarshal([]byte(*headers), &list); err != nil {
		return problem.New(http.StatusInternalServerError, "PGRST111",
			"response.headers guc must be a JSON array composed of objects with a single key and a string value")
	}
	a.header = http.Header{}
	for _, one := range list {
		for name, value := range one {
			if sendable(name) {
				a.header.Add(name, value)
			}
		}
	}
	sandbox(a.header)
	return nil
}

// encoder writes rows in one format.
type encoder struct {
	columns  []column
	format   query.Format
	stripped bool
	scalar   bool
	single   bool
	raw      bool
}

func (x *execution) encoder(columns []column) encoder {
	st := x.statement
	return encoder{columns: columns, format: x.media.Format, stripped: x.media.Stripped,
		scalar: st.Scalar, single: st.Single || x.media.Format == query.Singular, raw: x.media.Raw}
}

func (e *encoder) begin(b []byte) []byte {
	switch e.format {
	case query.CSV:
		for i := range e.columns {
			if e.columns[i].plan != plan.Visible {
				continue
			}
			if !e.columns[i].first {
				b = append(b, ',')
			}
			b = appendCSV(b, []byte(e.columns[i].name))
		}
		return b
	case query.JSON:
		if !e.single {
			return append(b, '[')
		}
	}
	return b
}

func (e *encoder) row(b []byte, values [][]byte, n int64) []byte {
	switch e.format {
	case query.CSV:
		b = append(b, '\n')
		for i := range e.columns {
			if e.columns[i].plan != plan.Visible {
				continue
			}
			if !e.columns[i].first {
				b = append(b, ',')
			}
			b = appendCSV(b, values[i])
		}
		return b
	case query.Text:
		if n > 0 {
			b = append(b, '\n')
		}
		return append(b, values[0]...)
	case query.Made:
		if !e.raw {
			return append(b, values[0]...)
		}
		return appendBytes(b, values[0])
	case query.Bytes:
		return appendBytes(b, values[0])
	}
	if n > 0 {
		if e.single {
			return b // only the first row can be the answer; the count tells of others
		}
		b = append(b, ',')
	}
	if e.scalar {
		return appendValue(b, e.columns[0].kind, values[0])
	}
	return appendObject(b, e.columns, values, e.stripped)
}

func (e *encoder) end(b []byte, n int64) []byte {
	switch {
	case e.format == query.JSON && !e.single:
		return append(b, ']')
	case e.format == query.JSON && n == 0: // a function's row that is null
		return append(b, "null"...)
	}
	return b
}

// appendBytes writes a bytea as its bytes, and anything else as its text.
func appendBytes(b, v []byte) []byte {
	if len(v) >= 2 && v[0] == '\\' && v[1] == 'x' {
		if raw, err := hex.DecodeString(string(v[2:])); err == nil {
			return append(b, raw...)
		}
	}
	return append(b, v...)
}
