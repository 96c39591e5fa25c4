// Package mask keeps personal data out of what leaves: entity keys become
// keyed tokens, fields marked pii are shortened, hashed or dropped. It decides
// how a text leaves, never whether a field is personal: the spec says that.
package mask

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"hash"
	"net/netip"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/freshet-dev/freshet/config/spec"
)

const (
	// tokenBytes is how much of the HMAC a token keeps: 128 bits, so that two
	// keys of a whole population do not meet in one token.
	tokenBytes = 16
	// cachedTokens bounds each of the cache's two generations: at about 100
	// bytes a key, some 13 MB for both.
	cachedTokens = 1 << 16
	// shown is how many characters last4 lets through, and leastHidden how
	// many it must hide to let any through.
	shown       = 4
	leastHidden = 4
	// hidden stands for the characters that were taken away. It does not tell
	// how many they were.
	hidden = "••••"

	tokenPrefix = "h_"
)

// The masks of spec-language.md 1.2. A pii field without one is hashed.
const (
	last4 = "last4"
	ip24  = "ip24"
	drop  = "drop"
)

// encoding is base32 in lower case: a token is the same text in a Redis key,
// in a URL and in a file name, and is read aloud without doubt about case.
var encoding = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// Tokens turns keys into tokens under one secret. It is safe for concurrent
// use.
type Tokens struct {
	mu  sync.Mutex
	mac hash.Hash
	sum []byte
	// Two generations, the cheapest bound that keeps what is hot: once the
	// young one is full it becomes the old one, and the old one is forgotten.
	young, old map[string]string
}

// NewTokens makes the tokens of one entity_key_secret, which it copies. Another
// secret gives other tokens for the same keys: changing it moves every row.
func NewTokens(secret []byte) *Tokens {
	return &Tokens{
		mac:   hmac.New(sha256.New, secret),
		young: make(map[string]string),
	}
}

// LeastSecret is how many bytes an entity_key_secret has at least. Tokens are
// meant to be safe in the hands of whoever holds a dump and a list of keys; a
// secret that can be guessed makes them a look-up table.
const LeastSecret = 16

// Fingerprint tells one secret from another and nothing else about it: 64 bits
// of an HMAC under it, of a text that no key can be. The store keeps it, so that
// a run with another secret, whose readers would find no row, is noticed.
func (t *Tokens) Fingerprint() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.mac.Reset()
	t.mac.Write([]byte("\xff fingerprint of entity_key_secret")) // keys are UTF-8, which has no such byte
	return hex.EncodeToString(t.mac.Sum(nil)[:8])
}

// Key is an entity's key as it leaves: a token if the entity is personal data,
// else the key as it is.
func (t *Tokens) Key(e *spec.Entity, key string) string {
	if e.PII {
		return t.Hash(key)
	}
	return key
}

// RedisKey is Key as part of a Redis key: of an entity that is not personal
// data, braces, colons, percent signs and white space are percent-encoded, so
// that they cannot be taken for the layout's own.
func (t *Tokens) RedisKey(e *spec.Entity, key string) string {
	if e.PII {
		return t.Hash(key)
	}
	return Escape(key)
}

// Hash is the token of a text: h_ and 128 bits of its HMAC-SHA-256, in base32.
func (t *Tokens) Hash(text string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if token, ok := t.young[text]; ok {
		return token
	}
	token, ok := t.old[text]
	if !ok {
		token = t.compute(text)
	}
	if len(t.young) >= cachedTokens {
		t.old, t.young = t.young, make(map[string]string, cachedTokens)
	}
	// The text may alias a record's bytes, which are reused: the cache keeps
	// its own.
	t.young[strings.Clone(text)] = token
	return token
}

func (t *Tokens) compute(text string) string {
	t.mac.Reset()
	t.mac.Write([]byte(text)) // of a hash: never an error
	t.sum = t.mac.Sum(t.sum[:0])
	return tokenPrefix + encoding.EncodeToString(t.sum[:tokenBytes])
}

// Mask is the text of a field as it leaves, and whether it leaves at all. The
// text of a field that is not personal data is returned as it is.
func (t *Tokens) Mask(f *spec.Field, text string) (masked string, keep bool) {
	if !f.PII {
		return text, true
	}
	switch f.Mask {
	case drop:
		return "", false
	case last4:
		return lastFour(text), true
	case ip24:
		return network(text), true
	default:
		return t.Hash(text), true
	}
}

// lastFour hides all but the last four characters, and those too where they
// would be the greater part of the text.
func lastFour(text string) string {
	if utf8.RuneCountInString(text) < shown+leastHidden {
		return hidden
	}
	start := len(text)
	for range shown {
		_, size := utf8.DecodeLastRuneInString(text[:start])
		start -= size
	}
	return hidden + text[start:]
}

// network zeroes the host part of an address: the last byte of an IPv4 one,
// all behind the first 48 bits of an IPv6 one. What is no address is hidden.
func network(text string) string {
	addr, err := netip.ParseAddr(text)
	if err != nil {
		return hidden
	}
	addr = addr.Unmap().WithZone("")
	bits := 24
	if addr.Is6() {
		bits = 48
	}
	prefix, err := addr.Prefix(bits)
	if err != nil {
		return hidden
	}
	return prefix.Addr().String()
}

// Escape percent-encodes braces, colons, percent signs and white space: the
// characters of the Redis layout, and those that break a line.
func Escape(key string) string {
	n := 0
	for i := 0; i < len(key); i++ {
		if special(key[i]) {
			n++
		}
	}
	if n == 0 {
		return key
	}
	const digits = "0123456789ABCDEF"
	out := make([]byte, 0, len(key)+2*n)
	for i := 0; i < len(key); i++ {
		c := key[i]
		if special(c) {
			out = append(out, '%', digits[c>>4], digits[c&15])
			continue
		}
		out = append(out, c)
	}
	return string(out)
}

func special(c byte) bool {
	switch c {
	case '{', '}', ':', '%', ' ', '\t', '\n', '\v', '\f', '\r':
		return true
	}
	return false
}
