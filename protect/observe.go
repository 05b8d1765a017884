package protect

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/policy"
)

//go:embed sql/observed.sql
var observedQuery string

//go:embed sql/observed_since.sql
var observedSinceQuery string

//go:embed sql/observed_statements.sql
var observedStatementsQuery string

//go:embed sql/observed_exempt.sql
var observedExemptQuery string

// ErrNotObserved is returned by [Observe] where group observe does not stand.
var ErrNotObserved = errors.New("this database is not observed")

// ErrNotCounted is returned by [Observe] where the server counts nothing.
var ErrNotCounted = errors.New("the server does not count: track_counts is off, so nobody can tell what was missed")

// Observation is what group observe has noted: the statements that succeed today, and
// would lose rows or be refused once group enforce is applied.
type Observation struct {
	Version  int       `json:"version"` // of this form: 1
	Database string    `json:"database"`
	At       time.Time `json:"at"`
	// Since is when it began; CountedSince is later where the server has lost its counts.
	Since        time.Time `json:"since"`
	CountedSince time.Time `json:"counted_since"`

	Tables     []ObservedTable     `json:"tables"`
	Statements []ObservedStatement `json:"statements"`
	// Exempt are the login roles that no policy binds: what they do is not noted.
	Exempt []string `json:"exempt_roles"`
	// Unseen says, in sentences, what is missing.
	Unseen []string `json:"unseen"`
}

// ObservedTable is a table with how often statements were noted on it. The server counts
// them whatever becomes of their transactions; a statement that a session sends again and
// again counts once a second, and once for each reason.
type ObservedTable struct {
	Table         catalog.QName `json:"table"`
	Times         int64         `json:"times"`
	WithTenant    int64         `json:"with_tenant"`
	WithoutTenant int64         `json:"without_tenant"`
}

// ObservedStatement is one statement, without its literals, as one role and application
// sent it. Only transactions that were committed have left it.
type ObservedStatement struct {
	Table   catalog.QName `json:"table"`
	Command string        `json:"command"`
	// Reason is one of the reasons of package policy.
	Reason      string `json:"reason"`
	Tenant      bool   `json:"with_tenant"`
	Role        string `json:"role"`
	Application string `json:"application"`
	// Statement is "" where it could not be told what in it is a literal.
	Statement string `json:"statement"`
	// Times is how often at least: a session counts it once a second, and writes its first,
	// second, fourth … time.
	Times int64     `json:"times_at_least"`
	First time.Time `json:"first_at"`
	Last  time.Time `json:"last_at"`
}

// Clean reports whether nothing was noted.
func (o *Observation) Clean() bool {
	for _, t := range o.Tables {
		if t.Times > 0 {
			return false
		}
	}
	return len(o.Statements) == 0
}

// After returns what came after an earlier observation of the same database: the
// statements that were noted since, and the counts less the earlier ones.
func (o *Observation) After(earlier *Observation) (*Observation, error) {
	if earlier.Database != o.Database || !earlier.Since.Equal(o.Since) || o.CountedSince.After(earlier.At) {
		return nil, errors.New("the earlier report is of another observation, or the server has lost its counts since")
	}
	rest := *o
	rest.CountedSince, rest.Tables, rest.Statements = earlier.At, nil, []ObservedStatement{}
	before := map[catalog.QName]ObservedTable{}
	for _, t := range earlier.Tables {
		before[t.Table] = t
	}
	for _, t := range o.Tables {
		was := before[t.Table]
		t.Times, t.WithTenant = t.Times-was.Times, t.WithTenant-was.WithTenant
		t.WithoutTenant -= was.WithoutTenant
		rest.Tables = append(rest.Tables, t)
	}
	for _, s := range o.Statements {
		if s.Last.After(earlier.At) {
			rest.Statements = append(rest.Statements, s)
		}
	}
	return &rest, nil
}

// Observe reads what group observe has noted. It only reads. The role needs to read
// moat.notes: it is their owner, the operator role or a superuser.
//
// Errors: [ErrNotObserved] and [ErrNotCounted].
func Observe(ctx context.Context, conn *pgx.Conn) (*Observation, error) {
	var o *Observation
	err := pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) (err error) {
		o, err = observe(ctx, tx)
		return err
	})
	return o, err
}

func observe(ctx context.Context, tx pgx.Tx) (*Observation, error) {
	o := &Observation{Version: 1, Tables: []ObservedTable{}, Statements: []ObservedStatement{}, Unseen: []string{}}
	var there bool
	if err := tx.QueryRow(ctx, "SELECT pg_catalog.current_database(), pg_catalog.clock_timestamp(), "+
		"EXISTS (SELECT FROM pg_catalog.pg_policy WHERE pg_catalog.starts_with(polname::text, $1))",
		moat.ObservePolicy).Scan(&o.Database, &o.At, &there); err != nil {
		return nil, fmt.Errorf("look whether the database is observed: %w", err)
	}
	if !there {
		return nil, ErrNotObserved
	}
	if err := o.since(ctx, tx); err != nil {
		return nil, err
	}
	if err := o.read(ctx, tx); err != nil {
		return nil, err
	}
	o.sayUnseen()
	return o, nil
}

// since reads when it began and whether the counts can be believed.
func (o *Observation) since(ctx context.Context, tx pgx.Tx) error {
	var state struct {
		Since, Reset             *time.Time
		Counted, Counts, Standby bool
		Readable                 bool
		Bytes                    int64
	}
	err := tx.QueryRow(ctx, observedSinceQuery, policy.ObservingSince).Scan(&state.Since, &state.Reset, &state.Counted,
		&state.Counts, &state.Standby, &state.Readable, &state.Bytes)
	switch {
	case err != nil:
		return fmt.Errorf("read since when the database is observed: %w", err)
	case !state.Counts:
		return ErrNotCounted
	case state.Since == nil:
		return errors.New("function moat.noted does not say since when the database is observed")
	case !state.Readable && !state.Standby:
		return errors.New("this role may not read moat.notes: connect as the role that ran moat protect, or as the operator")
	}
	o.Since, o.CountedSince = *state.Since, *state.Since
	if !state.Counted {
		o.CountedSince = o.At
		if state.Reset != nil && state.Reset.After(o.Since) {
			o.CountedSince = *state.Reset
		}
		o.unseen("The server's statistics were lost or reset: it counts again since %s, and what came before is not known.",
			o.CountedSince.UTC().Format(time.DateTime))
	}
	if state.Standby {
		o.unseen("This is a standby: its counts are of the statements that it ran itself, and it can write no notes.")
	}
	if state.Bytes >= notesBytes {
		o.unseen("The table of notes is full: statements that came since are counted, without their texts.")
	}
	return nil
}

func (o *Observation) unseen(format string, args ...any) {
	o.Unseen = append(o.Unseen, fmt.Sprintf(format, args...))
}

func (o *Observation) read(ctx context.Context, tx pgx.Tx) error {
	rows, err := tx.Query(ctx, observedQuery, moat.ObservePolicy)
	if err != nil {
		return fmt.Errorf("read the counts: %w", err)
	}
	var t ObservedTable
	_, err = pgx.ForEachRow(rows, []any{&t.Table.Schema, &t.Table.Name, &t.Times, &t.WithTenant}, func() error {
		t.WithoutTenant = t.Times - t.WithTenant
		o.Tables = append(o.Tables, t)
		return nil
	})
	if err != nil {
		return fmt.Errorf("read the counts: %w", err)
	}
	rows, err = tx.Query(ctx, observedStatementsQuery)
	if err != nil {
		return fmt.Errorf("read the notes: %w", err)
	}
	var s ObservedStatement
	_, err = pgx.ForEachRow(rows, []any{&s.Table.Schema, &s.Table.Name, &s.Command, &s.Reason, &s.Tenant, &s.Role,
		&s.Application, &s.Statement, &s.Times, &s.First, &s.Last}, func() error {
		o.Statements = append(o.Statements, s)
		return nil
	})
	if err != nil {
		return fmt.Errorf("read the notes: %w", err)
	}
	if rows, err = tx.Query(ctx, observedExemptQuery); err == nil {
		o.Exempt, err = pgx.CollectRows(rows, pgx.RowTo[string])
	}
	return err
}

// sayUnseen names the tables on which the server has counted what no note tells of.
func (o *Observation) sayUnseen() {
	noted := map[catalog.QName]bool{}
	for _, s := range o.Statements {
		noted[s.Table] = true
	}
	for _, t := range o.Tables {
		if t.Times > 0 && !noted[t.Table] {
			o.unseen("%s: counted only. The statements ran in transactions that were read-only or rolled back: those leave "+
				"neither text nor application.", t.Table)
		}
	}
}
