package demo

import (
	"slices"
	"strings"

	"github.com/moat-db/moat/internal/list"
)

// What belongs to more than one tenant: the agency's templates, people who work for several
// clients, and leads that one client has handed to another.

// template is a text for campaigns; of is an index into clients, or the agency's.
type template struct {
	of                     int
	name, channel, subject string
}

const ofAgency = -1

var templates = []template{
	{ofAgency, "Welcome", "email", "Thank you for your interest"},
	{ofAgency, "Second reminder", "email", "Is this still of interest to you?"},
	{ofAgency, "Seasonal offer", "social", "Only until the end of the month"},
	{ofAgency, "Ask for a referral", "referral", "Whom do you know who should hear of us?"},
	{0, "Roof check", "search", "What your roof could earn"},
	{1, "Recall", "email", "Time for your check-up"},
}

// owner is the tenant of an index.
func owner(of int) client {
	if of == ofAgency {
		return agency
	}
	return clients[of]
}

func (s *sample) templates() (rows [][]any) {
	for _, t := range templates {
		rows = append(rows, []any{owner(t.of).id, s.uuid(), t.name, t.channel, t.subject})
	}
	return rows
}

// member is a person and the tenants they work for; an invitation is not accepted yet.
type member struct {
	id, name string
	of       []int
	invited  []int
}

// Nadia and Tom belong to two clients, and Priya will.
var members = []member{
	{"11a0f5c2-8d3e-4b60-9c71-3f2e8d5a0001", "Carla Winter", []int{ofAgency}, nil},
	{"11a0f5c2-8d3e-4b60-9c71-3f2e8d5a0002", "Nadia Osei", []int{0, 3}, nil},
	{"11a0f5c2-8d3e-4b60-9c71-3f2e8d5a0003", "Tom Brennan", []int{1, 2}, nil},
	{"11a0f5c2-8d3e-4b60-9c71-3f2e8d5a0004", "Elena Rossi", []int{0}, nil},
	{"11a0f5c2-8d3e-4b60-9c71-3f2e8d5a0005", "Priya Patel", []int{4}, []int{1}},
}

func people() (rows [][]any) {
	for _, m := range members {
		email := strings.ToLower(strings.ReplaceAll(m.name, " ", ".")) + "@example.com"
		rows = append(rows, []any{m.id, m.name, email})
	}
	return rows
}

// ownerOf is who owns a tenant: the first of its members.
func ownerOf(of int) string {
	for _, m := range members {
		if slices.Contains(m.of, of) {
			return m.id
		}
	}
	return ""
}

func (s *sample) memberships() (rows [][]any) {
	for _, m := range members {
		for _, of := range m.of {
			role := "member"
			if ownerOf(of) == m.id {
				role = "owner"
			}
			rows = append(rows, []any{owner(of).id, m.id, role, s.now.AddDate(0, -3, 0)})
		}
		rows = append(rows, list.Map(m.invited, func(of int) []any { return []any{owner(of).id, m.id, "member", nil} })...)
	}
	return rows
}

// referrals are leads of the solar company whose roofs have to be mended first, and one that
// the roofer returns the favour with.
func (s *sample) referrals() (rows [][]any) {
	for _, r := range []struct {
		from, to, leads int
		reason          string
	}{
		{0, 3, 2, "Wants solar panels, but the roof has to be mended first"},
		{3, 0, 1, "The new roof faces south: asked for solar panels"},
		{1, 2, 1, "Asked who could look through a contract"},
	} {
		for _, lead := range s.firstLeads(clients[r.from].id, r.leads) {
			rows = append(rows, []any{clients[r.from].id, clients[r.to].id, s.uuid(), lead[1], lead[3], lead[5], r.reason,
				s.now.AddDate(0, 0, -len(rows)-1)})
		}
	}
	return rows
}

func (s *sample) firstLeads(tenant string, n int) (leads [][]any) {
	for _, lead := range s.leads {
		if lead[0] == tenant && len(leads) < n {
			leads = append(leads, lead)
		}
	}
	return leads
}
