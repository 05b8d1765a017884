package alive

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// serve is a server that takes connections and, while it lives, answers the first byte of each after a while.
func serve(t *testing.T, lives bool, after time.Duration) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { c.Close() })
			if lives {
				go answer(c, after)
			}
		}
	}()
	return l.Addr().String()
}

// answer answers a request for TLS at once, and anything else after a while.
func answer(c net.Conn, after time.Duration) {
	b := make([]byte, 8)
	n, _ := c.Read(b)
	if n < len(b) {
		time.Sleep(after)
	}
	_, _ = c.Write([]byte("N"))
}

// ask sends a byte over a connection to address, and waits for the answer to it.
func ask(t *testing.T, address string, awaited Awaited) error {
	t.Helper()
	d := newDialer((&net.Dialer{}).DialContext)
	d.look, d.sign = 10*time.Millisecond, 100*time.Millisecond
	c, err := d.connect(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if awaited != nil {
		AwaitedBy(c, awaited)
	}
	_ = c.SetReadDeadline(time.Now().Add(2 * time.Second))
	if _, err = c.Write([]byte("Q")); err == nil {
		_, err = c.Read(make([]byte, 1))
	}
	return err
}

func TestFrozenServer(t *testing.T) {
	t.Parallel()
	for name, x := range map[string]struct {
		lives   bool
		after   time.Duration
		awaited Awaited
		want    error
	}{
		"it stands still":           {want: net.ErrClosed},
		"it is slow":                {lives: true, after: 500 * time.Millisecond},
		"its user knows it waits":   {awaited: func() (bool, uint64) { return true, 7 }, want: net.ErrClosed},
		"its user awaits no answer": {awaited: func() (bool, uint64) { return false, 7 }, want: context.DeadlineExceeded},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := ask(t, serve(t, x.lives, x.after), x.awaited)
			var network net.Error
			if x.want == context.DeadlineExceeded && errors.As(err, &network) && network.Timeout() {
				return
			}
			if !errors.Is(err, x.want) {
				t.Errorf("%v, want %v", err, x.want)
			}
		})
	}
}

// A connection that is idle for good, as one that listens, has its server asked ever more rarely.
func TestSilenceThatIsMeant(t *testing.T) {
	t.Parallel()
	w := &wait{}
	w.reading.Store(true)
	w.limit = firstSilence
	asked := 0
	for range 600 {
		if w.tooLong() {
			asked++
		}
	}
	if asked != 12 { // after 5, 10, 20 and 40 looks, then each 60
		t.Errorf("asked %d times in 600 looks", asked)
	}
	w.read.Add(1)
	for range firstSilence {
		if w.tooLong() {
			t.Fatal("asked at once after an answer")
		}
	}
	if !w.tooLong() {
		t.Error("not asked again after an answer")
	}
}

// What the connection string says of the time to connect holds, whatever ours is.
func TestConnectTimeout(t *testing.T) {
	t.Parallel()
	for stated, want := range map[time.Duration]time.Duration{0: connecting, 20 * time.Second: 20 * time.Second,
		time.Second: time.Second} {
		var left time.Duration
		c := &pgconn.Config{ConnectTimeout: stated, DialFunc: func(ctx context.Context, _, _ string) (net.Conn, error) {
			deadline, _ := ctx.Deadline()
			left = time.Until(deadline)
			return nil, net.ErrClosed
		}}
		Conn(c)
		if _, err := c.DialFunc(t.Context(), "tcp", "x"); err == nil || left > want || left < want-time.Second/2 {
			t.Errorf("%v stated: %v left", stated, left)
		}
	}
}
