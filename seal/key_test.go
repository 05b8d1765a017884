package seal_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/seal"
)

func TestKeyDoesNotPrintItsSecret(t *testing.T) {
	t.Parallel()
	k := seal.NewKey()
	secret := strings.Fields(k.Encode())[1]
	raw, err := base64.StdEncoding.DecodeString(secret)
	must(t, err)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		text := fmt.Sprintf(verb+" "+verb, k, []seal.Key{k})
		for _, form := range []string{secret, hex.EncodeToString(raw), fmt.Sprint(raw[:4])[1:]} {
			if strings.Contains(text, form) {
				t.Errorf("%s prints the secret: %s", verb, text)
			}
		}
	}
}

func TestKeyFile(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "seal.key")
	first, second := seal.NewKey(), seal.NewKey()
	must(t, seal.WriteKeys(file, first, second))
	keys, err := seal.LoadKeys(file)
	must(t, err)
	if len(keys) != 2 || keys[0] != first || keys[1] != second {
		t.Errorf("read %v, want %v and %v", keys, first, second)
	}
	info, err := os.Stat(file)
	must(t, err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode %o, want 600", info.Mode().Perm())
	}
	must(t, os.Chmod(file, 0o644))
	if _, err := seal.LoadKeys(file); err == nil {
		t.Error("a file that everybody may read was accepted")
	}
}

func TestKeyFromEnvironment(t *testing.T) { // not parallel: it sets the environment
	k := seal.NewKey()
	t.Setenv("MOAT_TEST_SEAL_KEY", k.Encode())
	keys, err := seal.LoadKeys("env:MOAT_TEST_SEAL_KEY")
	must(t, err)
	if len(keys) != 1 || keys[0] != k {
		t.Errorf("read %v, want %v", keys, k)
	}
	if _, err := seal.LoadKeys("env:MOAT_TEST_NO_SUCH_KEY"); err == nil {
		t.Error("an unset variable was accepted")
	}
}

func TestParseKeyRefuses(t *testing.T) {
	t.Parallel()
	good := strings.TrimSpace(seal.NewKey().Encode())
	secret := strings.Fields(good)[1]
	for _, text := range []string{"", "abcdefgh", secret, "abcdefg " + secret, "abcdefghi " + secret, "ABCDEFGH " + secret,
		"abc'efgh " + secret, good + " x", good[:len(good)-2],
		"abcdefgh " + base64.StdEncoding.EncodeToString(make([]byte, 31))} {
		_, err := seal.ParseKey(text)
		if err == nil {
			t.Errorf("%q was accepted", text)
		} else if strings.Contains(err.Error(), secret) {
			t.Errorf("the error repeats the key: %v", err)
		}
	}
}

func FuzzParseKey(f *testing.F) {
	f.Add("abcdefgh AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")
	f.Add("# comment")
	f.Add("abcdefgh\tAAAA")
	f.Fuzz(func(t *testing.T, text string) {
		k, err := seal.ParseKey(text)
		if err != nil {
			return
		}
		again, err := seal.ParseKey(k.Encode())
		if err != nil || again != k {
			t.Errorf("%q does not survive being written: %v", text, err)
		}
	})
}

// The message has fixed widths up to the tenant: no two bindings share one.
func TestBindSignsEverything(t *testing.T) {
	t.Parallel()
	k, err := seal.ParseKey("abcdefgh " + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, 32)))
	must(t, err)
	s := sealerOf(t, k, nil)
	seal.SetClock(s, func() time.Time { return time.Unix(1_000_000, 0) })
	sql, args, err := s.Bind(context.Background(), "acme", 4242)
	must(t, err)
	mac := hmac.New(sha256.New, bytes.Repeat([]byte{7}, 32))
	mac.Write([]byte("moat token 1\x00\x00\x10\x92\x00\x00\x00\x00\x00\x0f\x42\x5e\x00\x00\x00\x04abcdefghacme"))
	if sql != "select moat.enter($1, $2, $3, $4, $5)" || args[1] != int64(1_000_030) ||
		!bytes.Equal(args[3].([]byte), mac.Sum(nil)) {
		t.Errorf("%s with %v", sql, args)
	}
	signatures := map[string]bool{}
	scope := func(sc moat.Scope) context.Context { return moat.WithScope(context.Background(), sc) }
	for _, c := range []struct {
		ctx     context.Context
		tenant  moat.Tenant
		backend uint32
	}{
		{as("a"), "a", 1}, {as("a"), "a", 2}, {as("b"), "b", 1},
		{scope(moat.Scope{Tenant: "a", Subject: "x"}), "a", 1}, {scope(moat.Scope{Tenant: "a", Role: "x"}), "a", 1},
		{as(`a{"subject":"x"}`), `a{"subject":"x"}`, 1},
	} {
		_, args, err := s.Bind(c.ctx, c.tenant, c.backend)
		must(t, err)
		signatures[string(args[3].([]byte))] = true
	}
	if len(signatures) != 6 {
		t.Errorf("%d different signatures, want 6", len(signatures))
	}
	if _, _, err := s.Bind(context.Background(), "", 1); err == nil {
		t.Error("no tenant was signed")
	}
}

func TestOptionsRefuse(t *testing.T) {
	t.Parallel()
	for _, validity := range []time.Duration{time.Millisecond, -time.Second, time.Hour} {
		if _, err := seal.New(seal.NewKey().Signer(), &seal.Options{Validity: validity}); err == nil {
			t.Errorf("a validity of %s was accepted", validity)
		}
	}
	if _, err := seal.New(nil, nil); err == nil {
		t.Error("no signer was accepted")
	}
}
