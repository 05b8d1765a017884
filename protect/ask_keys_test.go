package protect

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/internal/releases"
	"github.com/moat-db/moat/tenancy"
)

// Before 15 no key with the tenant can clear one column alone: nothing is enforced before a
// person has said what such a key shall do instead, or that it may stay.
func TestKeyThatCannotCarryTheTenantIsAskedAbout(t *testing.T) {
	t.Parallel()
	pgtest.EachMajor(t, func(t *testing.T, c *pgtest.Cluster) {
		t.Parallel()
		const id, full = "foreign-key/public.campaign/campaign_book_id_fkey", "public.campaign.campaign_book_id_fkey"
		b := newBenchOn(t, c, twoTenants+campaigns)
		b.opts.Ignored = []catalog.QName{{Schema: "public", Name: "opened"}}
		plan := b.plan(t)
		d := decision(plan, id)
		if c.Major >= 15 {
			if d != nil {
				t.Errorf("asked: %+v", d)
			}
			return
		}
		if d == nil || !d.Blocks || len(d.SQL) != 2 || !strings.Contains(d.Why, "when that tenant deletes its own") {
			t.Fatalf("question: %+v", d)
		}
		var open *OpenError
		if _, err := Apply(t.Context(), b.open, plan, ApplyOptions{Until: GroupGuards}); !errors.As(err, &open) {
			t.Errorf("applied: %v", err)
		}
		b.cfg.Crossing = []string{full}
		kept := b.plan(t)
		if len(kept.Open()) > 0 || !slices.ContainsFunc(kept.Unchanged, func(n Note) bool { return n.Object == full }) {
			t.Errorf("answered, and yet %+v, %+v", kept.Open(), kept.Unchanged)
		}
		b.cfg.Crossing = nil
		b.Exec(t, d.SQL[0])
		b.apply(t, GroupGuards)
		k := relation(b.snapshot(t), "campaign").Constraint("campaign_book_id_fkey")
		if k == nil || !slices.Equal(k.Columns, []string{"tenant_id", "book_id"}) || k.OnDelete != "restrict" ||
			!k.Validated {
			t.Errorf("key: %+v", k)
		}
	})
}

// A key that a foreign key ties to its tenant is asked about where the release shows rows by
// it, and the answer is planned.
func TestTiedKeysAreAskedAboutOnOpenReleases(t *testing.T) {
	t.Parallel()
	b := newBench(t, twoTenants+campaigns)
	full := []string{"public.contact.contact_book_id_email_key", "public.reached.reached_pkey"}
	plan := b.plan(t)
	for _, name := range full {
		d := decision(plan, "unique/"+name)
		if asked := d != nil; asked != releases.UpsertFixed().Open(b.read.Version) {
			t.Errorf("on %d, %s is asked about: %v", b.read.Version, name, asked)
		}
		if d != nil && (d.Blocks || !strings.Contains(d.Config, name)) {
			t.Errorf("question: %+v", d)
		}
	}
	b.cfg.TenantLedUniques = full
	plan = b.plan(t)
	for _, name := range full {
		if d := decision(plan, "unique/"+name); d != nil {
			t.Errorf("answered, and yet %+v", d)
		}
	}
	if !slices.ContainsFunc(plan.Steps, func(s Step) bool { return s.ID == "keys/public.reached/reached_pkey/primary" }) {
		t.Errorf("steps: %s", show(plan))
	}
	// On a release that is mended nothing is asked, and nothing noted of the server.
	mended := *b.read
	mended.Version = 180000 + releases.UpsertFixed()[18]
	v, err := tenancy.Infer(&mended, b.opts)
	if err != nil {
		t.Fatal(err)
	}
	b.cfg.TenantLedUniques = nil
	if plan, err = New(v, b.cfg); err != nil {
		t.Fatal(err)
	}
	noted := slices.ContainsFunc(plan.Unchanged, func(n Note) bool { return n.Object == "server" })
	if d := decision(plan, "unique/"+full[0]); d != nil || noted {
		t.Errorf("on %d: %+v, %+v", mended.Version, d, plan.Unchanged)
	}
}

// A foreign key that is offered acts as the others to the same table, and the question says
// so, or what goes without.
func TestOfferedKeysActAsTheOthers(t *testing.T) {
	t.Parallel()
	d := decision(newBench(t, twoTenants+campaigns).plan(t), "class/public.opened")
	want := []string{
		`ALTER TABLE public.opened ADD FOREIGN KEY ("contactId") REFERENCES public.contact (id) ON DELETE CASCADE`,
		`ALTER TABLE public.opened ADD FOREIGN KEY (book_id) REFERENCES public.book (id)`, // the others differ
		`ALTER TABLE public.opened ADD FOREIGN KEY ("campaignId") REFERENCES public.campaign (id) ON DELETE CASCADE`,
	}
	if d == nil || !slices.Equal(d.SQL, want) || !strings.Contains(d.Why, "to public.contact and public.campaign") ||
		!strings.Contains(d.Why, "Without ON DELETE, a row of public.book") {
		t.Errorf("question: %+v", d)
	}
}
