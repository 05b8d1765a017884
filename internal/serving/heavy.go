package serving

import (
	"slices"
	"time"
)

// weight is what a tenant's statements of late are to the others.
type weight int

const (
	light weight = iota
	busy         // they took much of the time, however little each costs
	heavy        // they cost much
	weights
)

// A tenant is heavy whose statements cost more than a sixteenth of the time of late: what each
// costs beyond what is cheap here is owed, up to mostOwed, and a second of it is forgiven in
// sixteen. Who asks often for little is not heavy, but busy from a quarter of the time on, of
// which all counts. Nothing of so much is forgiven while requests of the tenant wait: being held
// back would make it light again, and then it would run at once what waits.
const (
	muchOwed    = 100 * time.Millisecond
	mostOwed    = 2 * time.Second
	forgiven    = 16
	forgivenUse = 4
)

// shortRest is up to which a heavy tenant rests eight times as long as its statement took.
const shortRest = 50 * time.Millisecond

// aboutFor is for how long a light tenant is about after it began a statement.
const aboutFor = 10 * time.Second

// lookTimes is how often within [Limits.Wait] the gate looks for who waits.
const lookTimes = 20

// What is cheap depends on the machine, and on how far away the database is: a few times what the
// quickest tenant's statements cost of late, and in any case what hardly anything stays below.
const (
	cheapTimes  = 4
	alwaysCheap = 500 * time.Microsecond
	quickestFor = 2 * time.Second
)

func (l *lane) weight(now time.Time) weight {
	switch {
	case l.owes(now) >= muchOwed:
		return heavy
	case l.uses(now) >= muchOwed:
		return busy
	}
	return light
}

// owes is what the lane's statements have cost of late, beyond what is cheap.
func (l *lane) owes(now time.Time) time.Duration { return l.left(l.owed, now, forgiven) }

// uses is what they have cost, all of it.
func (l *lane) uses(now time.Time) time.Duration { return l.left(l.used, now, forgivenUse) }

// left is what is not forgiven of what was reckoned.
func (l *lane) left(of time.Duration, now time.Time, forgiven time.Duration) time.Duration {
	if len(l.waiting) > 0 && of >= muchOwed {
		return of
	}
	return max(of-now.Sub(l.reckoned)/forgiven, 0)
}

// reckon forgives the lane up to now.
func (l *lane) reckon(now time.Time) { l.owed, l.used, l.reckoned = l.owes(now), l.uses(now), now }

// work is what the pool's connections do.
type work struct {
	clock   time.Duration // see [work.now]
	read    time.Time     // when the clock was read last
	running [weights]int  // statements of tenants of a weight that run, or rest
	others  [8]*lane      // that were light as they began a statement, last first

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
// alone, which [Gate.kept] leaves them, are no help to who waits for a processor. Who has had
// none for long runs one in any case, so that such tenants do not lock each other out.
func (g *Gate) leavesWork(l *lane) bool {
	now := time.Now()
	w := l.weight(now)
	return w == light || g.work.running[w] < g.most(w) || !g.work.othersAbout(now) ||
		l.running == 0 && now.Sub(l.ended) >= g.limits.Wait/2
}

// most is how many statements of all tenants of a weight run at a time beside others.
func (g *Gate) most(w weight) int {
	if w == busy {
		return 2 * g.limits.BesideOthers
	}
	return g.limits.BesideOthers
}

// begins notes that a lane begins a statement, and returns the lane's weight.
func (w *work) begins(l *lane, now time.Time) weight {
	l.began = now
	is := l.weight(now)
	w.running[is]++
	if is == light && w.others[0] != l {
		i := slices.Index(w.others[:], l)
		if i < 0 {
			i = len(w.others) - 1
		}
		copy(w.others[1:], w.others[:i])
		w.others[0] = l
	}
	return is
}

// othersAbout reports whether tenants are about that are still light.
func (w *work) othersAbout(now time.Time) bool {
	return slices.ContainsFunc(w.others[:], func(l *lane) bool {
		return l != nil && now.Sub(l.began) <= aboutFor && l.weight(now) == light
	})
}

func (g *Gate) othersAbout() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.work.othersAbout(time.Now())
}

// rest ends a statement that took so long, for a tenant that is busy only when as long has passed
// again, and twice as long for a heavy one, beside whose large answers others wait for a processor
// in several places. So half of the time or more is left to others, and to sending what was read.
// After a short one a heavy tenant rests longer: those come often, and each delays who wakes up then.
func (g *Gate) rest(w weight, took time.Duration) {
	if w == light {
		g.work.running[w]--
		return
	}
	if w == heavy {
		took = max(2*took, min(8*took, shortRest))
	}
	time.AfterFunc(took, func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.work.running[w]--
		g.dispatch()
	})
}

// look gives turns, again and again while any waits, that come with time alone.
func (g *Gate) look() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.dispatch()
	if g.looks = len(g.turns) > 0; g.looks {
		time.AfterFunc(g.limits.Wait/lookTimes, g.look)
	}
}
