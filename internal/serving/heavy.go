package serving

import "time"

// A tenant is heavy whose statements cost more than a sixteenth of the time of late: what each
// costs beyond what is cheap here is owed, up to mostOwed, and a second of it is forgiven in
// sixteen. Who asks often for little is not heavy.
const (
	heavyAt  = 100 * time.Millisecond
	mostOwed = 2 * time.Second
	forgiven = 16
)

// aboutFor is for how long a tenant that is not heavy is about after it began a statement.
const aboutFor = 10 * time.Second

// What is cheap depends on the machine, and on how far away the database is: a few times what the
// quickest tenant's statements cost of late, and in any case what hardly anything stays below.
const (
	cheapTimes  = 4
	alwaysCheap = 500 * time.Microsecond
	quickestFor = 2 * time.Second
)

func (l *lane) heavy(now time.Time) bool { return l.owes(now) >= heavyAt }

// owes is what the lane's statements have cost of late.
func (l *lane) owes(now time.Time) time.Duration { return max(l.owed-now.Sub(l.ended)/forgiven, 0) }

// work is what the pool's connections do.
type work struct {
	clock   time.Duration // see [work.now]
	read    time.Time     // when the clock was read last
	heavies int           // statements of heavy tenants that run, or rest
	others  time.Time     // when a tenant that is not heavy began one

	quickest   time.Duration // what a statement of the quickest tenant costs
	quickestAt time.Time     // when that was so
}

// cheap is what a statement may cost that is not owed, after one of a tenant whose statements
// cost so much.
func (w *work) cheap(now time.Time, cost time.Duration) time.Duration {
	if cost <= w.quickest || now.Sub(w.quickestAt) > quickestFor {
		w.quickest, w.quickestAt = cost, now
	}
	return max(cheapTimes*w.quickest, alwaysCheap)
}

// now reads a clock that goes slower the more statements run: a statement costs what passes by
// it, and is not the dearer for being slowed down by those beside it. It must be read before
// their number changes.
func (w *work) now(running int) time.Duration {
	now := time.Now()
	w.clock += now.Sub(w.read) / time.Duration(max(running, 1))
	w.read = now
	return w.clock
}

// leavesWork reports whether a lane's next statement leaves processors to others: connections
// alone, which [Gate.kept] leaves them, are no help to who waits for a processor. Who has waited
// for long runs one statement in any case, so that heavy tenants do not lock each other out.
func (g *Gate) leavesWork(l *lane, late bool) bool {
	now := time.Now()
	return !l.heavy(now) || g.work.heavies < g.limits.BesideOthers || !g.work.othersAbout(now) ||
		late && l.running == 0
}

func (w *work) othersAbout(now time.Time) bool { return now.Sub(w.others) <= aboutFor }

func (g *Gate) othersAbout() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.work.othersAbout(time.Now())
}

// rested is called when a statement of a heavy tenant ended as long ago as it took. So half of
// the time is left to others, and to sending what was read.
func (g *Gate) rested() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.work.heavies--
	g.dispatch()
}

// late is called when half of a waiter's time is over.
func (g *Gate) late(w *waiter) {
	g.mu.Lock()
	defer g.mu.Unlock()
	w.late = true
	g.dispatch()
}
