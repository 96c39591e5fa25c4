package redis

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"pgregory.net/rapid"

	"github.com/freshet-dev/freshet/config/spec"
	"github.com/freshet-dev/freshet/features"
	"github.com/freshet-dev/freshet/features/event"
	"github.com/freshet-dev/freshet/sinks"
	"github.com/freshet-dev/freshet/sinks/sinktest"
)

// The layout is public: these are its exact bytes. A change of them is a major
// release.
func TestTheRowsBytes(t *testing.T) {
	server := miniredis.RunT(t)
	o := options("redis://" + server.Addr())
	o.Namespace = "payments"
	store, cards, shops := openStore(t, o), sinktest.Cards(), sinktest.Shops()
	version := sinks.Version{Incarnation: 1, Batch: 88123, Owner: 4, Seq: 17, AsOf: 1767614671882}
	full := sinktest.FullCard(cards, "c1", version)
	full.Values[3], full.Statuses[3] = event.Value{}, features.Default
	full.Statuses[6] = features.Warming
	empty := sinktest.MakeRow(shops, "a {b}:c%", version, event.Value{}, event.Value{})
	if err := store.Write(context.Background(), []sinks.VersionedRow{full, empty}); err != nil {
		t.Fatal(err)
	}
	want := map[string]map[string]string{
		"freshet:payments:{card:h_j7p42c76c5vh6lkqmbnzfaexsm}:card_velocity@1": {
			"txn_count_1h":      "3",
			"amount_last":       "1240.5",
			"ok_last":           "true",
			"seen_last":         "2026-01-05T12:04:30.882Z",
			"items_max":         "-7",
			"time_since_txn":    "0.125",
			"time_since_txn_at": "1767614671882",
			"_v":                "00000001" + "000000000001583b" + "00000004" + "00000011" + "0000019b8e0b6c0a",
			"_as_of":            "1767614671882",
			"_status":           "country_last=DEFAULT,time_since_txn=WARMING",
		},
		"freshet:payments:{shop:a%20%7Bb%7D%3Ac%25}:shop_volume@3": {
			"_v":      "00000001" + "000000000001583b" + "00000004" + "00000011" + "0000019b8e0b6c0a",
			"_as_of":  "1767614671882",
			"_status": "n=DEFAULT,mean=DEFAULT",
		},
	}
	got := map[string]map[string]string{}
	for _, key := range server.Keys() {
		got[key] = map[string]string{}
		fields, err := server.HKeys(key)
		if err != nil {
			t.Fatal(err)
		}
		for _, field := range fields {
			got[key][field] = server.HGet(key, field)
		}
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%v\nwant\n%v", got, want)
	}
}

func TestTheSignOfLifesBytes(t *testing.T) {
	server := miniredis.RunT(t)
	o := options("redis://" + server.Addr())
	o.Namespace = "payments"
	if err := openStore(t, o).Alive(context.Background(), 1767614671882); err != nil {
		t.Fatal(err)
	}
	if got, err := server.Get("freshet:payments:alive"); err != nil || got != "1767614671882" {
		t.Errorf("alive: %q, %v", got, err)
	}
	if left := server.TTL("freshet:payments:alive"); left != 5*time.Second {
		t.Errorf("alive holds for %v, want 5 s", left)
	}
	server.FastForward(5 * time.Second)
	if _, ok, err := openReader(t, o).Alive(context.Background()); ok || err != nil {
		t.Errorf("alive after five seconds of silence: %t, %v", ok, err)
	}
}

func TestMetasBytes(t *testing.T) {
	server := miniredis.RunT(t)
	o := options("redis://" + server.Addr())
	o.Namespace = "payments"
	store := openStore(t, o)
	ctx := context.Background()
	shops := sinktest.Shops()
	first := sinks.Writer{Run: "g@c1", SpecHash: "41c9", Views: []*features.RowLayout{sinktest.Cards(), shops}, First: true}
	if _, _, err := store.TakeOver(ctx, first); err != nil {
		t.Fatal(err)
	}
	meta := "freshet:payments:meta"
	for field, want := range map[string]string{
		"layout": "1", "run": "g@c1", "spec": "41c9", "incarnation": "1", "owner": "1", "views": "card_velocity@1,shop_volume@3",
		"view:shop_volume@3": `{"version":3,"entity":"shop","pii":false,"ttl_s":2,"fields":[{"name":"n","type":"double"},{"name":"mean","type":"double"}]}`,
	} {
		if got := server.HGet(meta, field); got != want {
			t.Errorf("%s of meta: %s, want %s", field, got, want)
		}
	}
	var cards ViewMeta
	if err := json.Unmarshal([]byte(server.HGet(meta, "view:card_velocity@1")), &cards); err != nil {
		t.Fatal(err)
	}
	types := []string{}
	for _, field := range cards.Fields {
		types = append(types, field.Type)
	}
	if want := []string{"double", "decimal", "bool", "string", "timestamp", "int", "double"}; !reflect.DeepEqual(types, want) {
		t.Errorf("types %v, want %v", types, want)
	}
	if !cards.PII || cards.TTL != 172800 || !cards.Fields[6].Moves || cards.Fields[0].Moves {
		t.Errorf("cards: %+v", cards)
	}

	// A writer with fewer views: the others are no longer written.
	if _, _, err := store.TakeOver(ctx, sinks.Writer{SpecHash: "77aa", Views: []*features.RowLayout{shops}}); err != nil {
		t.Fatal(err)
	}
	read, err := openReader(t, o).Meta(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := read.Views["card_velocity@1"]; ok || len(read.Views) != 1 || read.Spec != "77aa" || read.Owner != "2" || read.Incarnation != "1" {
		t.Errorf("meta after the second take-over: %+v", read)
	}
}

// A start with a mistyped group must not shut out the owner that serves.
func TestARunThatLivesKeepsItsNamespace(t *testing.T) {
	server := miniredis.RunT(t)
	o, ctx := options("redis://"+server.Addr()), context.Background()
	ours, other := sinks.Writer{Run: "g@c1", First: true}, sinks.Writer{Run: "gg@c1", First: true}
	owner := openStore(t, o)
	if _, _, err := owner.TakeOver(ctx, ours); err != nil {
		t.Fatal(err)
	}
	if err := owner.Alive(ctx, 1); err != nil {
		t.Fatal(err)
	}
	before := server.Dump()
	_, _, err := openStore(t, o).TakeOver(ctx, other)
	var fatal *sinks.Fatal
	if !errors.As(err, &fatal) || errors.Is(err, sinks.ErrLost) || !strings.Contains(err.Error(), "run g@c1 (group@cluster), which lives; this one is gg@c1") {
		t.Errorf("another run while ours lives: %v", err)
	}
	if after := server.Dump(); after != before {
		t.Errorf("what was refused has changed the server:\n%s\nbefore\n%s", after, before)
	}
	if err := owner.Write(ctx, cardRows(3, 1)); err != nil {
		t.Errorf("the owner that serves was shut out: %v", err)
	}
	if _, _, err := openStore(t, o).TakeOver(ctx, ours); err != nil {
		t.Errorf("the next owner of the same run: %v", err)
	}
	server.FastForward(aliveFor)
	if _, _, err := openStore(t, o).TakeOver(ctx, other); err != nil {
		t.Errorf("another run when ours has ended: %v", err)
	}
}

func TestAStoreInAnotherLayoutIsRefused(t *testing.T) {
	server := miniredis.RunT(t)
	o := options("redis://" + server.Addr())
	server.HSet("freshet:"+o.Namespace+":meta", "layout", "2", "owner", "7")
	_, _, err := openStore(t, o).TakeOver(context.Background(), sinks.Writer{})
	if err == nil || !strings.Contains(err.Error(), "layout 2") {
		t.Errorf("take over: %v, want it refused", err)
	}
	if got := server.HGet("freshet:"+o.Namespace+":meta", "owner"); got != "7" {
		t.Errorf("owner %s: a store that was refused was changed", got)
	}
}

// Texts compare as versions do, field by field in their order, and read back.
func TestVersionsCompareAsText(t *testing.T) {
	version := rapid.Custom(func(t *rapid.T) sinks.Version {
		return sinks.Version{
			Incarnation: rapid.Uint32().Draw(t, "incarnation"),
			Batch:       rapid.Uint64().Draw(t, "batch"),
			Owner:       rapid.Uint32().Draw(t, "owner"),
			Seq:         rapid.Uint32().Draw(t, "seq"),
			AsOf:        rapid.Int64Min(0).Draw(t, "as of"),
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		a, b := version.Draw(t, "a"), version.Draw(t, "b")
		// Mostly equal at the front, so that the later fields decide.
		if rapid.Bool().Draw(t, "same incarnation") {
			b.Incarnation = a.Incarnation
		}
		if rapid.Bool().Draw(t, "same batch") {
			b.Batch = a.Batch
		}
		if rapid.Bool().Draw(t, "same owner") {
			b.Owner = a.Owner
		}
		if rapid.Bool().Draw(t, "same seq") {
			b.Seq = a.Seq
		}
		want := cmp.Or(cmp.Compare(a.Incarnation, b.Incarnation), cmp.Compare(a.Batch, b.Batch),
			cmp.Compare(a.Owner, b.Owner), cmp.Compare(a.Seq, b.Seq), cmp.Compare(a.AsOf, b.AsOf))
		textA, textB := string(appendVersion(nil, a)), string(appendVersion(nil, b))
		if got := strings.Compare(textA, textB); got != want {
			t.Fatalf("%+v and %+v compare %d, as text %d", a, b, want, got)
		}
		if back, err := parseVersion(textA); err != nil || back != a {
			t.Fatalf("%s reads back as %+v, %v; want %+v", textA, back, err, a)
		}
	})
}

// S13: decimals in major units. Numbers are the shortest text that reads back.
func TestListsAndMapsAreJSON(t *testing.T) {
	list := event.OfList([]event.Value{event.OfString("a"), event.OfDecimal(150)})
	for want, v := range map[string]event.Value{
		`["a",1.5]`:       list,
		`{"x":["a",1.5]}`: event.OfMap([]event.Entry{{Key: "x", Value: list}}),
	} {
		if got := string(appendValue(nil, v, 2)); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestS13NumbersAsText(t *testing.T) {
	for _, c := range []struct {
		value event.Value
		scale int
		want  string
	}{
		{event.OfDouble(0), 0, "0"},
		{event.OfDouble(math.Copysign(0, -1)), 0, "0"},
		{event.OfDouble(3), 0, "3"},
		{event.OfDouble(0.30000000000000004), 0, "0.30000000000000004"},
		{event.OfDouble(1240.5), 0, "1240.5"},
		{event.OfDouble(1e-6), 0, "0.000001"},
		{event.OfDouble(1e-7), 0, "1e-07"},
		{event.OfDouble(123456789012345680), 0, "123456789012345680"},
		{event.OfDouble(1e21), 0, "1e+21"},
		{event.OfDecimal(124050), 2, "1240.5"},
		{event.OfDecimal(-5), 3, "-0.005"},
		{event.OfDecimal(100), 2, "1"},
		{event.OfDecimal(7), 0, "7"},
		{event.OfInt(math.MaxInt64), 0, "9223372036854775807"},
		{event.OfBool(false), 0, "false"},
		{event.OfTimestamp(946684800000), 0, "2000-01-01T00:00:00.000Z"},
		{event.OfString(""), 0, ""},
	} {
		if got := string(appendValue(nil, c.value, c.scale)); got != c.want {
			t.Errorf("%+v, scale %d: %q, want %q", c.value, c.scale, got, c.want)
		}
	}
}

func TestRowsThatNobodyWroteAreErrors(t *testing.T) {
	server := miniredis.RunT(t)
	o := options("redis://" + server.Addr())
	reader, shops := openReader(t, o), sinktest.Shops()
	key := reader.keys.row(shops.View, "s1")
	good := []string{"n", "1", "_v", strings.Repeat("0", 56), "_as_of", "1", "_status", ""}
	for i, broken := range [][]string{{"_v", "12"}, {"_v", strings.Repeat("x", 56)}, {"_as_of", ""}, {"_status", "n"}, {"_status", "n=WHATEVER"}} {
		server.Del(key)
		server.HSet(key, good...)
		server.HSet(key, broken...)
		_, err := reader.Get(context.Background(), []*features.RowLayout{shops}, "s1")
		if err == nil || !strings.Contains(err.Error(), key) || !strings.Contains(err.Error(), broken[0]) {
			t.Errorf("case %d: %v, want an error that names %s and %s", i, err, key, broken[0])
		}
	}
	// What stands neither in a field nor in _status is unknown.
	server.Del(key)
	server.HSet(key, good...)
	rows, err := reader.Get(context.Background(), []*features.RowLayout{shops}, "s1")
	if err != nil || rows[0].Statuses[0] != features.Present || rows[0].Statuses[1] != features.NotFound {
		t.Errorf("statuses %v, %v; want PRESENT, NOT_FOUND", rows[0].Statuses, err)
	}
}

func TestARowWithoutATTLDoesNotExpire(t *testing.T) {
	server := miniredis.RunT(t)
	o := options("redis://" + server.Addr())
	layout := sinktest.Layout(&spec.View{Name: "v", Version: 1, Entity: &spec.Entity{Name: "e"}},
		sinktest.Column{Name: "n", Type: spec.Double})
	store := openStore(t, o)
	row := sinktest.MakeRow(layout, "k", sinktest.At(1, 1), event.OfDouble(1))
	if err := store.Write(context.Background(), []sinks.VersionedRow{row}); err != nil {
		t.Fatal(err)
	}
	if left := server.TTL(store.keys.row(layout.View, "k")); left != 0 {
		t.Errorf("expires in %v", left)
	}
}
