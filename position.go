package moat

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
)

// Position is how far a database has come: its time line and the place in its log, as in
// "1-0/16B3748". It is text that clients carry about, in a header or a cookie.
type Position string

// positionSQL is the primary's position. The insert position is behind every commit that
// anyone was told of, also where commits do not wait for the disk.
const positionSQL = "('x' || lpad(left(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_insert_lsn()), 8), 8, " +
	"'0'))::bit(32)::int4 || '-' || pg_catalog.pg_current_wal_insert_lsn()"

type place struct {
	timeline int64
	lsn      uint64
}

var errPosition = errors.New("not a position, like 1-0/16B3748")

func (p Position) parse() (place, error) {
	var at place
	var high, low uint32
	if len(p) > 40 {
		return at, errPosition
	}
	var rest string
	n, err := fmt.Sscanf(string(p)+" .", "%d-%X/%X %s", &at.timeline, &high, &low, &rest)
	if err != nil || n != 4 || rest != "." || at.timeline < 1 {
		return place{}, errPosition
	}
	at.lsn = uint64(high)<<32 | uint64(low)
	return at, nil
}

type readAfterKey struct{}

// ReadAfter returns a context whose reads see what was committed before p: what a session
// has written, it reads again. Until a replica has come so far they go to the primary, as
// they do where p cannot be read. An empty p changes nothing.
func ReadAfter(ctx context.Context, p Position) context.Context {
	if p == "" {
		return ctx
	}
	return context.WithValue(ctx, readAfterKey{}, p)
}

// readAfter is what the reads of a context have to see; false where nobody can tell.
func readAfter(ctx context.Context) (place, bool) {
	p, ok := ctx.Value(readAfterKey{}).(Position)
	if !ok {
		return place{}, true
	}
	at, err := p.parse()
	return at, err == nil
}

// isLost reports whether a connection has ended.
func isLost(err error) bool {
	var network net.Error
	return errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) ||
		errors.As(err, &network)
}
