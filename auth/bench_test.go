package auth

import (
	"context"
	"testing"

	"github.com/golang-jwt/jwt/v5"
)

// BenchmarkVerify measures each algorithm without the cache, a hit in the cache, and
// as a baseline the library alone with the same checks.
func BenchmarkVerify(b *testing.B) {
	c, k := newClock(), keysOnce()
	good := goodClaims(c)
	for _, bench := range []struct {
		name   string
		method jwt.SigningMethod
		key    any
		public any
	}{
		{"HS256", jwt.SigningMethodHS256, []byte(secretA), nil},
		{"RS256", jwt.SigningMethodRS256, k.rsa, k.rsa.Public()},
		{"ES256", jwt.SigningMethodES256, k.p256, k.p256.Public()},
		{"EdDSA", jwt.SigningMethodEdDSA, k.ed, k.ed.Public()},
	} {
		config := issuer1(func(ic *IssuerConfig) {
			if bench.public != nil {
				ic.Secret, ic.PEM = "", publicPEM(bench.public)
			}
		})
		config.Now, config.CacheSize = c.now, -1
		v := newVerifier(b, config)
		token := sign(bench.method, bench.key, "", good)
		b.Run(bench.name, func(b *testing.B) { verifyLoop(b, v, token) })
	}
	config := issuer1(nil)
	config.Now = c.now
	v, token := newVerifier(b, config), hs256(good)
	b.Run("hit", func(b *testing.B) { verifyLoop(b, v, token) })
	b.Run("hit/parallel", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if _, err := v.Verify(context.Background(), token); err != nil {
					b.Error(err)
				}
			}
		})
	})
	b.Run("baseline/HS256", func(b *testing.B) { libraryLoop(b, c, token) })
}

func verifyLoop(b *testing.B, v *Verifier, token string) {
	b.ReportAllocs()
	ctx := context.Background()
	for b.Loop() {
		if _, err := v.Verify(ctx, token); err != nil {
			b.Fatal(err)
		}
	}
}

func libraryLoop(b *testing.B, c *clock, token string) {
	b.ReportAllocs()
	parser := jwt.NewParser(jwt.WithValidMethods([]string{"HS256"}), jwt.WithIssuer(issuerA), jwt.WithAudience(audience),
		jwt.WithExpirationRequired(), jwt.WithIssuedAt(), jwt.WithStrictDecoding(), jwt.WithTimeFunc(c.now))
	for b.Loop() {
		if _, err := parser.Parse(token, func(*jwt.Token) (any, error) { return []byte(secretA), nil }); err != nil {
			b.Fatal(err)
		}
	}
}
