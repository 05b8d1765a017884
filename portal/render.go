package portal

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"strings"
	"time"

	"github.com/moat-db/moat/audit"
)

//go:embed templates
var templateFiles embed.FS

// pages are the templates, each with the layout around it.
type pages map[string]*template.Template

var pageNames = [...]string{"sign-in", "dashboard", "bare", "list", "record", "form", "access", "break-in", "error",
	"operator-sign-in", "operator-tenants", "operator-tenant", "operator-isolation", "operator-log"}

func (p *Portal) loadPages() (pages, error) {
	shared := template.New("").Funcs(p.functions())
	shared, err := shared.ParseFS(templateFiles, "templates/layout.html", "templates/parts.html")
	if err != nil {
		return nil, fmt.Errorf("parse templates: %w", err)
	}
	out := pages{"": shared}
	for _, name := range pageNames {
		one, err := shared.Clone()
		if err == nil {
			one, err = one.ParseFS(templateFiles, "templates/"+name+".html")
		}
		if err != nil {
			return nil, fmt.Errorf("parse template %s: %w", name, err)
		}
		out[name] = one
	}
	return out, nil
}

func (p *Portal) functions() template.FuncMap {
	return template.FuncMap{
		"asset": p.assets.path, "count": count, "group": group, "lower": lower, "clip": clip, "plural": plural, "bytes": bytesText,
		"humanize": humanize, "join": strings.Join, "base": func() string { return base },
		"ago":         func(at time.Time) string { return ago(p.config.Now(), at) },
		"moment":      func(at time.Time, zone *time.Location) string { return at.In(zone).Format("2 Jan 2006, 15:04") },
		"iso":         func(at time.Time) string { return at.UTC().Format(time.RFC3339) },
		"finding":     func(id any, f audit.Finding) findingOf { return findingOf{fmt.Sprint(id), f} },
		"minor":       func(i int) string { return fmt.Sprintf("m%d", i) },
		"seconds":     func(ms int64) float64 { return float64(ms) / 1000 },
		"text":        func(s *string) string { return *s },
		"int64":       func(n int) int64 { return int64(n) },
		"recent":      func(d *dashboardPage) rowsOf { return rowsOf{d.Columns, d.Recent} },
		"relatedRows": func(r related) rowsOf { return rowsOf{r.columns(), r.Rows} },
	}
}

// rowsOf is what a plain table of rows shows.
type rowsOf struct {
	Columns []*column
	Rows    []row
}

// findingOf is a finding with an id of its own on the page.
type findingOf struct {
	ID      string
	Finding audit.Finding
}

// page is what the layout needs beside a page's own data.
type page struct {
	Title, Active string
	Zone          *time.Location
	Shell         string // client, operator, or "" for a page without navigation
	Nav           []link
	Tenant        string
	Subject       string
	ViewAs        *viewAs
	Demo          bool
	BreakIn       bool
	HasOperator   bool
	Sealed        bool
	Expires       time.Time
	Data          any
}

// link is one place of the navigation.
type link struct {
	Title, Href, Icon string
	On                bool
}

func (p *Portal) page(r *http.Request, title, active string) *page {
	d := p.config.Demo
	return &page{Title: title, Active: active, Zone: zoneOf(r), Demo: d != nil, BreakIn: d != nil && d.BreakIn != nil,
		HasOperator: p.config.Operator != nil, Sealed: p.config.Sealed}
}

// clientPage is a page with a client's navigation.
func (p *Portal) clientPage(r *http.Request, v *visit, title, active string) *page {
	out := p.page(r, title, active)
	out.Shell, out.Tenant, out.Subject, out.ViewAs, out.Expires = "client", v.name, v.session.subject, v.session.viewAs, v.session.expires
	out.Nav = append(out.Nav, link{"Dashboard", base + "/dashboard", "chart", active == "dashboard"})
	for _, t := range v.schema.tables {
		icon := "table"
		if t.Shared {
			icon = "book"
		}
		out.Nav = append(out.Nav, link{t.Title, t.Path(), icon, active == t.Slug})
	}
	if p.config.Operator != nil {
		out.Nav = append(out.Nav, link{"Agency access", base + "/access", "eye", active == "access"})
	}
	if out.BreakIn && v.session.viewAs == nil {
		out.Nav = append(out.Nav, link{"Break in", base + "/break-in", "bolt", active == "break-in"})
	}
	return out
}

// render writes a whole page; nothing is sent when the template fails.
func (p *Portal) render(w http.ResponseWriter, status int, name string, data *page) error {
	return p.execute(w, status, p.pages[name], "layout", data)
}

// fragment writes one part of a page, for htmx to put in its place.
func (p *Portal) fragment(w http.ResponseWriter, status int, name string, data any) error {
	return p.execute(w, status, p.pages[""], name, data)
}

func (p *Portal) execute(w http.ResponseWriter, status int, t *template.Template, name string, data any) error {
	var b bytes.Buffer
	if err := t.ExecuteTemplate(&b, name, data); err != nil {
		return fmt.Errorf("render: %w", err)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // a client that has gone cannot be told
	return nil
}
