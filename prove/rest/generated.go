package rest

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/moat-db/moat/internal/list"
	"github.com/moat-db/moat/prove"
)

// generate sends requests put together at random from the grammar of the API.
func (h *httpAttack) generate(ctx context.Context) {
	tables := list.Filter(h.tables, func(t *resource) bool { return !t.shared && len(t.b) > 0 })
	if len(tables) == 0 || h.Requests <= 0 {
		return
	}
	p := prove.Probe{Room: prove.API, Attack: "generated requests", Object: "API", Verdict: prove.VerdictIsolated}
	statuses := map[int]int{}
	for range h.Requests {
		t := pickOf(tables)
		c := h.random(t)
		if len(h.functions) > 0 && pickOf([]int{0, 1, 2, 3, 4, 5, 6, 7}) == 0 {
			// Rows of whatever table: of their columns only the tenant's is known.
			c, t = pickOf(h.functions).random(t), &resource{tenant: t.tenant}
			c.token = h.TokenA
		}
		r, err := h.send(ctx, c)
		if err != nil {
			p.Verdict, p.Reason = prove.Worst(p.Verdict, prove.VerdictUndecided), "a request got no answer: "+err.Error()
			if ctx.Err() != nil {
				break
			}
			continue
		}
		statuses[r.status/100]++
		if why := h.foreign(t, c, r); why != "" {
			p.Verdict, p.Reason, p.Script = prove.VerdictLeak, why+" came back", c.script(h.URL)
			break
		}
	}
	if p.Verdict == prove.VerdictIsolated {
		p.Reason = fmt.Sprintf("%d requests (%d answered 2xx, %d 4xx, %d 5xx): nothing of tenant B's came back", h.Requests,
			statuses[2], statuses[4], statuses[5])
		if statuses[2] == 0 {
			p.Verdict, p.Reason = prove.VerdictUndecided, "no generated request was answered with rows"
		}
	}
	h.report.Add(p)
}

func (h *httpAttack) random(t *resource) call {
	column := pickOf(t.columns)
	value := url.QueryEscape(text(pickOf(t.b)[column]))
	operator := pickOf([]string{"eq", "neq", "gt", "gte", "lt", "lte", "like", "ilike", "in", "is", "not.eq", "not.is",
		"cs", "match"})
	if operator == "in" {
		value = "(" + value + ")"
	}
	if strings.HasSuffix(operator, "is") {
		value = pickOf([]string{"null", "true", "false"})
	}
	parts := []string{column + "=" + operator + "." + value}
	for range pickOf([]int{0, 0, 1, 2}) {
		other, embed := pickOf(t.columns), pickOf(h.tables)
		within := pickOf(append(slices.Clone(embed.columns), column)) // an empty table shows no columns
		parts = append(parts, pickOf([]string{
			"order=" + other + pickOf([]string{".asc", ".desc", ".desc.nullsfirst"}), "limit=" +
				strconv.Itoa(pickOf([]int{0, 1, 10, 1000})), "offset=" + strconv.Itoa(pickOf([]int{0, 1, 100})),
			"select=*", "select=" + other, "select=*," + embed.name + "(*)", "select=*,..." + embed.name + "(*)",
			"select=x:" + embed.name + "(*)&x.or=(" + within + ".is.null," + within + ".not.is.null)",
			"select=*,x:" + embed.name + "!inner(*)&x." + within + "=" + operator + "." + value + "&x.limit=5",
			"select=" + other + ",..." + embed.name + "(n:count(),m:" + within + ".max())",
			"select=" + other + ",..." + embed.name + "(m:" + within + ")&order=" + embed.name + "(m)",
			"select=count()," + other + ".max()", "select=" + other + "::text," + column, "or=(" + column + "." +
				strings.TrimPrefix(operator, "not.") + "." + value + "," + other + ".not.is.null)", other + "=not.is.null",
		}))
	}
	c := call{method: pickOf([]string{"GET", "GET", "GET", "GET", "HEAD"}), path: "/" + t.name,
		query: strings.Join(parts, "&"), token: h.TokenA, header: map[string]string{}}
	switch pickOf([]string{"media", "preference", "", ""}) {
	case "media":
		c.header["Accept"] = pickOf(mediaTypes)
	case "preference":
		c.header["Prefer"] = pickOf([]string{"count=exact", "count=planned", "timezone=-4", "timezone=+05:30"})
	}
	return c
}

// mediaTypes are those that a server, or a function in its database, may make of rows.
var mediaTypes = []string{"text/csv", "application/geo+json", "application/vnd.pgrst.array+json;nulls=stripped",
	"application/vnd.pgrst.object+json", "application/vnd.pgrst.plan+json", "text/tab-separated-values", "text/plain",
	"text/html", "text/xml", "application/octet-stream", "image/png", "application/x-made-up"}
