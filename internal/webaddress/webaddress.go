// Package webaddress says which addresses may be trusted with keys, codes and tokens.
package webaddress

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const timeout = 10 * time.Second

// Client returns base with a time limit, and following no redirect: keys, codes and tokens come from
// and go to the address that was configured; nil stands for a client of its own.
func Client(base *http.Client) *http.Client {
	client := http.Client{}
	if base != nil {
		client = *base
	}
	if client.Timeout == 0 {
		client.Timeout = timeout
	}
	client.CheckRedirect = refuseRedirect
	return &client
}

// refuseRedirect names the new address, without what may be secret in it.
func refuseRedirect(req *http.Request, _ []*http.Request) error {
	to := url.URL{Scheme: req.URL.Scheme, Host: req.URL.Host, Path: req.URL.Path}
	return fmt.Errorf("redirect to %s is not followed: configure that address if it is right", &to)
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
