// Package sinktest is what every online store must do, as tests: each
// implementation runs them in its own tests.
package sinktest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/config/spec"
	"github.com/freshet-dev/freshet/features"
	"github.com/freshet-dev/freshet/features/event"
	"github.com/freshet-dev/freshet/sinks"
)

// Harness is one store that is empty at first, and how to look into it.
type Harness struct {
	// Open makes one more writer of the store; the suite closes it.
	Open func(t *testing.T) sinks.OnlineStore
	// Read reads one entity's row of one view.
	Read func(t *testing.T, layout *features.RowLayout, key string) Row
	// Alive reads the sign of life.
	Alive func(t *testing.T) (ms int64, ok bool)
	// Expires says how long a row will be kept if it is not written again.
	Expires func(t *testing.T, layout *features.RowLayout, key string) time.Duration
}

// Row is a row as a reader sees it. Its slices are by the layout's columns.
type Row struct {
	Found    bool
	Texts    []string // "" without a value
	Has      []bool
	At       []int64
	Statuses []features.Status
	Version  sinks.Version
	AsOf     int64
}

// OnlineStore runs the suite. Each part has a store of its own.
func OnlineStore(t *testing.T, open func(t *testing.T) Harness) {
	for _, part := range []struct {
		name string
		run  func(t *testing.T, h Harness)
	}{
		{"EveryKindOfValue", everyKindOfValue},
		{"AValueThatGoesLeavesNothing", aValueThatGoes},
		{"ARowIsReplacedWhole", aRowIsReplaced},
		{"WritingAgainIsHarmless", writingAgain},
		{"ManyRowsInOneCall", manyRows},
		{"NoRows", noRows},
		{"RowsExpire", rowsExpire},
		{"StrangeKeysStayApart", strangeKeys},
		{"OwnersRise", ownersRise},
		{"OwnersAreDrawnOnce", ownersAreDrawnOnce},
		{"IncarnationsRiseOnFirstRuns", incarnationsRise},
		{"AnOwnerBeforeWritesNothing", anOwnerBefore},
		{"Alive", alive},
		{"ACancelledWriteIsNotFatal", aCancelledWrite},
	} {
		t.Run(part.name, func(t *testing.T) { part.run(t, open(t)) })
	}
}

// asOf is 2026-01-05T12:04:31.882Z.
const asOf = 1767614671882

// Cards is a view of a personal entity with a column of every kind; Shops is
// one of an entity that is not personal.
func Cards() *features.RowLayout {
	view := &spec.View{Name: "card_velocity", Version: 1, Latest: true, TTL: 48 * time.Hour,
		Entity: &spec.Entity{Name: "card", Key: []string{"card_id"}, PII: true}}
	return Layout(view,
		Column{Name: "txn_count_1h", Type: spec.Double},
		Column{Name: "amount_last", Type: spec.Decimal, Scale: 2},
		Column{Name: "ok_last", Type: spec.Bool},
		Column{Name: "country_last", Type: spec.String},
		Column{Name: "seen_last", Type: spec.Timestamp},
		Column{Name: "items_max", Type: spec.Int},
		Column{Name: "time_since_txn", Type: spec.Double, Moves: true},
	)
}

// Shops is a view of two columns.
func Shops() *features.RowLayout {
	view := &spec.View{Name: "shop_volume", Version: 3, TTL: 1500 * time.Millisecond,
		Entity: &spec.Entity{Index: 1, Name: "shop", Key: []string{"shop_id"}}}
	return Layout(view, Column{Name: "n", Type: spec.Double}, Column{Name: "mean", Type: spec.Double})
}

// Column describes one column of a test's layout.
type Column struct {
	Name  string
	Type  spec.Type
	Scale int
	Moves bool
}

// Layout makes the layout of a view with these columns.
func Layout(view *spec.View, columns ...Column) *features.RowLayout {
	layout := &features.RowLayout{View: view}
	for i, c := range columns {
		feature := &spec.Feature{Index: i, View: view, Short: c.Name, Type: c.Type, Scale: c.Scale, Served: true}
		view.Features = append(view.Features, feature)
		layout.Columns = append(layout.Columns, features.RowColumn{Feature: feature, Scale: c.Scale, Moves: c.Moves})
	}
	return layout
}

// MakeRow makes a row whose columns are PRESENT where they have a value, else
// DEFAULT.
func MakeRow(layout *features.RowLayout, key string, version sinks.Version, values ...event.Value) sinks.VersionedRow {
	statuses := make([]features.Status, len(values))
	for i, v := range values {
		statuses[i] = features.Present
		if !v.Has() {
			statuses[i] = features.Default
		}
	}
	return sinks.VersionedRow{
		Row:     features.Row{Layout: layout, Key: key, AsOf: version.AsOf, Values: values, Statuses: statuses},
		Version: version,
	}
}

// FullCard is a row of Cards that has every value.
func FullCard(layout *features.RowLayout, key string, version sinks.Version) sinks.VersionedRow {
	return MakeRow(layout, key, version, event.OfDouble(3), event.OfDecimal(124050), event.OfBool(true),
		event.OfString("NL, {x}: ü"), event.OfTimestamp(asOf-1000), event.OfInt(-7), event.OfDouble(0.125))
}

// FullCardTexts are the texts of FullCard.
var FullCardTexts = []string{"3", "1240.5", "true", "NL, {x}: ü", "2026-01-05T12:04:30.882Z", "-7", "0.125"}

// At is a version of the suite's time.
func At(batch uint64, seq uint32) sinks.Version {
	return sinks.Version{Incarnation: 2, Batch: batch, Owner: 5, Seq: seq, AsOf: asOf + int64(seq)}
}

func openStore(t *testing.T, h Harness) sinks.OnlineStore {
	t.Helper()
	store := h.Open(t)
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return store
}

func write(t *testing.T, store sinks.OnlineStore, rows ...sinks.VersionedRow) {
	t.Helper()
	if err := store.Write(context.Background(), rows); err != nil {
		t.Fatalf("write: %v", err)
	}
}

func equal(t *testing.T, what string, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func everyKindOfValue(t *testing.T, h Harness) {
	store, cards := openStore(t, h), Cards()
	write(t, store, FullCard(cards, "c1", At(7, 1)))
	got := h.Read(t, cards, "c1")
	if !got.Found {
		t.Fatal("the row is not there")
	}
	equal(t, "texts", got.Texts, FullCardTexts)
	equal(t, "version", got.Version, At(7, 1))
	equal(t, "as of", got.AsOf, int64(asOf+1))
	equal(t, "time of the moving value", got.At[6], int64(asOf+1))
	for i, status := range got.Statuses {
		equal(t, "status of "+cards.Columns[i].Feature.Short, status, features.Present)
	}
	if other := h.Read(t, cards, "c2"); other.Found {
		t.Error("a card that was never written is there")
	}
}

func aValueThatGoes(t *testing.T, h Harness) {
	store, cards := openStore(t, h), Cards()
	write(t, store, FullCard(cards, "c1", At(7, 1)))
	row := FullCard(cards, "c1", At(8, 1))
	row.Values[3], row.Statuses[3] = event.Value{}, features.Default
	row.Values[6], row.Statuses[6] = event.Value{}, features.Warming
	row.Statuses[0] = features.Warming // a value may be there and not be trusted
	write(t, store, row)
	got := h.Read(t, cards, "c1")
	equal(t, "has", got.Has, []bool{true, true, true, false, true, true, false})
	equal(t, "statuses", got.Statuses, row.Statuses)
	equal(t, "texts", got.Texts, []string{"3", "1240.5", "true", "", "2026-01-05T12:04:30.882Z", "-7", ""})

	for i := range row.Values {
		row.Values[i], row.Statuses[i] = event.Value{}, features.Default
	}
	row.Version = At(9, 1)
	write(t, store, row)
	got = h.Read(t, cards, "c1")
	if !got.Found {
		t.Fatal("a row without any value is gone, but the entity is known")
	}
	equal(t, "has", got.Has, make([]bool, 7))
	equal(t, "version", got.Version, At(9, 1))
}

func aRowIsReplaced(t *testing.T, h Harness) {
	store, shops := openStore(t, h), Shops()
	write(t, store, MakeRow(shops, "s1", At(7, 1), event.OfDouble(1), event.OfDouble(0.1)))
	write(t, store, MakeRow(shops, "s1", At(8, 2), event.OfDouble(2), event.Value{}))
	write(t, store, MakeRow(shops, "s1", At(9, 3), event.Value{}, event.OfDouble(1e21)))
	got := h.Read(t, shops, "s1")
	equal(t, "texts", got.Texts, []string{"", "1e+21"})
	equal(t, "statuses", got.Statuses, []features.Status{features.Default, features.Present})
	equal(t, "version", got.Version, At(9, 3))
	equal(t, "as of", got.AsOf, int64(asOf+3))
}

func writingAgain(t *testing.T, h Harness) {
	store, cards := openStore(t, h), Cards()
	row := FullCard(cards, "c1", At(7, 1))
	row.Values[0], row.Statuses[0] = event.Value{}, features.Default
	write(t, store, row)
	first := h.Read(t, cards, "c1")
	write(t, store, row)
	equal(t, "the row", h.Read(t, cards, "c1"), first)
	write(t, openStore(t, h), row) // by another writer
	equal(t, "the row", h.Read(t, cards, "c1"), first)
}

func manyRows(t *testing.T, h Harness) {
	store, cards, shops := openStore(t, h), Cards(), Shops()
	shops.View.TTL = time.Hour // reading them all takes longer than theirs
	const n = 1000
	var rows []sinks.VersionedRow
	for i := range n {
		key := fmt.Sprint("k", i)
		rows = append(rows, FullCard(cards, key, At(7, uint32(i))))
		rows = append(rows, MakeRow(shops, key, At(7, uint32(i)), event.OfDouble(float64(i)), event.Value{}))
	}
	write(t, store, rows...)
	for i := range n {
		key := fmt.Sprint("k", i)
		card, shop := h.Read(t, cards, key), h.Read(t, shops, key)
		if card.Version != At(7, uint32(i)) || !reflect.DeepEqual(card.Texts, FullCardTexts) {
			t.Fatalf("card %s: %+v", key, card)
		}
		if shop.Version != At(7, uint32(i)) || shop.Texts[0] != fmt.Sprint(i) || shop.Has[1] {
			t.Fatalf("shop %s: %+v", key, shop)
		}
	}
}

func noRows(t *testing.T, h Harness) {
	write(t, openStore(t, h))
}

func rowsExpire(t *testing.T, h Harness) {
	store, cards, shops := openStore(t, h), Cards(), Shops()
	write(t, store, FullCard(cards, "c1", At(7, 1)),
		MakeRow(shops, "s1", At(7, 2), event.OfDouble(1), event.Value{}))
	// A store may keep a row a minute longer than its ttl, so that a row that is
	// written often is not told each time; never shorter.
	if left := h.Expires(t, cards, "c1"); left < 48*time.Hour-time.Minute || left > 48*time.Hour+time.Minute {
		t.Errorf("a row with a ttl of 48h expires in %v", left)
	}
	// A ttl that is no whole second is rounded up: never gone too early.
	if left := h.Expires(t, shops, "s1"); left <= time.Second || left > 2*time.Second {
		t.Errorf("a row with a ttl of 1.5s expires in %v", left)
	}
}

func strangeKeys(t *testing.T, h Harness) {
	store, shops := openStore(t, h), Shops()
	keys := []string{"a", "a ", "a:b", "a%3Ab", "{a}", "a}:shop_volume@3", "ü", "a,b", "a%2Cb", "", "a\nb", "\xff"}
	for i, key := range keys {
		write(t, store, MakeRow(shops, key, At(7, uint32(i)), event.OfDouble(float64(i)), event.Value{}))
	}
	for i, key := range keys {
		if got := h.Read(t, shops, key); !got.Found || got.Texts[0] != fmt.Sprint(i) {
			t.Errorf("key %q: %+v, want %d", key, got, i)
		}
	}
}

func takeOver(t *testing.T, store sinks.OnlineStore, w sinks.Writer) (owner, incarnation uint32) {
	t.Helper()
	owner, incarnation, err := store.TakeOver(context.Background(), w)
	if err != nil {
		t.Fatalf("take over: %v", err)
	}
	return owner, incarnation
}

func ownersRise(t *testing.T, h Harness) {
	views := []*features.RowLayout{Cards(), Shops()}
	last := uint32(0)
	for _, atLeast := range []uint32{0, 0, 1, 40, 3, 43, 44, 46} {
		owner, _ := takeOver(t, openStore(t, h), sinks.Writer{SpecHash: "aa", Views: views, AtLeast: atLeast})
		if owner <= last || owner <= atLeast {
			t.Errorf("owner %d after %d, at least %d", owner, last, atLeast)
		}
		last = owner
	}
}

func ownersAreDrawnOnce(t *testing.T, h Harness) {
	const writers = 8
	owners := make([]uint32, writers)
	var wg sync.WaitGroup
	for i := range writers {
		store := openStore(t, h)
		wg.Go(func() {
			owner, _, err := store.TakeOver(context.Background(), sinks.Writer{AtLeast: uint32(i) * 3})
			if err != nil {
				t.Errorf("take over: %v", err)
			}
			owners[i] = owner
		})
	}
	wg.Wait()
	seen := map[uint32]bool{}
	for i, owner := range owners {
		if seen[owner] || owner <= uint32(i)*3 {
			t.Errorf("owners %v: %d twice, or not above %d", owners, owner, i*3)
		}
		seen[owner] = true
	}
}

func incarnationsRise(t *testing.T, h Harness) {
	store := openStore(t, h)
	_, first := takeOver(t, store, sinks.Writer{First: true})
	_, again := takeOver(t, store, sinks.Writer{})
	_, other := takeOver(t, openStore(t, h), sinks.Writer{First: true})
	if first < 1 || again != first || other != first+1 {
		t.Errorf("incarnations %d, %d, %d: want n, n, n+1", first, again, other)
	}
}

func anOwnerBefore(t *testing.T, h Harness) {
	before, owner, cards := openStore(t, h), openStore(t, h), Cards()
	takeOver(t, before, sinks.Writer{})
	write(t, before, FullCard(cards, "c1", At(7, 1)), FullCard(cards, "c2", At(7, 2)))
	takeOver(t, owner, sinks.Writer{})
	write(t, owner, FullCard(cards, "c1", At(8, 1)))
	for range 2 {
		err := before.Write(context.Background(), []sinks.VersionedRow{FullCard(cards, "c1", At(7, 3)), FullCard(cards, "c3", At(9, 3))})
		var fatal *sinks.Fatal
		if !errors.Is(err, sinks.ErrLost) || !errors.As(err, &fatal) {
			t.Errorf("write of an owner before: %v, want a fatal error that is ErrLost", err)
		}
	}
	if err := before.Alive(context.Background(), asOf); !errors.Is(err, sinks.ErrLost) {
		t.Errorf("alive of an owner before: %v, want ErrLost", err)
	}
	equal(t, "version", h.Read(t, cards, "c1").Version, At(8, 1))
	equal(t, "version of a row that nobody wrote since", h.Read(t, cards, "c2").Version, At(7, 2))
	if h.Read(t, cards, "c3").Found {
		t.Error("an owner before has written a row")
	}
	takeOver(t, before, sinks.Writer{}) // back again
	write(t, before, FullCard(cards, "c3", At(10, 1)))
	if err := owner.Write(context.Background(), []sinks.VersionedRow{FullCard(cards, "c1", At(9, 1))}); !errors.Is(err, sinks.ErrLost) {
		t.Errorf("write of the other: %v, want ErrLost", err)
	}
}

func alive(t *testing.T, h Harness) {
	if ms, ok := h.Alive(t); ok {
		t.Errorf("alive at %d before anything was written", ms)
	}
	store := openStore(t, h)
	for _, ms := range []int64{asOf, asOf + 1000, asOf - 5000} {
		if err := store.Alive(context.Background(), ms); err != nil {
			t.Fatalf("alive: %v", err)
		}
		if got, ok := h.Alive(t); !ok || got != ms {
			t.Errorf("alive: %d %t, want %d", got, ok, ms)
		}
	}
}

func aCancelledWrite(t *testing.T, h Harness) {
	store, cards := openStore(t, h), Cards()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	err := store.Write(ctx, []sinks.VersionedRow{FullCard(cards, "c1", At(7, 1))})
	var fatal *sinks.Fatal
	if !errors.Is(err, context.Canceled) || errors.As(err, &fatal) {
		t.Errorf("a cancelled write: %v, want an error that is context.Canceled and not fatal", err)
	}
	write(t, store, FullCard(cards, "c1", At(7, 2)))
	equal(t, "version", h.Read(t, cards, "c1").Version, At(7, 2))
}
