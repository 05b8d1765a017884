package database

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/moat-db/moat"
)

// A session is a connection with a transaction open on it that is never
// committed. Every attempt runs behind a savepoint of its own.
type session struct {
	conn    *pgx.Conn
	notices []string
	limits  []string // SET LOCAL statements
	// become is what the operator's session says to act as the application role;
	// empty on the application's own connection.
	become []string
	bind   binder
	held   []string // switched the triggers off that a staged session must not fire
	seeds  seeds    // the rows planted on a staged session, for scripts
}

// result is what one statement of an attempt returned.
type result struct {
	tag     string
	columns []string
	rows    [][]string // text; "\x00" stands for NULL
	n       int64      // rows affected or returned
}

// null is how a NULL is kept among text values: no text of PostgreSQL holds a zero byte.
const null = "\x00"

// outcome is how an attempt went.
type outcome struct {
	bound   bool // the prelude went through
	ready   bool // the setup went through
	results []result
	watched []result
	err     *pgconn.PgError
	broken  error // the connection, not the statement
	notices []string
}

// last returns the last result, zero when there is none.
func (o outcome) last() result {
	if len(o.results) == 0 {
		return result{}
	}
	return o.results[len(o.results)-1]
}

// number reads the single number of the result, 0 when there is none.
func (r result) number() int64 {
	if len(r.rows) == 0 || len(r.rows[0]) == 0 {
		return 0
	}
	n, _ := strconv.ParseInt(r.rows[0][0], 10, 64)
	return n
}

// text joins all values, for searching.
func (r result) text() string {
	var b strings.Builder
	for _, row := range r.rows {
		b.WriteString(strings.Join(row, "\t"))
		b.WriteByte('\n')
	}
	return b.String()
}

// open starts a session on a connection of its own.
func open(ctx context.Context, cfg *pgx.ConnConfig, p *prover, become []string) (*session, error) {
	s := &session{}
	o := p.Options
	cfg = cfg.Copy()
	cfg.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol
	cfg.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) { s.notices = append(s.notices, n.Message+" "+n.Detail) }
	cfg.RuntimeParams["application_name"] = "moat prove"
	spread := p.view.Snapshot.Distribution.Spread()
	if spread {
		// One transaction writes and reads tables that are tied by keys.
		cfg.RuntimeParams["citus.multi_shard_modify_mode"] = "sequential"
		cfg.RuntimeParams["citus.enable_local_execution"] = "off"
	}
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, err
	}
	s.conn = conn
	s.bind = binder{sealer: p.Sealer, setting: p.model.Setting, claim: p.model.Claim, settings: p.Settings,
		backend: conn.PgConn().PID(), values: p.values, spread: spread}
	s.bind.subject, s.bind.role = p.view.Facts()
	s.bind.issuer = p.view.IssuerSetting()
	s.limits = []string{
		"SET LOCAL statement_timeout = " + strconv.FormatInt(o.StatementTimeout.Milliseconds(), 10),
		"SET LOCAL lock_timeout = " + strconv.FormatInt(o.LockTimeout.Milliseconds(), 10),
		"SET LOCAL idle_in_transaction_session_timeout = 0", // the database's own would end it between two statements
		"SET LOCAL client_min_messages = notice",
		"SET LOCAL standard_conforming_strings = on",
		"SET LOCAL synchronize_seqscans = off", // else the rows looked at differ from run to run
		// A deferred check would wait for a COMMIT that never comes.
		immediate,
	}
	if p.view.Snapshot.Version >= 170000 {
		s.limits = append(s.limits, "SET LOCAL transaction_timeout = 0")
	}
	if p.Token != nil && len(become) == 0 {
		s.bind.turns = &turns{p.Token, map[string]moat.Scope{}}
	}
	if len(become) > 0 {
		// A read that a policy would filter must fail on the operator's side, not
		// come back short.
		s.limits = append(s.limits, "SET LOCAL row_security = off")
		s.become = append(slices.Clone(become), "SET LOCAL row_security = on")
	}
	return s, s.begin(ctx)
}

func (s *session) begin(ctx context.Context) error {
	// A default of read only binds whoever does not say otherwise; a standby stays so.
	if _, err := s.run(ctx, append([]string{"BEGIN READ WRITE"}, s.limits...)...); err == nil || s.conn.IsClosed() {
		return err
	}
	_, err := s.run(ctx, append([]string{"ROLLBACK", "BEGIN"}, s.limits...)...)
	return err
}

// restart rolls everything back and begins anew.
func (s *session) restart(ctx context.Context) error {
	if _, err := s.run(ctx, "ROLLBACK"); err != nil {
		return err
	}
	return s.begin(ctx)
}

// close rolls back and disconnects. It works on a cancelled ctx too: nothing may
// stay open.
func (s *session) close() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if s.conn != nil && !s.conn.IsClosed() {
		_, _ = s.run(ctx, "ROLLBACK")
		_ = s.conn.Close(ctx)
	}
}

// run sends the statements in one message of the simple protocol and returns
// their results up to the first error.
func (s *session) run(ctx context.Context, statements ...string) ([]result, error) {
	if len(statements) == 0 {
		return nil, nil
	}
	mrr := s.conn.PgConn().Exec(ctx, strings.Join(statements, ";\n")+";")
	var out []result
	for mrr.NextResult() {
		out = append(out, read(mrr.ResultReader()))
	}
	err := mrr.Close()
	if err != nil && len(out) > 0 && out[len(out)-1].tag == "" && out[len(out)-1].n == 0 {
		out = out[:len(out)-1]
	}
	return out, err
}

// maxRows is how many rows of a result are kept; more are only counted.
const maxRows = 2000

func read(rr *pgconn.ResultReader) result {
	var r result
	for _, f := range rr.FieldDescriptions() {
		r.columns = append(r.columns, f.Name)
	}
	for rr.NextRow() {
		r.n++
		if len(r.rows) < maxRows {
			r.rows = append(r.rows, texts(rr.Values()))
		}
	}
	tag, _ := rr.Close()
	r.tag = tag.String()
	if !tag.Select() {
		r.n = tag.RowsAffected()
	}
	return r
}

func texts(values [][]byte) []string {
	row := make([]string, len(values))
	for i, v := range values {
		if row[i] = string(v); v == nil {
			row[i] = null
		}
	}
	return row
}

// attempt is one try: whom to speak for, what to run, what the operator then
// looks at (staged sessions only).
type attempt struct {
	setup []string // run by the operator first (staged sessions only)
	as    []string // binds the tenant
	steps []string
	watch []string
}

const (
	savepoint = "SAVEPOINT moat_probe"
	undo      = "ROLLBACK TO SAVEPOINT moat_probe"
	immediate = "SET CONSTRAINTS ALL IMMEDIATE"
)

// prelude is what comes before the steps.
func (s *session) prelude(a attempt) []string {
	return slices.Concat([]string{savepoint}, a.setup, s.become, a.as)
}

// try makes the attempt and takes all of it back.
func (s *session) try(ctx context.Context, a attempt) outcome {
	if s.bind.turns != nil {
		return s.tryTurn(ctx, a)
	}
	s.notices = nil
	prelude := s.prelude(a)
	results, err := s.run(ctx, append(prelude, a.steps...)...)
	o := outcome{bound: len(results) >= len(prelude), ready: len(results) > len(a.setup), notices: s.notices}
	if o.bound {
		o.results = results[len(prelude):]
	}
	if err == nil && len(a.watch) > 0 {
		o.watched, err = s.run(ctx, append([]string{s.unbecome()}, a.watch...)...)
		if len(o.watched) > 0 {
			o.watched = o.watched[1:]
		}
	}
	if err != nil && !errors.As(err, &o.err) {
		o.broken = err
		return o
	}
	if _, err := s.run(ctx, undo, "RELEASE SAVEPOINT moat_probe"); err != nil {
		o.broken = err
	}
	return o
}

// say runs a statement for a tenant and leaves its transaction open.
func (s *session) say(ctx context.Context, as []string, statement string) ([]result, error) {
	if s.bind.turns != nil {
		var err error
		if as, err = s.turn(ctx, as); err != nil {
			return nil, err
		}
	}
	return s.run(ctx, append(slices.Clone(as), statement)...)
}

// unbecome returns to the operator's own role.
func (s *session) unbecome() string {
	if len(s.become) > 0 && strings.HasPrefix(s.become[0], "SET LOCAL ROLE") {
		return "SET LOCAL ROLE NONE"
	}
	return "SET LOCAL SESSION AUTHORIZATION DEFAULT"
}

// alive returns an error when the connection is gone.
func (s *session) alive(ctx context.Context) error {
	_, err := s.run(ctx, "SELECT 1")
	return err
}

// guarded runs statements behind a savepoint and keeps them when they succeed.
func (s *session) guarded(ctx context.Context, statements ...string) ([]result, error) {
	results, err := s.run(ctx, append([]string{"SAVEPOINT moat_seed"}, statements...)...)
	if err == nil {
		_, err = s.run(ctx, "RELEASE SAVEPOINT moat_seed")
		return results[1:], err
	}
	if _, back := s.run(ctx, "ROLLBACK TO SAVEPOINT moat_seed", "RELEASE SAVEPOINT moat_seed"); back != nil {
		return nil, fmt.Errorf("%w; and the savepoint is lost: %w", err, back)
	}
	return nil, err
}
