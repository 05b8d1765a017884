package auth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/moat-db/moat/internal/webaddress"
)

const (
	fetchTimeout  = 10 * time.Second
	maxFetchBytes = 1 << 20
)

// fetch returns the body of a successful answer of at most maxFetchBytes.
func fetch(ctx context.Context, client *http.Client, address string) ([]byte, error) {
	if err := webaddress.Check(address); err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json, application/jwk-set+json")
	resp, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("get %s: %w", plainAddress(address), withoutURL(err))
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("get %s: status %d", plainAddress(address), resp.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxFetchBytes+1))
	if err != nil {
		return nil, fmt.Errorf("get %s: %w", plainAddress(address), err)
	}
	if len(body) > maxFetchBytes {
		return nil, fmt.Errorf("get %s: the answer is longer than %d bytes", plainAddress(address), maxFetchBytes)
	}
	return body, nil
}

// plainAddress returns the address without its query, which may hold an access key.
func plainAddress(address string) string {
	plain, _, _ := strings.Cut(address, "?")
	return plain
}

// withoutURL returns the cause of a client's error, whose text repeats the whole URL.
func withoutURL(err error) error {
	if failed, ok := errors.AsType[*url.Error](err); ok {
		return failed.Err
	}
	return err
}

// discover returns the address of the issuer's key set (OpenID Connect Discovery
// 1.0, 4.1 to 4.3). The document must be the issuer's own, letter by letter.
func discover(ctx context.Context, client *http.Client, issuer string) (string, error) {
	address := strings.TrimSuffix(issuer, "/") + "/.well-known/openid-configuration"
	body, err := fetch(ctx, client, address)
	if err != nil {
		return "", fmt.Errorf("discovery: %w", err)
	}
	document, err := decodeObject(body)
	if err != nil {
		return "", fmt.Errorf("discovery: %s: %w", address, err)
	}
	if found, _ := document["issuer"].(string); found != issuer {
		return "", fmt.Errorf("discovery: the document is of issuer %q, not %q", found, issuer)
	}
	jwks, _ := document["jwks_uri"].(string)
	if jwks == "" {
		return "", errors.New("discovery: the document has no jwks_uri")
	}
	if err := webaddress.Check(jwks); err != nil {
		return "", fmt.Errorf("discovery: jwks_uri: %w", err)
	}
	return jwks, nil
}
