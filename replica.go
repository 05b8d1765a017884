package moat

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// DefaultMaxLag is how stale reads from a replica are at most when nothing else is
// configured.
const DefaultMaxLag = time.Second

// ErrNotReplica is returned by [Open] for a replica that is not one of the database: another
// cluster or database, another role, or a server that is no standby.
var ErrNotReplica = errors.New("not a replica of the database")

// replicas are those of a DB, and what is known of how far each has come.
//
// Staleness is measured without comparing clocks of machines: the primary's position is read
// over and over, and a replica that has replayed the one of the moment t shows everything
// that was committed before t.
type replicas struct {
	primary *DB
	all     []*replica
	lag     time.Duration
	next    atomic.Uint32
	stop    context.CancelFunc
	done    sync.WaitGroup

	// home is the primary as it was found, and marks are its positions, the oldest first.
	mu    sync.Mutex
	home  home
	marks []mark
}

// home is what makes a server the primary of its replicas.
type home struct {
	system, timeline int64
	database, role   string
}

// mark is where the primary was, or later, at a moment.
type mark struct {
	at       time.Time
	position uint64
}

// replica is one of them: a DB of its own, so that its roles are checked and its statements
// bound like the primary's.
type replica struct {
	db *DB
	// fresh is the moment, in nanoseconds, of which all commits are there; 0 for none.
	fresh    atomic.Int64
	position atomic.Uint64
}

// openReplicas connects to the replicas of a DB that is open. Those that cannot be reached
// are tried again; one that is there and is not the DB's is an error.
func (db *DB) openReplicas(ctx context.Context, opts Options) error {
	if len(opts.Replicas) == 0 {
		return nil
	}
	r := &replicas{primary: db, lag: opts.MaxLag}
	if r.lag == 0 {
		r.lag = DefaultMaxLag
	}
	for _, url := range opts.Replicas {
		one, err := r.open(ctx, url, opts)
		if err != nil {
			r.close()
			return fmt.Errorf("open replica: %w", err)
		}
		r.all = append(r.all, one)
	}
	db.replicas = r
	if err := r.look(ctx); err != nil {
		return fmt.Errorf("open replica: %w", err)
	}
	watching, stop := context.WithCancel(context.WithoutCancel(ctx))
	r.stop = stop
	r.done.Go(func() { r.watch(watching) })
	return nil
}

func (r *replicas) open(ctx context.Context, url string, opts Options) (*replica, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("parse connection string: %w", errConnString)
	}
	opts.Replicas = nil
	if err := Configure(config, opts); err != nil {
		return nil, err
	}
	// A server that was promoted since takes no write over these connections either.
	config.ConnConfig.RuntimeParams["default_transaction_read_only"] = "on"
	before := config.AfterConnect
	config.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
		if err := r.check(ctx, conn); err != nil {
			return err
		}
		if before != nil {
			return before(ctx, conn)
		}
		return nil
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, err
	}
	return &replica{db: &DB{pool: pool, bind: r.primary.bind, owned: true, tracer: tracerOf(pool),
		primary: r.primary}}, nil
}

// check looks at each new connection: a name may lead to another server than before.
func (r *replicas) check(ctx context.Context, conn *pgx.Conn) error {
	var standby bool
	var there home
	err := conn.QueryRow(ctx, "select pg_catalog.pg_is_in_recovery(), "+
		"(pg_catalog.pg_control_system()).system_identifier, pg_catalog.current_database()::text, "+
		"current_user::text").Scan(&standby, &there.system, &there.database, &there.role)
	if err != nil {
		return fmt.Errorf("look at replica: %w", err)
	}
	r.mu.Lock()
	want := r.home
	r.mu.Unlock()
	want.timeline = 0
	if !standby || there != want {
		return ErrNotReplica
	}
	if err := checkRole(ctx, conn); err != nil {
		return err
	}
	if err := CheckObserved(ctx, conn); err != nil {
		return err
	}
	return r.primary.bind.checkSpread(ctx, conn)
}

// watch looks a few times within the time that reads may be stale.
func (r *replicas) watch(ctx context.Context) {
	tick := time.NewTicker(max(r.lag/4, 5*time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			looking, cancel := context.WithTimeout(ctx, 5*time.Second)
			_ = r.look(looking) // what is not known to be fresh is not read
			cancel()
		}
	}
}

// look asks the primary where it is, and then the replicas how far they have come.
func (r *replicas) look(ctx context.Context) error {
	if err := r.lookHome(ctx); err != nil {
		return err
	}
	var wait sync.WaitGroup
	wrong := make([]error, len(r.all))
	for i, one := range r.all {
		wait.Go(func() {
			if err := r.lookAt(ctx, one); err != nil {
				one.fresh.Store(0)
				if unsafe := new(UnsafeRoleError); errors.Is(err, ErrNotReplica) || errors.As(err, &unsafe) {
					wrong[i] = err
				}
			}
		})
	}
	wait.Wait()
	return errors.Join(wrong...)
}

func (r *replicas) lookHome(ctx context.Context) error {
	m := mark{at: time.Now()}
	var h home
	var position string
	const where = "select (pg_catalog.pg_control_system()).system_identifier, pg_catalog.current_database()::text, " +
		"current_user::text, " + positionSQL
	row := r.primary.pool.QueryRow(ctx, where) //moat:unscoped it reads no row of a tenant
	err := row.Scan(&h.system, &h.database, &h.role, &position)
	if err != nil {
		return fmt.Errorf("ask the primary for its position: %w", err)
	}
	at, err := Position(position).parse()
	if err != nil {
		return err
	}
	h.timeline, m.position = at.timeline, at.lsn
	r.mu.Lock()
	defer r.mu.Unlock()
	if h != r.home { // another server has taken its place
		r.home, r.marks = h, nil
	}
	// As many as are within the time that counts, and one before.
	for len(r.marks) > 1 && m.at.Sub(r.marks[1].at) > r.lag {
		r.marks = r.marks[1:]
	}
	r.marks = append(r.marks, m)
	return nil
}

// lookAt reads how far a replica has come. After a server was promoted its position alone
// says nothing: it may have gone on with what the old one wrote and the new one never had.
// It counts once its control file is on the new time line.
func (r *replicas) lookAt(ctx context.Context, one *replica) error {
	var standby bool
	var position uint64
	var timeline int64
	const where = "select pg_catalog.pg_is_in_recovery(), " +
		"coalesce(pg_catalog.pg_last_wal_replay_lsn() - '0/0'::pg_catalog.pg_lsn, 0)::int8, " +
		"greatest((pg_catalog.pg_control_checkpoint()).timeline_id, " +
		"(pg_catalog.pg_control_recovery()).min_recovery_end_timeline)"
	row := one.db.pool.QueryRow(ctx, where) //moat:unscoped it reads no row of a tenant
	err := row.Scan(&standby, &position, &timeline)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if !standby || timeline != r.home.timeline {
		return errBehind
	}
	one.position.Store(position)
	for _, m := range r.marks {
		if position >= m.position {
			one.fresh.Store(m.at.UnixNano())
		}
	}
	return nil
}

var errBehind = errors.New("the replica does not follow the primary")

// pick is a replica that is fresh enough for a context, nil for none.
func (r *replicas) pick(ctx context.Context) *DB {
	wanted, ok := readAfter(ctx)
	if !ok {
		return nil
	}
	r.mu.Lock()
	timeline := r.home.timeline
	r.mu.Unlock()
	// A position of another time line is not comparable.
	if wanted.timeline > 0 && wanted.timeline != timeline {
		return nil
	}
	first := int(r.next.Add(1))
	for i := range r.all {
		one := r.all[(first+i)%len(r.all)]
		fresh := one.fresh.Load()
		if fresh > 0 && time.Since(time.Unix(0, fresh)) <= r.lag && one.position.Load() >= wanted.lsn {
			return one.db
		}
	}
	return nil
}

func (r *replicas) close() {
	if r.stop != nil {
		r.stop()
		r.done.Wait()
	}
	for _, one := range r.all {
		one.db.Close()
	}
}

// Reader returns a DB to read from in the scope of ctx: a replica that is as fresh as
// [Options].MaxLag and [ReadAfter] ask for, or the DB itself where there is none. A statement
// that writes is an error on a replica. A connection that a replica does not give is taken
// from the primary.
func (db *DB) Reader(ctx context.Context) *DB {
	if db.replicas == nil {
		return db
	}
	if one := db.replicas.pick(ctx); one != nil {
		return one
	}
	return db
}

// Replicated reports whether the DB has replicas to read from.
func (db *DB) Replicated() bool { return db.replicas != nil }

// MaxLag is how stale what is read from a replica may be; zero without replicas.
func (db *DB) MaxLag() time.Duration {
	if db.replicas == nil {
		return 0
	}
	return db.replicas.lag
}

// Written returns the position after everything that was committed until now, for
// [ReadAfter]: "" where the DB has no replicas.
func (db *DB) Written(ctx context.Context) (Position, error) {
	if db.replicas == nil {
		return "", nil
	}
	var p string
	err := db.pool.QueryRow(ctx, "select "+positionSQL).Scan(&p) //moat:unscoped it reads no row
	if err != nil {
		return "", fmt.Errorf("ask the primary for its position: %w", err)
	}
	return Position(p), nil
}

// LostReplica reports whether an error of a statement on a replica says nothing of the
// statement: the server has gone, or a change that it replays was in the way. The statement
// may be sent to the primary.
func LostReplica(err error) bool {
	if pgErr, ok := errors.AsType[*pgconn.PgError](err); ok {
		switch pgErr.Code {
		case "40001", "40P01", "57P01", "57P02", "57P03":
			return true
		}
		return len(pgErr.Code) == 5 && pgErr.Code[:2] == "08"
	}
	return err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) &&
		(pgconn.SafeToRetry(err) || isLost(err))
}
