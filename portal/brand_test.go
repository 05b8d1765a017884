package portal

import (
	"bytes"
	"context"
	"image"
	"image/png"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/portal/internal/frame"
)

const hostA, hostB = "clients.agency-a.example", "clients.agency-b.example:8443"

func logo(t *testing.T, width, height int) []byte {
	t.Helper()
	var b bytes.Buffer
	must(t, png.Encode(&b, image.NewRGBA(image.Rect(0, 0, width, height))))
	return b.Bytes()
}

// branded gives the portal two hosts.
func branded(t *testing.T) func(*Config) {
	return func(c *Config) {
		c.Extend = nil // the demo names moat
		c.Brands = map[string]Brand{
			hostA: {Name: "Agency A", Logo: logo(t, 300, 60), Colours: Colours{Accent: "#ffcc00", Side: "#222222"},
				Title: "Welcome to A", Intro: "See how your campaigns do.", Points: []string{"Every lead"},
				Support: "mailto:help@agency-a.example", Locale: "de-DE",
				Links: []BrandLink{{Title: "Legal notice", Href: "https://agency-a.example/legal"}}},
			hostB: {Name: "Agency B", Moat: true, Console: true},
		}
	}
}

// at is the same browser at another host of the same server.
func (v *visitor) at(host string) *visitor {
	c := *v.c
	c.Transport = &http.Transport{DialContext: func(ctx context.Context, network, to string) (net.Conn, error) {
		if frame.Hostname(to) == frame.Hostname(host) {
			to = v.w.server.Listener.Addr().String()
		}
		return (&net.Dialer{}).DialContext(ctx, network, to)
	}}
	server := &httptest.Server{URL: "http://" + host, Listener: v.w.server.Listener}
	w := *v.w
	w.server = server
	return &visitor{&w, &c}
}

var named = regexp.MustCompile(`(?i)moat`)

// Each host shows its own brand, and moat is named where it is wanted only.
func TestBrandByHost(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestUnknownHosts
	w := newWorld(t, branded(t))
	page := w.visitor().at(hostA).get("/sign-in")
	says(t, page, []string{"Welcome to A", "See how your campaigns do.", "Every lead", "mailto:help@agency-a.example",
		"https://agency-a.example/legal", `alt="Agency A"`, "brand.css"}, []string{"Agency B", "Open the console"})
	says(t, w.visitor().at(hostB).get("/sign-in"), []string{"Agency B", "Kept apart by moat", "Open the console"},
		[]string{"Agency A", "behind its own moat"})
	for _, m := range regexp.MustCompile(`"(/portal/assets/[^"]*)"`).FindAllStringSubmatch(page.body, -1) {
		if a := w.visitor().at(hostA).get(m[1]); a.status != http.StatusOK || a.header.Get("Content-Type") == "" {
			t.Errorf("%s: %d", m[1], a.status)
		}
	}
	a := w.visitor().at(hostA)
	a.do("POST", "/sign-in", url.Values{"token": {w.token("1", 3600e9)}})
	figures := 0
	n := a.crawl("/dashboard", func(path string, got answer) {
		body := regexp.MustCompile(`/t/[^"]*`).ReplaceAllString(got.body, "")
		if found := named.FindStringIndex(body); found != nil {
			t.Errorf("%s names moat: …%s…", path, body[max(0, found[0]-60):min(len(body), found[1]+60)])
		}
		figures += strings.Count(body, "MARK-A")
	})
	if n < 50 || figures < 100 {
		t.Errorf("%d pages with %d rows: the walk shows nothing", n, figures)
	}
	for _, path := range []string{"/nothing", "/t/nothing", "/t/Order/r/x"} {
		got := a.get(path)
		says(t, got, []string{"help@agency-a.example"}, nil)
		if named.MatchString(got.body) {
			t.Errorf("%s names moat", path)
		}
	}
	if got := a.get("/operator/"); got.status != http.StatusNotFound || named.MatchString(got.body) {
		t.Errorf("the console at a client's host: %d %s", got.status, got.body)
	}
}

// Hosts are exact; another is misdirected, whatever it asks for.
func TestUnknownHosts(t *testing.T) {
	t.Parallel()
	w := newWorld(t, branded(t))
	for _, host := range []string{"agency-a.example", "x." + hostA, "127.0.0.1", "clients.agency-b.example",
		"clients.agency-b.example:80", hostA + "."} {
		for _, path := range []string{"/sign-in", "/dashboard", "/operator/", "/assets/x/portal.css"} {
			if a := w.visitor().at(host).get(path); a.status != http.StatusMisdirectedRequest || named.MatchString(a.body) {
				t.Errorf("%s%s: %d %s", host, path, a.status, a.body)
			}
		}
	}
	if a := w.visitor().at(strings.ToUpper(hostA)).get("/sign-in"); a.status != http.StatusOK {
		t.Errorf("a host is the same in capitals: %d", a.status)
	}
}

// A session and a sign-in under way belong to the host where they were begun.
func TestSessionBelongsToItsHost(t *testing.T) {
	t.Parallel()
	w, _ := withProvider(t, branded(t))
	a := w.visitor().at(hostA)
	back := a.begin()
	if !strings.HasPrefix(back, "/portal/sign-in/back?") { // what remains without the host's own address
		t.Fatalf("the provider sends back to %s", back)
	}
	moved := func(host string) *visitor { // the cookies, taken to the other host
		v := w.visitor().at(host)
		from, to := &url.URL{Scheme: "http", Host: hostA, Path: frame.Base + "/"}, &url.URL{Scheme: "http", Host: host,
			Path: frame.Base + "/"}
		v.c.Jar, _ = cookiejar.New(nil)
		v.c.Jar.SetCookies(to, a.c.Jar.Cookies(from))
		return v
	}
	b := moved(hostB)
	if got := b.get(back); got.status != http.StatusBadRequest || b.signed() {
		t.Errorf("another host takes the answer: %d", got.status)
	}
	if got := a.get(back); got.status != http.StatusSeeOther || !a.signed() {
		t.Fatalf("the host itself: %d", got.status)
	}
	if moved(hostB).signed() {
		t.Error("another host opens the session")
	}
	if !moved(hostA).signed() {
		t.Error("the copied cookie opens nothing at its own host: the test shows nothing")
	}
}

func TestBrandsThatAreRefused(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestConfiguredNamesMustBeThere
	w := newWorld(t, nil)
	big := append(logo(t, 10, 10), make([]byte, 70<<10)...)
	svg := []byte(`<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>`)
	for name, b := range map[string]Brand{
		"name is missing":         {},
		"logo: it is no PNG":      {Name: "A", Logo: svg},
		"favicon: it is no PNG":   {Name: "A", Favicon: []byte("GIF89a")},
		"65536 are allowed":       {Name: "A", LogoDark: big},
		"4096 are allowed":        {Name: "A", Logo: logo(t, 5000, 1)},
		"colours.accent: colour":  {Name: "A", Colours: Colours{Accent: "red;}"}},
		"colours.side: colour":    {Name: "A", Colours: Colours{Side: "#12"}},
		"support: \"javascript":   {Name: "A", Support: "javascript:alert(1)"},
		"support: \"http:":        {Name: "A", Support: "http://agency.example"},
		"support: \"mailto:a@b":   {Name: "A", Support: "mailto:a@b,c@d"},
		"link \"Terms\"":          {Name: "A", Links: []BrandLink{{Title: "Terms", Href: "data:text/html,x"}}},
		"link \"Login\"":          {Name: "A", Links: []BrandLink{{Title: "Login", Href: "https://user@agency.example"}}},
		"link \"\"":               {Name: "A", Links: []BrandLink{{Title: "", Href: "https://agency.example"}}},
		"locale \"tlh\": use":     {Name: "A", Locale: "tlh"},
		"write the host":          {Name: "*"},
		"write the host as":       {Name: "https://"},
		"is not served at its ho": {Name: "sign-in"},
	} {
		c, host := w.config, hostA
		switch b.Name {
		case "*", "https://":
			host = b.Name + hostA
		case "sign-in":
			c.SignIn = []Provider{{Issuer: "https://id.example", ClientID: "x", Hosts: []string{"other.example"}}}
			c.ProviderVerifier = c.Verifier
		}
		c.Brands = map[string]Brand{host: b}
		if _, err := New(c); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%v: want an error with %q", err, name)
		}
	}
}

// A brand's locale writes numbers and dates; "visitor" is the browser's.
func TestLocaleOfTheBrand(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestUnknownHosts
	w := newWorld(t, func(c *Config) {
		c.Brands = map[string]Brand{hostA: {Name: "A", Locale: "de-DE"}, "visitor.example": {Name: "V", Locale: "visitor"}}
		c.Money = map[string]string{"shop.Order.total": "EUR"}
	})
	date := regexp.MustCompile(`<time[^>]*>([^<]*)</time>`)
	shown := func(v *visitor, accept string) string {
		v.do("POST", "/sign-in", url.Values{"token": {w.token("1", 3600e9)}})
		m := date.FindStringSubmatch(v.get("/t/Order", "Accept-Language", accept).body)
		if m == nil {
			t.Fatal("no date")
		}
		return m[1]
	}
	german := regexp.MustCompile(`^\d\d\.\d\d\.\d{4}, `)
	american := regexp.MustCompile(`^[A-Z][a-z]{2} \d+, \d{4}, .* [AP]M$`)
	if got := shown(w.visitor().at(hostA), "en-US"); !german.MatchString(got) {
		t.Errorf("in German: %q", got)
	}
	v := w.visitor().at("visitor.example")
	if got := shown(v, "de"); !german.MatchString(got) {
		t.Errorf("for a German visitor: %q", got)
	}
	if got := shown(v, "en-US,en;q=0.9"); !american.MatchString(got) {
		t.Errorf("for an American visitor: %q", got)
	}
}

// Amounts are written with their currency; sums over several are not made.
func TestMoney(t *testing.T) {
	t.Parallel()
	pgtest.Full(t)        // short: TestFigures
	w := newWorld(t, nil) // shop."Order" has a total and a currency
	w.db.Exec(t, `INSERT INTO shop.currencies VALUES ('EUR', 'Euro'), ('JPY', 'Yen') ON CONFLICT DO NOTHING;
		UPDATE shop."Order" SET currency = 'EUR', total = 1250.5 WHERE account_id = 1`)
	v := w.signedIn("1")
	says(t, v.get("/t/Order?cols=title&cols=total"), []string{"€1,250.50"}, nil)
	says(t, v.get("/dashboard?table=Order"), []string{"€"}, []string{"in several currencies"})
	w.db.Exec(t, `UPDATE shop."Order" SET currency = 'JPY'
		WHERE id = (SELECT min(id) FROM shop."Order" WHERE account_id = 1)`)
	says(t, v.get("/dashboard?table=Order"), []string{"in several currencies"}, nil)
	c := w.config
	c.Money = map[string]string{"shop.Order.total": "EUR", "shop.Order.quantity": "none", "shop.nothing.x": "EUR"}
	p, err := New(c)
	must(t, err)
	err = p.Prepare(t.Context())
	if err == nil || !strings.Contains(err.Error(), "shop.Order.quantity: none, portal.money shop.nothing.x: EUR") {
		t.Errorf("money that is not shown: %v", err)
	}
}
