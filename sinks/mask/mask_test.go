package mask

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"unsafe"

	"github.com/freshet-dev/freshet/config/spec"
)

// The tokens were computed by another language's standard library: HMAC-SHA-256
// of the UTF-8 key, its first 16 bytes in base32, lower case, "=" stripped.
func TestTokensMatchTheGoldenVectors(t *testing.T) {
	for _, v := range []struct{ secret, key, want string }{
		{"demo-secret", "c1", "h_j7p42c76c5vh6lkqmbnzfaexsm"},
		{"demo-secret", "4242424242424242", "h_eg6dtg2mp7aingstrh5x74e3vu"},
		{"demo-secret", "", "h_pbkvhcxjkbg3ynotbocxcwaigq"},
		{"demo-secret", "u-ü", "h_dblfn4tbyqxydqsuggeawiowfe"},
		{"demo-secret", "card,42%2C", "h_i5hbfqiu7gpcr6qrflgzumznbi"},
		{"another", "c1", "h_xwlwuajux2kjwxmi7mceagjnpe"},
		{"another", "4242424242424242", "h_3omrwpayjdpuxlnkgmbziekn34"},
	} {
		tokens := NewTokens([]byte(v.secret))
		for range 2 { // computed, then from the cache
			if got := tokens.Hash(v.key); got != v.want {
				t.Errorf("secret %q, key %q: token %s, want %s", v.secret, v.key, got, v.want)
			}
		}
	}
}

func TestKeysOfPersonalEntitiesLeaveAsTokens(t *testing.T) {
	tokens := NewTokens([]byte("demo-secret"))
	card, shop := &spec.Entity{Name: "card", PII: true}, &spec.Entity{Name: "shop"}
	for _, c := range []struct {
		entity               *spec.Entity
		key, leaves, inRedis string
	}{
		{card, "c1", "h_j7p42c76c5vh6lkqmbnzfaexsm", "h_j7p42c76c5vh6lkqmbnzfaexsm"},
		{shop, "m7", "m7", "m7"},
		{shop, "a {b}:c%", "a {b}:c%", "a%20%7Bb%7D%3Ac%25"},
		{shop, "x,y%2C", "x,y%2C", "x,y%252C"},
		{shop, "zoë", "zoë", "zoë"},
	} {
		if got := tokens.Key(c.entity, c.key); got != c.leaves {
			t.Errorf("%s %q leaves as %q, want %q", c.entity.Name, c.key, got, c.leaves)
		}
		if got := tokens.RedisKey(c.entity, c.key); got != c.inRedis {
			t.Errorf("%s %q is %q in Redis, want %q", c.entity.Name, c.key, got, c.inRedis)
		}
	}
}

func TestFieldMasks(t *testing.T) {
	tokens := NewTokens([]byte("demo-secret"))
	for _, c := range []struct {
		mask, text, want string
		keep             bool
	}{
		{"last4", "4242424242424242", "••••4242", true},
		{"last4", "12345678", "••••5678", true},
		{"last4", "1234567", "••••", true},
		{"last4", "", "••••", true},
		{"last4", "αβγδεζηθ", "••••εζηθ", true},
		{"hash", "c1", "h_j7p42c76c5vh6lkqmbnzfaexsm", true},
		{"", "c1", "h_j7p42c76c5vh6lkqmbnzfaexsm", true},
		{"ip24", "203.0.113.77", "203.0.113.0", true},
		{"ip24", "::ffff:203.0.113.77", "203.0.113.0", true},
		{"ip24", "2001:db8:1:2:3:4:5:6", "2001:db8:1::", true},
		{"ip24", "fe80::1%eth0", "fe80::", true},
		{"ip24", "203.0.113.77:443", "••••", true},
		{"ip24", "not an address", "••••", true},
		{"drop", "c1", "", false},
	} {
		got, keep := tokens.Mask(&spec.Field{PII: true, Mask: c.mask}, c.text)
		if got != c.want || keep != c.keep {
			t.Errorf("mask %q of %q: %q, %t; want %q, %t", c.mask, c.text, got, keep, c.want, c.keep)
		}
	}
	if got, keep := tokens.Mask(&spec.Field{}, "c1"); got != "c1" || !keep {
		t.Errorf("a field that is not pii: %q, %t; want it as it is", got, keep)
	}
}

// A key aliases a record's bytes, which the next batch overwrites.
func TestTheCacheKeepsItsOwnKeys(t *testing.T) {
	tokens, fresh := NewTokens([]byte("demo-secret")), NewTokens([]byte("demo-secret"))
	record := make([]byte, 4)
	for i := range 5000 { // so many that the cache grows several times
		key := fmt.Sprintf("%04d", i)
		copy(record, key)
		for range 2 {
			if got, want := tokens.Hash(unsafe.String(&record[0], len(record))), fresh.compute(key); got != want {
				t.Fatalf("token of %s, whose bytes held other keys before: %s, want %s", key, got, want)
			}
		}
	}
}

func TestTheCacheIsBounded(t *testing.T) {
	tokens := NewTokens(nil)
	for i := range 3 * cachedTokens {
		tokens.Hash(fmt.Sprint(i))
		if n := len(tokens.young) + len(tokens.old); n > 2*cachedTokens {
			t.Fatalf("%d tokens cached after %d keys, bound is %d", n, i+1, 2*cachedTokens)
		}
	}
	if want := NewTokens(nil).compute("7"); tokens.Hash("7") != want {
		t.Error("a forgotten key came back with another token")
	}
}

func TestTokensAreSafeForConcurrentUse(t *testing.T) {
	tokens := NewTokens([]byte("demo-secret"))
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range 1000 {
				if got := tokens.Hash(fmt.Sprint(i)); !strings.HasPrefix(got, tokenPrefix) {
					t.Errorf("token %q", got)
				}
			}
		})
	}
	wg.Wait()
	if got, want := tokens.Hash("c1"), "h_j7p42c76c5vh6lkqmbnzfaexsm"; got != want {
		t.Errorf("token of c1 is %s, want %s", got, want)
	}
}

func BenchmarkHashCached(b *testing.B) {
	tokens := NewTokens([]byte("demo-secret"))
	tokens.Hash("4242424242424242")
	b.ReportAllocs()
	for b.Loop() {
		tokens.Hash("4242424242424242")
	}
}

func BenchmarkHashComputed(b *testing.B) {
	tokens := NewTokens([]byte("demo-secret"))
	b.ReportAllocs()
	for b.Loop() {
		tokens.compute("4242424242424242")
	}
}
