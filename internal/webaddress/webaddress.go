// Package webaddress says which addresses may be trusted with keys, codes and tokens.
package webaddress

import (
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	timeout      = 10 * time.Second
	maxRedirects = 5
)

// Client returns base with a time limit and with redirects that never leave the addresses
// which [Check] allows; nil stands for a client of its own.
func Client(base *http.Client) *http.Client {
	client := http.Client{}
	if base != nil {
		client = *base
	}
	if client.Timeout == 0 {
		client.Timeout = timeout
	}
	client.CheckRedirect = checkRedirect
	return &client
}

func checkRedirect(req *http.Request, via []*http.Request) error {
	if len(via) > maxRedirects {
		return errors.New("too many redirects")
	}
	if via[len(via)-1].URL.Scheme == "https" && req.URL.Scheme != "https" {
		return errors.New("redirect from https to http")
	}
	return Check(req.URL.String())
}

// Check allows https anywhere and http to this machine: whoever can alter a key set on its
// way can sign tokens.
func Check(address string) error {
	u, err := url.Parse(address)
	if err != nil {
		return errors.New("address is no URL")
	}
	if u.User != nil {
		return errors.New("address holds a user name or password")
	}
	if u.Hostname() == "" {
		return errors.New("address has no host")
	}
	if u.Scheme == "https" || u.Scheme == "http" && isLoopback(u.Hostname()) {
		return nil
	}
	return errors.New("address must be https, or http on a loopback address")
}

func isLoopback(host string) bool {
	if ip := net.ParseIP(host); ip != nil {
		return ip.IsLoopback()
	}
	return strings.EqualFold(host, "localhost")
}
