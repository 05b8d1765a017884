package api

import (
	"errors"
	"sync"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/moat-db/moat/api/internal/plan"
)

// valueKind says how a text-form value becomes JSON.
type valueKind uint8

const (
	asString valueKind = iota
	asRaw              // a number, or JSON already
	asBool
	asNumber // may be NaN or Infinity, which JSON has not
	asTimestamp
	asZoned
)

func kindOf(oid uint32) valueKind {
	switch oid {
	case pgtype.Int2OID, pgtype.Int4OID, pgtype.Int8OID, pgtype.JSONOID, pgtype.JSONBOID:
		return asRaw
	case pgtype.BoolOID:
		return asBool
	case pgtype.NumericOID, pgtype.Float4OID, pgtype.Float8OID:
		return asNumber
	case pgtype.TimestampOID:
		return asTimestamp
	case pgtype.TimestamptzOID:
		return asZoned
	}
	return asString
}

// column is how one column of a result is written.
type column struct {
	key   []byte // "name":
	oid   uint32
	kind  valueKind
	plan  plan.OutputKind
	name  string
	first bool
}

var errBinary = errors.New("the pool was not prepared by api.ConfigurePool: a value came in binary form")

// columnsOf joins what the plan knows with what the server says.
func columnsOf(st *plan.Statement, fields []pgconn.FieldDescription) ([]column, error) {
	columns := make([]column, len(fields))
	first := true
	for i, f := range fields {
		if f.Format != pgtype.TextFormatCode {
			return nil, errBinary
		}
		c := column{oid: f.DataTypeOID, kind: kindOf(f.DataTypeOID), name: f.Name}
		if i < len(st.Outputs) {
			c.name, c.plan = st.Outputs[i].Name, st.Outputs[i].Kind
		}
		if c.plan == plan.Visible {
			c.key = append(appendString(nil, []byte(c.name)), ':')
			c.first, first = first, false
		}
		columns[i] = c
	}
	return columns, nil
}

// describes reports whether columns were made for a result like this one.
func describes(columns []column, fields []pgconn.FieldDescription) bool {
	if len(columns) != len(fields) {
		return false
	}
	for i, f := range fields {
		if f.DataTypeOID != columns[i].oid || f.Format != pgtype.TextFormatCode {
			return false
		}
	}
	return true
}

// appendObject writes one row as a JSON object.
func appendObject(b []byte, columns []column, values [][]byte, stripped bool) []byte {
	b = append(b, '{')
	comma := false
	for i := range columns {
		c := &columns[i]
		if c.plan != plan.Visible || (stripped && values[i] == nil) {
			continue
		}
		if comma {
			b = append(b, ',')
		}
		comma = true
		b = append(b, c.key...)
		b = appendValue(b, c.kind, values[i])
	}
	return append(b, '}')
}

// appendValue writes one value in PostgreSQL's text form as JSON.
func appendValue(b []byte, kind valueKind, v []byte) []byte {
	if v == nil {
		return append(b, "null"...)
	}
	switch kind {
	case asRaw:
		return append(b, v...)
	case asBool:
		if len(v) == 1 && v[0] == 't' {
			return append(b, "true"...)
		}
		return append(b, "false"...)
	case asNumber:
		if c := v[len(v)-1]; c < '0' || c > '9' { // NaN, Infinity
			return appendString(b, v)
		}
		return append(b, v...)
	case asTimestamp, asZoned:
		return appendTimestamp(b, v, kind == asZoned)
	}
	return appendString(b, v)
}

// appendTimestamp writes 2024-01-02 03:04:05+00 as to_json does:
// "2024-01-02T03:04:05+00:00". infinity stays as it is.
func appendTimestamp(b, v []byte, zoned bool) []byte {
	b = append(b, '"')
	start := len(b)
	b = append(b, v...)
	text := b[start:]
	space := -1
	for i, c := range text {
		if c == ' ' {
			space = i
			break
		}
	}
	if space < 0 {
		return append(b, '"')
	}
	text[space] = 'T'
	end := len(text)
	if end > 3 && string(text[end-3:]) == " BC" {
		end -= 3
	}
	// A zone of hours alone gets its minutes.
	if zoned && end > 3 && (text[end-3] == '+' || text[end-3] == '-') {
		suffix := string(text[end:])
		b = append(b[:start+end], ":00"...)
		b = append(b, suffix...)
	}
	return append(b, '"')
}

const hexDigits = "0123456789abcdef"

// appendString writes s as a JSON string. The connection's encoding is UTF-8, so only
// quotes, backslashes and control characters need escapes.
func appendString(b, s []byte) []byte {
	b = append(b, '"')
	start := 0
	for i, c := range s {
		if c >= 0x20 && c != '"' && c != '\\' {
			continue
		}
		b = append(b, s[start:i]...)
		start = i + 1
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, '\\', 'n')
		case '\r':
			b = append(b, '\\', 'r')
		case '\t':
			b = append(b, '\\', 't')
		default:
			b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
	}
	b = append(b, s[start:]...)
	return append(b, '"')
}

// appendCSV writes one field of a CSV line (RFC 4180, 2).
func appendCSV(b, v []byte) []byte {
	quote := false
	for _, c := range v {
		if c == '"' || c == ',' || c == '\n' || c == '\r' {
			quote = true
			break
		}
	}
	if !quote {
		return append(b, v...)
	}
	b = append(b, '"')
	for _, c := range v {
		if c == '"' {
			b = append(b, '"')
		}
		b = append(b, c)
	}
	return append(b, '"')
}

// buffers keeps the memory of answers. A very large one is left to the collector.
type buffers struct{ pool sync.Pool }

const keptBuffer = 256 << 10

func (p *buffers) get() *[]byte {
	if b, ok := p.pool.Get().(*[]byte); ok {
		*b = (*b)[:0]
		return b
	}
	b := make([]byte, 0, 16<<10)
	return &b
}

func (p *buffers) put(b *[]byte) {
	if cap(*b) <= keptBuffer {
		p.pool.Put(b)
	}
}
