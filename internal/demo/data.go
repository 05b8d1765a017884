package demo

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// events is how many lead events the sample has; every lead has at least its first.
const events = 60_000

// sample makes the same people on every run, with dates that end at now. Dates have
// a random source of their own: they depend on the weekday, and must not shift the
// names and ids.
type sample struct {
	random                            *rand.Rand
	dates                             *rand.Rand
	now                               time.Time
	tenants, campaigns, leads, events [][]any
}

// fill writes the sample into a database that has the schema, as superuser: COPY is
// not for roles that row-level security binds.
func fill(ctx context.Context, conn *pgx.Conn, now time.Time) error {
	s := &sample{random: rand.New(rand.NewPCG(20, 26)), dates: rand.New(rand.NewPCG(11, 23)),
		now: now.UTC().Truncate(time.Hour)}
	tx, err := conn.Begin(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback(ctx) }()
	s.add()
	for _, table := range []struct {
		name    string
		columns []string
		rows    [][]any
	}{
		{"tenants", []string{"id", "name", "slug", "parent_id", "created_at"}, s.tenants},
		{"campaigns", []string{"tenant_id", "id", "name", "channel", "budget", "starts_on", "active", "created_at"},
			s.campaigns},
		{"leads", []string{"tenant_id", "id", "campaign_id", "name", "email", "phone", "company", "status", "source",
			"value", "score", "created_at", "updated_at"}, s.leads},
		{"lead_events", []string{"tenant_id", "id", "lead_id", "kind", "body", "happened_at"}, s.events},
		{"templates", []string{"tenant_id", "id", "name", "channel", "subject"}, s.templates()},
		{"referrals", []string{"tenant_id", "to_tenant", "id", "lead_id", "name", "phone", "reason", "created_at"},
			s.referrals()},
		{"people", []string{"id", "name", "email"}, people()},
		{"memberships", []string{"tenant_id", "person_id", "role", "accepted_at"}, s.memberships()},
	} {
		if _, err := tx.CopyFrom(ctx, pgx.Identifier{"app", table.name}, table.columns,
			pgx.CopyFromRows(table.rows)); err != nil {
			return fmt.Errorf("fill %s: %w", table.name, err)
		}
	}
	return tx.Commit(ctx)
}

// add makes the agency, its clients and their leads. The agency's own come last, so that
// they shift nobody's names and ids.
func (s *sample) add() {
	s.tenants = [][]any{{agency.id, agency.name, agency.slug, nil, s.now.AddDate(-4, 0, 0)}}
	for _, c := range clients {
		since := s.now.AddDate(-1, -s.random.IntN(12), 0)
		s.tenants = append(s.tenants, []any{c.id, c.name, c.slug, agency.id, since})
		s.addLeads(c, s.addCampaigns(c, since))
	}
	s.addEvents()
	n := len(s.leads)
	s.addLeads(agency, s.addCampaigns(agency, s.now.AddDate(-4, 0, 0)))
	s.addFirstEvents(s.leads[n:])
}

func (s *sample) addCampaigns(c client, since time.Time) []string {
	ids := make([]string, len(c.campaigns))
	for i, k := range c.campaigns {
		ids[i] = s.uuid()
		s.campaigns = append(s.campaigns, []any{c.id, ids[i], k.name, k.channel, float64(500 * (1 + s.random.IntN(40))),
			s.now.AddDate(0, -6-i, 0), i < 3, since})
	}
	return ids
}

// uuid is a random uuid of the sample: the same on every run.
func (s *sample) uuid() string {
	a, b := s.random.Uint64(), s.random.Uint64()
	return fmt.Sprintf("%08x-%04x-4%03x-%04x-%012x", a>>32, a>>16&0xffff, a&0xfff, 0x8000|b>>50, b&0xffffffffffff)
}

func pick[T any](s *sample, from []T) T { return from[s.random.IntN(len(from))] }

func (s *sample) addLeads(c client, campaigns []string) {
	for i := range c.leads {
		first, last := pick(s, firstNames), pick(s, lastNames)
		var company any
		if s.random.IntN(3) == 0 {
			company = pick(s, companyHeads) + " " + pick(s, companyTails)
		}
		k := s.random.IntN(len(campaigns))
		created := s.created()
		status, value, score := s.progress(created)
		updated := created.Add(time.Duration(s.dates.IntN(72)) * time.Hour)
		if updated.After(s.now) {
			updated = s.now
		}
		s.leads = append(s.leads, []any{c.id, s.uuid(), campaigns[k], first + " " + last,
			strings.ToLower(fmt.Sprintf("%s.%s%d@example.com", first, last, i)), fmt.Sprintf("+1 555 %03d %04d",
				100+s.random.IntN(900), s.random.IntN(10000)),
			company, status, source(s, c.campaigns[k].channel), value, score, created,
			updated})
	}
}

// created spreads leads over a year: more of them lately, and fewer at weekends and
// at night.
func (s *sample) created() time.Time {
	for {
		age := 1 - math.Sqrt(1-s.dates.Float64()) // grows evenly from nothing to twice the average
		at := s.now.Add(-time.Duration(age * float64(365*24*time.Hour))).Add(-time.Duration(s.dates.IntN(3600)) * time.Second)
		quiet := at.Weekday() == time.Saturday || at.Weekday() == time.Sunday || at.Hour() < 7 || at.Hour() > 21
		if !quiet || s.dates.IntN(5) == 0 {
			return at
		}
	}
}

// progress says how far a lead has come: old leads are decided, new ones are not.
func (s *sample) progress(created time.Time) (status string, value any, score int) {
	age := s.now.Sub(created).Hours() / 24
	n := s.dates.IntN(100) + min(int(age), 60)
	switch {
	case n < 45:
		status, score = "new", s.dates.IntN(60)
	case n < 75:
		status, score = "contacted", 10+s.dates.IntN(60)
	case n < 100:
		status, score = "qualified", 40+s.dates.IntN(60)
	case n%3 == 0:
		status, score = "won", 70+s.dates.IntN(31)
	default:
		status, score = "lost", s.dates.IntN(40)
	}
	if status != "new" {
		value = float64(50 * (4 + s.dates.IntN(200)))
	}
	return status, value, score
}

func source(s *sample, channel string) string {
	if s.random.IntN(4) > 0 {
		return channel
	}
	return pick(s, []string{"website", "phone", "referral"})
}

// addEvents gives every lead its first event, and more to some until there are
// enough.
func (s *sample) addEvents() {
	s.addFirstEvents(s.leads)
	for len(s.events) < events {
		lead := pick(s, s.leads)
		kind := pick(s, []string{"call", "email", "email", "meeting", "note"})
		body := map[string][]string{"call": callNotes, "email": mailNotes, "meeting": meetingNotes, "note": callNotes}[kind]
		at := lead[11].(time.Time).Add(time.Duration(1+s.random.IntN(240)) * time.Hour)
		if at.Before(s.now) {
			s.addEvent(lead, kind, pick(s, body), at)
		}
	}
}

func (s *sample) addFirstEvents(leads [][]any) {
	for _, lead := range leads {
		s.addEvent(lead, "created", "Came in by "+lead[8].(string), lead[11].(time.Time))
	}
}

func (s *sample) addEvent(lead []any, kind, body string, at time.Time) {
	s.events = append(s.events, []any{lead[0], s.uuid(), lead[1], kind, body, at})
}
