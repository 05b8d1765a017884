package api

import (
	"net/http"
	"slices"
	"strings"
)

// sendable reports whether a function in the database may set a header. What keeps
// browsers and tenants apart is not for it to say: the answers share their origin with
// the portal, and a proxy in front may keep them.
func sendable(name string) bool {
	name = strings.ToLower(name)
	return !slices.Contains(reservedHeaders, name) &&
		!slices.ContainsFunc(reservedPrefixes, func(p string) bool { return strings.HasPrefix(name, p) })
}

var reservedHeaders = []string{
	"set-cookie", "set-cookie2", "clear-site-data", "content-security-policy", "content-security-policy-report-only",
	"strict-transport-security", "x-content-type-options", "x-frame-options", "x-xss-protection", "referrer-policy",
	"permissions-policy", "feature-policy", "origin-agent-cluster", "service-worker-allowed", "sourcemap", "alt-svc",
	"refresh", "reporting-endpoints", "report-to", "nel", "timing-allow-origin", "vary", "www-authenticate",
	"connection", "keep-alive", "transfer-encoding", "trailer", "upgrade", "te", "content-length", "content-encoding",
	"x-request-id", "server-timing", "speculation-rules", "document-policy", "x-permitted-cross-domain-policies",
}

var reservedPrefixes = []string{"access-control-", "cross-origin-", "sec-", "proxy-", "moat-"}

// sandbox keeps an answer of a type that a function chose from running in the portal's
// origin.
func sandbox(h http.Header) {
	if h.Get("Content-Type") != "" {
		h.Set("Content-Security-Policy", "sandbox; default-src 'none'")
	}
}
