package redis

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/alicebob/miniredis/v2"

	"github.com/freshet-dev/freshet/features"
	"github.com/freshet-dev/freshet/sinks"
	"github.com/freshet-dev/freshet/sinks/mask"
	"github.com/freshet-dev/freshet/sinks/sinktest"
)

// A run with another secret would write rows that no reader of the old ones
// finds, beside them: it is refused at the start, and at a take-over.
func TestAChangedSecretIsRefused(t *testing.T) {
	server := miniredis.RunT(t)
	o := options("redis://" + server.Addr())
	o.Personal = true
	ctx := context.Background()
	writer := sinks.Writer{SpecHash: "41c9", Views: []*features.RowLayout{sinktest.Cards()}, First: true}
	store := openStore(t, o)
	if _, err := store.Check(ctx); err != nil {
		t.Fatal(err)
	}
	if _, _, err := store.TakeOver(ctx, writer); err != nil {
		t.Fatal(err)
	}
	held := server.HGet("freshet:"+o.Namespace+":meta", "key_secret")
	if held != o.Tokens.Fingerprint() || len(held) != 16 || strings.Contains(held, "secret") {
		t.Errorf("meta has %q", held)
	}
	if _, err := openStore(t, o).Check(ctx); err != nil {
		t.Errorf("the same secret: %v", err)
	}
	if err := openReader(t, o).CheckSecret(ctx); err != nil {
		t.Errorf("a reader with the same secret: %v", err)
	}

	other := o
	other.Tokens = mask.NewTokens([]byte("another secret"))
	var fatal *sinks.Fatal
	if _, err := openStore(t, other).Check(ctx); !errors.Is(err, ErrOtherSecret) || !errors.As(err, &fatal) {
		t.Errorf("check with another secret: %v", err)
	}
	if _, _, err := openStore(t, other).TakeOver(ctx, writer); !errors.Is(err, ErrOtherSecret) {
		t.Errorf("take over with another secret: %v", err)
	}
	if owner := server.HGet("freshet:"+o.Namespace+":meta", "owner"); owner != "1" {
		t.Errorf("owner %s: a store that was refused was changed", owner)
	}
	if err := openReader(t, other).CheckSecret(ctx); !errors.Is(err, ErrOtherSecret) {
		t.Errorf("a reader with another secret: %v", err)
	}
	other.Personal = false // a spec without personal entities has no tokens
	if _, err := openStore(t, other).Check(ctx); err != nil {
		t.Errorf("without personal entities: %v", err)
	}
}
