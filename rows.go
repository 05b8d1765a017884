package moat

import (
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

var errConnString = errors.New("not a PostgreSQL connection string")

// ErrOpenTransaction is returned when a statement began a transaction and left it
// open, unnoticed by the check that returns [ErrTransactionControl]. Its writes are
// rolled back.
var ErrOpenTransaction = errors.New("statement left a transaction open and was rolled back")

// finish reads what is left of the results, which is where a commit fails, and gives
// the connection back. The pool closes a connection that is still in a transaction.
func finish(results pgx.BatchResults, conn *pgxpool.Conn) error {
	err := results.Close()
	if err == nil && conn.Conn().PgConn().TxStatus() != 'I' {
		err = ErrOpenTransaction
	}
	conn.Release()
	return err
}

// rows are the rows of one scoped statement. They hold the connection until closed,
// and only closing tells whether the transaction committed: a deferred constraint
// fails there.
type rows struct {
	pgx.Rows
	results pgx.BatchResults
	conn    *pgxpool.Conn
	err     error

	// What was sent, here to be allocated with the rows: the batch, its statements
	// (at most two that bind, and the caller's).
	batch     pgx.Batch
	queued    [3]*pgx.QueuedQuery
	statement pgx.QueuedQuery
}

// Next closes the rows at their end, as pgx's own do.
func (r *rows) Next() bool {
	if r.Rows.Next() {
		return true
	}
	r.Close()
	return false
}

func (r *rows) Close() {
	if r.conn == nil {
		return
	}
	r.Rows.Close()
	r.err = finish(r.results, r.conn)
	r.conn = nil
}

func (r *rows) Err() error {
	if err := r.Rows.Err(); err != nil {
		return typed(err)
	}
	return typed(r.err)
}

// row is the first row of a statement.
type row struct{ rows *rows }

func (r row) Scan(dest ...any) error {
	defer r.rows.Close()
	if !r.rows.Next() {
		if err := r.rows.Err(); err != nil {
			return err
		}
		return pgx.ErrNoRows
	}
	if err := r.rows.Scan(dest...); err != nil {
		return err
	}
	r.rows.Close()
	return r.rows.Err()
}

// failedRows are the rows, and the row, of a statement that was not sent.
type failedRows struct {
	pgx.Rows
	err error
}

func (failedRows) Close()                                       {}
func (f failedRows) Err() error                                 { return f.err }
func (failedRows) Next() bool                                   { return false }
func (failedRows) CommandTag() pgconn.CommandTag                { return pgconn.CommandTag{} }
func (failedRows) FieldDescriptions() []pgconn.FieldDescription { return nil }
func (f failedRows) Scan(...any) error                          { return f.err }
func (f failedRows) Values() ([]any, error)                     { return nil, f.err }
func (failedRows) RawValues() [][]byte                          { return nil }
func (failedRows) Conn() *pgx.Conn                              { return nil }

// batchResults release the connection when they are closed.
type batchResults struct {
	pgx.BatchResults
	conn *pgxpool.Conn
	err  error
}

func (b *batchResults) Close() error {
	if b.conn == nil {
		return b.err
	}
	b.err = finish(b.BatchResults, b.conn)
	b.conn = nil
	return b.err
}

// failedBatch are the results of a batch that was not sent.
type failedBatch struct{ err error }

func (f failedBatch) Exec() (pgconn.CommandTag, error) { return pgconn.CommandTag{}, f.err }
func (f failedBatch) Query() (pgx.Rows, error)         { return failedRows{err: f.err}, f.err }
func (f failedBatch) QueryRow() pgx.Row                { return failedRows{err: f.err} }
func (f failedBatch) Close() error                     { return f.err }
func (f failedBatch) Tx() pgx.Tx                       { return nil }
