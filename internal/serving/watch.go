package serving

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/moat-db/moat/catalog"
)

// askTimeout bounds one statement of a watch: a peer that went silent without ending its
// connection must not stop it for ever.
const askTimeout = 10 * time.Second

// The channels that are listened to: PostgREST's own name for a reload, moat's, and
// the one that empties the tenant cache.
var channels = []string{"pgrst", "moat", "moat_tenants"}

// Watch keeps what was read of a schema current.
type Watch struct {
	// Connect opens a connection outside the pool. Nil means that nothing is watched.
	Connect func(ctx context.Context) (*pgx.Conn, error)
	// Reload reads the schema again. Flush forgets what is known of the tenants.
	Reload func(ctx context.Context) error
	Flush  func()
	// Every is how often the catalog's stamp is compared.
	Every  time.Duration
	Logger *slog.Logger
	// Cause is what the log says of an error.
	Cause func(error) string

	// What Begin left for Run.
	conn  *pgx.Conn
	stamp string
}

// Begin listens and notes the catalog's stamp, before the schema is read first: then [Watch.Run] reads
// it again only if it has changed since. Where Begin cannot connect, Run reads it again at once. After
// Begin, Run must be called, or [Watch.End].
func (w *Watch) Begin(ctx context.Context) {
	if w.Connect == nil {
		return
	}
	conn, err := w.listener(ctx)
	if err != nil {
		return
	}
	if w.stamp, err = stamp(ctx, conn); err != nil {
		closeSoon(ctx, conn)
		return
	}
	w.conn = conn
}

// Run watches until ctx ends.
func (w *Watch) Run(ctx context.Context) {
	defer w.End(ctx)
	if w.Connect == nil {
		return
	}
	wait := time.Second / 4
	for ctx.Err() == nil {
		err := w.follow(ctx)
		if ctx.Err() != nil {
			return
		}
		w.Logger.Warn("schema is not being watched, trying again", "error", w.Cause(err))
		sleep(ctx, wait)
		wait = min(2*wait, 5*time.Second)
	}
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// follow watches over one connection. Notifications that were sent while there was
// none are made up for by comparing the stamp at once, and the tenant cache is
// emptied.
func (w *Watch) follow(ctx context.Context) error {
	conn, last, err := w.begun(ctx)
	if err != nil {
		return err
	}
	defer closeSoon(ctx, conn)
	w.Flush()
	for {
		if last, err = w.compare(ctx, conn, last); err != nil {
			return err
		}
		if err := w.listen(ctx, conn); err != nil {
			return err
		}
	}
}

// begun is the connection of Begin with its stamp, or another one with none.
func (w *Watch) begun(ctx context.Context) (conn *pgx.Conn, last string, err error) {
	if conn, w.conn = w.conn, nil; conn != nil {
		return conn, w.stamp, nil
	}
	conn, err = w.listener(ctx)
	return conn, "", err
}

// End closes the connection of Begin where Run did not come to use it.
func (w *Watch) End(ctx context.Context) {
	if w.conn != nil {
		closeSoon(ctx, w.conn)
	}
}

// listener connects and listens to the channels. A standby knows no LISTEN: there the
// comparison alone tells of changes.
func (w *Watch) listener(ctx context.Context) (*pgx.Conn, error) {
	short, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	conn, err := w.Connect(short)
	if err != nil {
		return nil, err
	}
	for _, name := range channels {
		_, err := conn.Exec(short, "listen "+pgx.Identifier{name}.Sanitize())
		if standby(err) {
			return conn, nil
		}
		if err != nil {
			closeSoon(ctx, conn)
			return nil, err
		}
	}
	return conn, nil
}

// standby reports whether a statement was refused because the server is a hot standby, or
// its transaction read-only.
func standby(err error) bool {
	var pgErr *pgconn.PgError
	return errors.As(err, &pgErr) && (pgErr.Code == "25006" || pgErr.Code == "55000")
}

// closeSoon closes a connection whose peer may not answer any more.
func closeSoon(ctx context.Context, conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = conn.Close(ctx) // it is not used any more
}

func stamp(ctx context.Context, conn *pgx.Conn) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	return catalog.Stamp(ctx, conn)
}

// compare reloads when the stamp differs from the last one. Another connection has none,
// so it reloads once after a lost one.
func (w *Watch) compare(ctx context.Context, conn *pgx.Conn, last string) (string, error) {
	now, err := stamp(ctx, conn)
	if err != nil || now == last {
		return last, err
	}
	if err := w.Reload(ctx); err != nil {
		if ctx.Err() == nil { // else it is the end
			w.Logger.Error("schema could not be reloaded, the old one stays", "error", w.Cause(err))
		}
		return last, nil
	}
	return now, nil
}

// listen handles notifications until it is time to compare again.
func (w *Watch) listen(ctx context.Context, conn *pgx.Conn) error {
	until, cancel := context.WithTimeout(ctx, w.Every)
	defer cancel()
	for {
		n, err := conn.WaitForNotification(until)
		if err != nil {
			if ctx.Err() == nil && errors.Is(until.Err(), context.DeadlineExceeded) && !conn.IsClosed() && pgconn.Timeout(err) {
				return nil
			}
			return err
		}
		switch {
		case n.Channel == "moat_tenants":
			w.Flush()
		case n.Payload == "" || n.Payload == "reload schema":
			return w.Reload(ctx)
		}
	}
}
