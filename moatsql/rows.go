package moatsql

import (
	"bytes"
	"database/sql/driver"
	"fmt"
	"io"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
)

// rows are pgx's rows for database/sql. Where they end, or are closed, the transaction
// of the statement commits, and its error is theirs.
type rows struct {
	pgx.Rows
	types *pgtype.Map
	first bool // the first row was read ahead
	more  bool // and it is there
}

// newRows reads the first row, because a statement's error comes with it.
func newRows(r pgx.Rows) (*rows, error) {
	types := r.Conn().TypeMap() // not to be had from closed rows
	out := &rows{Rows: r, types: types, first: true, more: r.Next()}
	if err := r.Err(); err != nil {
		r.Close()
		return nil, err
	}
	return out, nil
}

func (r *rows) Columns() []string {
	fields := r.FieldDescriptions()
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.Name
	}
	return names
}

func (r *rows) Next(dest []driver.Value) error {
	more := r.more
	if !r.first {
		more = r.Rows.Next()
	}
	r.first = false
	if !more {
		if err := r.Err(); err != nil {
			return err
		}
		return io.EOF
	}
	fields := r.FieldDescriptions()
	for i, raw := range r.RawValues() {
		var err error
		if dest[i], err = r.value(fields[i], raw); err != nil {
			return fmt.Errorf("column %s: %w", fields[i].Name, err)
		}
	}
	return nil
}

// value is what pgx's own driver gives for a column: Go's types for the plain ones,
// bytes for JSON and XML, text for the rest.
func (r *rows) value(f pgconn.FieldDescription, raw []byte) (driver.Value, error) {
	switch {
	case raw == nil:
		return nil, nil
	case f.DataTypeOID == pgtype.JSONOID, f.DataTypeOID == pgtype.JSONBOID, f.DataTypeOID == pgtype.XMLOID:
		return bytes.Clone(raw), nil
	case f.Format == pgtype.TextFormatCode && !goTypes[f.DataTypeOID]:
		return string(raw), nil
	case !goTypes[f.DataTypeOID]:
		return nil, fmt.Errorf("the pool was not prepared by moatsql.Configure")
	}
	t, _ := r.types.TypeForOID(f.DataTypeOID)
	return t.Codec.DecodeDatabaseSQLValue(r.types, f.DataTypeOID, f.Format, raw)
}

func (r *rows) Close() error {
	r.Rows.Close()
	return r.Err()
}

// goTypes are the types whose values reach a program as Go's own; all others are text.
// pgx's driver for database/sql has the same list.
var goTypes = map[uint32]bool{
	pgtype.BoolOID: true, pgtype.ByteaOID: true, pgtype.CIDOID: true, pgtype.DateOID: true, pgtype.Float4OID: true,
	pgtype.Float8OID: true, pgtype.Int2OID: true, pgtype.Int4OID: true, pgtype.Int8OID: true, pgtype.OIDOID: true,
	pgtype.TimestampOID: true, pgtype.TimestamptzOID: true, pgtype.XIDOID: true,
}

// lastOID is beyond the types that pgx knows from the start.
const lastOID = 10_000

// textCodec is a codec whose values travel as text.
type textCodec struct{ pgtype.Codec }

func (textCodec) PreferredFormat() int16 { return pgtype.TextFormatCode }

// resultsAsText makes a connection send as text what is not one of goTypes.
func resultsAsText(m *pgtype.Map) {
	for oid := range uint32(lastOID) {
		t, known := m.TypeForOID(oid)
		if !known || goTypes[oid] || t.Codec.PreferredFormat() == pgtype.TextFormatCode {
			continue
		}
		m.RegisterType(&pgtype.Type{Name: t.Name, OID: oid, Codec: textCodec{t.Codec}})
	}
}

// ColumnTypeDatabaseTypeName is the type's name, or its OID where pgx knows none.
func (r *rows) ColumnTypeDatabaseTypeName(i int) string {
	oid := r.FieldDescriptions()[i].DataTypeOID
	if t, ok := r.types.TypeForOID(oid); ok {
		return strings.ToUpper(t.Name)
	}
	return strconv.FormatUint(uint64(oid), 10)
}

// modifierHeader is what PostgreSQL adds to the length in a type's modifier.
const modifierHeader = 4

// ColumnTypeLength is the most characters or bytes that a column holds.
func (r *rows) ColumnTypeLength(i int) (int64, bool) {
	f := r.FieldDescriptions()[i]
	switch f.DataTypeOID {
	case pgtype.TextOID, pgtype.ByteaOID:
		return math.MaxInt64, true
	case pgtype.VarcharOID, pgtype.BPCharOID:
		return int64(f.TypeModifier - modifierHeader), true
	case pgtype.VarbitOID:
		return int64(f.TypeModifier), true
	}
	return 0, false
}

// ColumnTypePrecisionScale is a numeric column's.
func (r *rows) ColumnTypePrecisionScale(i int) (precision, scale int64, ok bool) {
	f := r.FieldDescriptions()[i]
	if f.DataTypeOID != pgtype.NumericOID || f.TypeModifier < modifierHeader {
		return 0, 0, false
	}
	modifier := f.TypeModifier - modifierHeader
	return int64(modifier >> 16 & 0xffff), int64(modifier & 0xffff), true
}

var scanTypes = map[uint32]reflect.Type{
	pgtype.Float8OID: reflect.TypeFor[float64](), pgtype.Float4OID: reflect.TypeFor[float32](),
	pgtype.Int8OID: reflect.TypeFor[int64](), pgtype.Int4OID: reflect.TypeFor[int32](),
	pgtype.Int2OID: reflect.TypeFor[int16](), pgtype.BoolOID: reflect.TypeFor[bool](),
	pgtype.NumericOID: reflect.TypeFor[float64](), pgtype.DateOID: reflect.TypeFor[time.Time](),
	pgtype.TimestampOID: reflect.TypeFor[time.Time](), pgtype.TimestamptzOID: reflect.TypeFor[time.Time](),
	pgtype.ByteaOID: reflect.TypeFor[[]byte](),
}

// ColumnTypeScanType is a Go type that holds the column's values.
func (r *rows) ColumnTypeScanType(i int) reflect.Type {
	if t, ok := scanTypes[r.FieldDescriptions()[i].DataTypeOID]; ok {
		return t
	}
	return reflect.TypeFor[string]()
}
