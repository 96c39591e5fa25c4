package spec

import (
	"bytes"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// base is testdata/base.good.yaml with replacements: old, new, old, new ...
func base(t *testing.T, replacements ...string) File {
	t.Helper()
	data, err := os.ReadFile("testdata/base.good.yaml")
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	for i := 0; i+1 < len(replacements); i += 2 {
		if !strings.Contains(text, replacements[i]) {
			t.Fatalf("base.good.yaml has no %q", replacements[i])
		}
		text = strings.Replace(text, replacements[i], replacements[i+1], 1)
	}
	return File{Name: "base.yaml", Data: []byte(text)}
}

func mustLoad(t *testing.T, files ...File) *Spec {
	t.Helper()
	specs, diags, err := LoadFiles(files)
	if err != nil || len(specs) != 1 {
		var b bytes.Buffer
		diags.Render(&b)
		t.Fatalf("%v\n%s", err, b.String())
	}
	return specs[0]
}

func mustRefuse(t *testing.T, message string, files ...File) {
	t.Helper()
	specs, diags, err := LoadFiles(files)
	if err != nil || specs != nil {
		t.Fatalf("loaded, %v; want %q", err, message)
	}
	for _, d := range diags {
		if d.Severity == ErrorSeverity && strings.Contains(d.Message, message) {
			return
		}
	}
	t.Errorf("%v; want %q", diags, message)
}

func mustWarn(t *testing.T, message string, files ...File) {
	t.Helper()
	_, diags, err := LoadFiles(files)
	if err != nil || diags.HasErrors() {
		t.Fatal(err, diags)
	}
	if !slices.ContainsFunc(diags, func(d Diagnostic) bool { return strings.Contains(d.Message, message) }) {
		t.Errorf("%v; want the warning %q", diags, message)
	}
}

const oneFeature = "n: {aggregation: count, windows: [1h, 24h]}"

func feature(t *testing.T, s *Spec, name string) *Feature {
	t.Helper()
	f, ok := s.Feature(name)
	if !ok {
		t.Fatalf("there is no feature %s", name)
	}
	return f
}

func TestS09DefaultLateness(t *testing.T) {
	for _, c := range []struct {
		feature string
		want    time.Duration
	}{
		{"n: {aggregation: count, windows: [1h, 24h]}", 24 * time.Hour},
		{"n: {aggregation: count, windows: [1h, 2h]}", 2 * time.Hour},
		{"n: {aggregation: count, windows: [1h], delay: 3h}", 4 * time.Hour},
		{"n: {aggregation: count, windows: [1h, 7d]}", 24 * time.Hour},
		{"n: {aggregation: count}", 24 * time.Hour},
		{"n: {aggregation: count, session: 5m}", 24 * time.Hour},
	} {
		s := mustLoad(t, viewsOnly(t, c.feature, "7d"))
		if got := s.Sources[0].AllowedLateness; got != c.want {
			t.Errorf("%s: %v, want %v", c.feature, got, c.want)
		}
	}
	s := mustLoad(t, viewsOnly(t, "n: {aggregation: count}", "90m"))
	if got := s.Sources[0].AllowedLateness; got != 90*time.Minute {
		t.Errorf("a lifetime counts as its ttl: %v", got)
	}
	s = mustLoad(t, base(t, "id_field: id", "id_field: id\n    allowed_lateness: 5m"))
	if got := s.Sources[0].AllowedLateness; got != 5*time.Minute {
		t.Errorf("written lateness: %v", got)
	}
}

// viewsOnly is base with one feature and nothing after the view.
func viewsOnly(t *testing.T, feature, ttl string, replacements ...string) File {
	t.Helper()
	f := base(t, append([]string{oneFeature, feature, "ttl: 7d", "ttl: " + ttl}, replacements...)...)
	text := string(f.Data)
	if i := strings.Index(text, "    derived:\n      share"); i > 0 {
		text = text[:i]
	}
	f.Data = []byte(text)
	return f
}

func TestDefaultsOfSourcesAndViews(t *testing.T) {
	s := mustLoad(t, base(t))
	src, v := s.Sources[0], s.Views[0]
	if src.MaxAhead != 10*time.Minute || src.DedupWindow != 10*time.Minute || src.Format != "json" {
		t.Errorf("source %+v", src)
	}
	if src.Output.Topic != "shop.payments.enriched.v1" || src.Output.Key == nil || src.Output.Key.Name != "card" || src.Output.Set {
		t.Errorf("output %+v", src.Output)
	}
	if v.Version != 1 || !v.Latest || v.EventBudget != 65536 || v.DistinctBudget != 65536 || v.Refresh != time.Minute || v.Online != "served" {
		t.Errorf("view %+v", v)
	}
	s = mustLoad(t, viewsOnly(t, "n: {aggregation: count, windows: [10s]}", "7d\n    refresh: off"))
	if !s.Views[0].RefreshOff {
		t.Error("refresh: off is a word, not a bool (S33)")
	}
	s = mustLoad(t, viewsOnly(t, "n: {aggregation: count, windows: [10s]}", "7d"))
	if s.Views[0].Refresh != time.Second {
		t.Errorf("refresh %v, at least a second", s.Views[0].Refresh)
	}
}

func TestS28NamesOfWindows(t *testing.T) {
	s := mustLoad(t, viewsOnly(t, `n: {aggregation: count, windows: [60m, 24h]}
      d: {aggregation: decayed_count, half_lives: [5m]}
      l: {aggregation: count, last: [5]}
      e: {aggregation: count, session: 30m}
      a: {aggregation: count}`, "7d"))
	var names []string
	for _, f := range s.Views[0].Features {
		names = append(names, f.Full())
	}
	want := "velocity.n_60m velocity.n_24h velocity.d_hl5m velocity.l_last5 velocity.e velocity.a"
	if got := strings.Join(names, " "); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	for _, name := range []string{"velocity.n_24h", "velocity@1.n_24h", "velocity__n_24h", "velocity@1__n_24h"} {
		if f := feature(t, s, name); f.Short != "n_24h" || f.Flat() != "velocity__n_24h" {
			t.Errorf("%s is %s", name, f.Full())
		}
	}
}

func TestResultTypes(t *testing.T) {
	s := mustLoad(t, viewsOnly(t, `n: {aggregation: sum, field: amount, windows: [1h]}
      x: {aggregation: max, field: amount, windows: [1h]}
      l: {aggregation: last, field: status}
      t: {aggregation: last, field: at}
      b: {aggregation: is_new, field: device, windows: [1h]}
      v: {aggregation: last, value: 'amount > 3'}
      s: {aggregation: list_last, field: status, windows: [1h], limit: 5}`, "7d"))
	for name, want := range map[string]Type{"n_1h": Double, "x_1h": Decimal, "l": String, "t": Timestamp, "b_1h": Bool, "v": Bool, "s_1h": List} {
		if f := feature(t, s, "velocity."+name); f.Type != want {
			t.Errorf("%s is a %s, want a %s", name, f.Type, want)
		}
	}
	if f := feature(t, s, "velocity.x_1h"); f.Scale != 2 {
		t.Errorf("scale %d", f.Scale)
	}
}

func TestS06EventBound(t *testing.T) {
	s := mustLoad(t, viewsOnly(t, `n: {aggregation: count, windows: [1h]}
      b: {aggregation: is_new, field: device, windows: [1h]}
      z: {aggregation: zscore, field: amount, windows: [1h], exclude_current: true}
    derived:
      on_event: {expr: 'event.amount * 2'}
      asks: {expr: 'present(event.device)'}
      built_on: {expr: 'on_event + n_1h'}
      on_new: {expr: 'b_1h ? 1 : 0'}
      plain: {expr: 'n_1h * 2'}`, "7d"))
	for name, want := range map[string]bool{"n_1h": false, "b_1h": true, "z_1h": true, "on_event": true, "asks": true,
		"built_on": true, "on_new": true, "plain": false} {
		if f := feature(t, s, "velocity."+name); f.EventBound != want {
			t.Errorf("%s event-bound: %v", name, f.EventBound)
		}
	}
}

func TestDerivedComeAfterWhatTheyMention(t *testing.T) {
	s := mustLoad(t, viewsOnly(t, `n: {aggregation: count, windows: [1h]}
    derived:
      c: {expr: 'b + 1'}
      a: {expr: 'n_1h'}
      b: {expr: 'a + 1'}`, "7d"))
	var names []string
	for _, f := range s.Views[0].Features {
		names = append(names, f.Short)
	}
	if got := strings.Join(names, " "); got != "n_1h a b c" {
		t.Errorf("order %s", got)
	}
}

func TestServed(t *testing.T) {
	s := mustLoad(t, base(t, oneFeature, oneFeature+`
      sum: {aggregation: sum, field: amount, windows: [1h, 24h]}
      mid: {aggregation: mean, field: amount, windows: [1h], hidden: true}`,
		"share: {", "big: {expr: 'mid_1h + sum_1h', default: 0}\n      share: {",
		"[n_1h, n_24h, share]", "[share, big]"))
	for name, want := range map[string]bool{"n_1h": true, "n_24h": true, "share": true, "big": true, "sum_1h": true, "sum_24h": false, "mid_1h": false} {
		if f := feature(t, s, "velocity."+name); f.Served != want {
			t.Errorf("%s served: %v", name, f.Served)
		}
	}
	s = mustLoad(t, viewsOnly(t, oneFeature, "7d"))
	if !feature(t, s, "velocity.n_24h").Served {
		t.Error("without a service everything is served")
	}
	s = mustLoad(t, base(t, "ttl: 7d", "ttl: 7d\n    online: all", oneFeature, oneFeature+"\n      m: {aggregation: count}"))
	if !feature(t, s, "velocity.m").Served {
		t.Error("online: all")
	}
	s = mustLoad(t, viewsOnly(t, oneFeature, "7d\n    online: none"))
	if feature(t, s, "velocity.n_1h").Served {
		t.Error("online: none")
	}
}

func TestS29TwoVersions(t *testing.T) {
	older := `feature_views:
  "velocity@1":
    version: 1
    source: payments
    entity: card
    ttl: 7d
    description: The old one.
    features: {n: {aggregation: count, windows: [1h]}}
`
	s := mustLoad(t, base(t, "feature_views:\n", older, "    source: payments\n    entity: card\n    ttl: 7d\n    description: How often",
		"    version: 2\n    source: payments\n    entity: card\n    ttl: 7d\n    description: How often",
		"'velocity.n_1h >= 3'", `'velocity@1.n_1h >= 3 && "a@1.b" != "c"'`))
	if f := feature(t, s, "velocity.n_1h"); f.View.Version != 2 || f.Full() != "velocity.n_1h" {
		t.Errorf("the bare name is %s", f.View.Pinned())
	}
	f := feature(t, s, "velocity@1.n_1h")
	if f.View.Version != 1 || f.Full() != "velocity@1.n_1h" || !f.Served {
		t.Errorf("the pinned name is %s, served %v", f.Full(), f.Served)
	}
	rule := s.Models[0].Rules[0].When
	if len(rule.Names) != 1 || rule.Names[0].Feature != f {
		t.Errorf("the rule mentions %+v", rule.Names)
	}
	mustRefuse(t, "unknown name `velocity@3.n_1h`", base(t, "'velocity.n_1h >= 3'", `'velocity@3.n_1h >= 3'`))
	_, diags, _ := LoadFiles([]File{base(t, "'velocity.n_1h >= 3'", `'velocity@1.n_1h >= 3 && velocity.n_2h > 1'`)})
	if d := diags[0]; d.Line[d.Pos.Col-1:d.End] != "velocity.n_2h" {
		t.Errorf("behind a pinned name the carets are below %q", d.Line[d.Pos.Col-1:d.End])
	}
}

func TestS10TwoFilesOfOneNamespaceAndNamesTwice(t *testing.T) {
	a := base(t)
	b := File{Name: "more.yaml", Data: []byte("version: 1\nnamespace: shop\nowner: a@example.com\nfeature_views:\n  more:\n    source: payments\n" +
		"    entity: card\n    ttl: 1d\n    description: More.\n    online: all\n    features: {m: {aggregation: count, windows: [1h]}}\n")}
	s := mustLoad(t, a, b)
	if len(s.Views) != 2 || len(s.Files) != 2 || s.Views[1].Owner != "a@example.com" || s.Views[0].Owner != "risk@example.com" {
		t.Errorf("%d views of %v", len(s.Views), s.Files)
	}
	twice := File{Name: "twice.yaml", Data: bytes.Replace(b.Data, []byte("  more:"), []byte("  velocity:"), 1)}
	mustRefuse(t, "feature view velocity is declared twice: first at base.yaml", a, twice)
	other := File{Name: "other.yaml", Data: bytes.Replace(base(t).Data, []byte("namespace: shop"), []byte("namespace: other"), 1)}
	specs, _, err := LoadFiles([]File{a, other})
	if err != nil || len(specs) != 2 {
		t.Errorf("%d namespaces, %v", len(specs), err)
	}
}

// What an unreadable file would have declared is not reported as unknown.
func TestOneBrokenFileIsOneFinding(t *testing.T) {
	for _, f := range []File{base(t, "sources:", "sorces:"), base(t, "fields:", "fields: [")} {
		_, diags, _ := LoadFiles([]File{f, {Name: "more.yaml", Data: []byte("version: 1\nnamespace: shop\nentities: {x: {key: nothing}}\n")}})
		if len(diags) != 1 {
			t.Errorf("%v", diags)
		}
	}
}

func TestS33NorwayIsAText(t *testing.T) {
	s := mustLoad(t, base(t, "enum: [approved, declined]", "enum: [NO, off, 2026-01-05, 10:30, yes]", "status: approved", "status: NO"))
	if f, _ := s.Sources[0].Field("status"); strings.Join(f.Enum, " ") != "NO off 2026-01-05 10:30 yes" {
		t.Errorf("enum %q", f.Enum)
	}
	mustRefuse(t, "must be a text, and 0123 without quotes is a number", base(t, "enum: [approved, declined]", "enum: [0123]"))
}

func TestS35GivenEvents(t *testing.T) {
	s := mustLoad(t, base(t, "- {at: 1m, id: p2}", `- {at: 1m, repeat: 3, every: 10s, id: "p{i}x", amount: 7.5}
      - {at: 2m, arrives: 5m, id: late, device: null}`))
	given := s.Tests[0].Given
	if len(given) != 5 {
		t.Fatalf("%d events", len(given))
	}
	if g := given[3]; g.At != 80*time.Second || g.Arrives != g.At || g.id() != "p2x" {
		t.Errorf("third repeat %+v", g)
	}
	if g := given[4]; g.At != 2*time.Minute || g.Arrives != 5*time.Minute || !slices.ContainsFunc(g.Values, func(v GivenValue) bool { return v.Field.Name == "device" && v.Null }) {
		t.Errorf("late %+v", g)
	}
	var texts []string
	for _, v := range given[1].Values {
		texts = append(texts, v.Field.Name+"="+v.Text)
	}
	if got := strings.Join(texts, " "); got != "id=p0x card=c1 amount=7.5 status=approved" {
		t.Errorf("values %s", got)
	}
}

func TestS36TTLMayEqualTheLongestWindow(t *testing.T) {
	mustLoad(t, viewsOnly(t, "n: {aggregation: count, windows: [1h], delay: 2h}", "3h"))
	mustRefuse(t, "shorter than the longest delay and window", viewsOnly(t, "n: {aggregation: count, windows: [1h], delay: 2h}", "179m"))
	mustRefuse(t, "shorter than the longest window", viewsOnly(t, "n: {aggregation: count, session: 4h}", "3h"))
}

func TestS36Warnings(t *testing.T) {
	for message, feature := range map[string]string{
		"has no `min_count`":       "m: {aggregation: ratio, numerator: is_test, windows: [1h]}",
		"a past that holds it":     "m: {aggregation: zscore, field: amount, windows: [1h]}",
		"is always 0":              "m: {aggregation: time_since_last}",
		"behind a delay":           "m: {aggregation: count, windows: [1h], delay: 1h, exclude_current: true}",
		"never counts the current": "m: {aggregation: is_new, field: device, windows: [1h], exclude_current: true}",
		"used by no service":       "m: {aggregation: count, windows: [1h]}",
	} {
		mustWarn(t, message, base(t, oneFeature, oneFeature+"\n      "+feature))
	}
	mustWarn(t, "serves the personal field card", base(t, "card:    {type: string}", "card:    {type: string, pii: true}", oneFeature, oneFeature+"\n      m: {aggregation: last, field: card}"))
	const computed = "\n    computed_fields: {tail: {type: string, expr: 'card + \"x\"'}}"
	personal := base(t, "card:    {type: string}", "card:    {type: string, pii: true}", "id_field: id", "id_field: id"+computed)
	mustWarn(t, "computed field tail is made of the personal field card", personal)
	mustWarn(t, "has no description", base(t, "    description: One record per payment.\n", ""))
	mustWarn(t, "has no owner", base(t, "owner: risk@example.com\n", ""))
	mustWarn(t, "source payments has no field device_score", base(t, "{amount: double}", "{amount: double, device_score: double}"))
}

func TestS04EventBoundFeaturesOfOtherSourcesAreWarnedAbout(t *testing.T) {
	other := File{Name: "other.yaml", Data: []byte(`version: 1
namespace: shop
owner: a@example.com
sources:
  logins:
    description: One record per login.
    type: kafka
    topic: logins
    timestamp_field: at
    fields: {at: {type: timestamp}, card: {type: string}, device: {type: string}}
feature_views:
  logins:
    source: logins
    entity: card
    ttl: 1d
    description: Logins.
    features: {fresh: {aggregation: is_new, field: device, windows: [1h]}, n: {aggregation: count, windows: [1h]}}
`)}
	mustWarn(t, "feature logins.fresh_1h has a meaning only with an event of logins",
		base(t, "- velocity: [n_1h, n_24h, share]", "- velocity: [n_1h, n_24h, share]\n      - logins: [fresh_1h, n_1h]"), other)
}

func TestHashFollowsMeaningOnly(t *testing.T) {
	same := mustLoad(t, base(t)).Hash
	for _, r := range [][]string{
		{"One record per payment.", "Other words."}, {"topic: payments", "topic: elsewhere"}, {"features: {velocity.n_1h: 2}", "features: {velocity.n_1h: 3}"},
		{"version: 1\n", "# a comment\nversion: 1\n"}, {"owner: risk@example.com", "owner: other@example.com"},
	} {
		if got := mustLoad(t, base(t, r...)).Hash; got != same {
			t.Errorf("%q changes the hash", r)
		}
	}
	for _, r := range [][]string{
		{"windows: [1h, 24h]", "windows: [1h, 24h, 2h]"}, {"ttl: 7d", "ttl: 8d"}, {"n_1h / max", "n_1h * 2 / max"}, {"weight: 0.6", "weight: 0.61"},
		{"id_field: id", "id_field: id\n    filter: 'amount > 0'"}, {"[n_1h, n_24h, share]", "[n_24h, n_1h, share]"}, {"min: 0.5", "min: 0.55"},
		{"device:  {type: string, optional: true}", "device:  {type: string, optional: true, path: d.id}"}, {"default: 0}", "default: 1}"},
	} {
		if got := mustLoad(t, base(t, r...)).Hash; got == same {
			t.Errorf("%q does not change the hash", r)
		}
	}
}

func TestPersonalFields(t *testing.T) {
	s := mustLoad(t, base(t, "card:    {type: string}", "card:    {type: string, pii: true}"))
	card, _ := s.Entity("card")
	device, _ := s.Entity("device")
	f, _ := s.Sources[0].Field("card")
	if !card.PII || device.PII || f.Mask != defaultMask {
		t.Errorf("card %v, device %v, mask %q", card.PII, device.PII, f.Mask)
	}
}

func TestConnectionTextsReadTheEnvironment(t *testing.T) {
	t.Setenv("FRESHET_TEST_TOPIC", "from.the.environment")
	s := mustLoad(t, base(t, "topic: payments\n", "topic: ${FRESHET_TEST_TOPIC}\n    connection: {brokers: '${FRESHET_TEST_NONE:localhost:9092}'}\n"))
	if src := s.Sources[0]; src.Topic != "from.the.environment" || src.Connection["brokers"] != "localhost:9092" {
		t.Errorf("%q %v", src.Topic, src.Connection)
	}
}

func TestBoundsOfFiles(t *testing.T) {
	big := File{Name: "big.yaml", Data: bytes.Repeat([]byte("# x\n"), MaxFileBytes/4+1)}
	mustRefuse(t, "larger than", big)
	deep := File{Name: "deep.yaml", Data: []byte("version: 1\nnamespace: a\nmeta: " + strings.Repeat("[", 100) + strings.Repeat("]", 100))}
	mustRefuse(t, "depth", deep)
	mustRefuse(t, "UTF-8", File{Name: "bad.yaml", Data: []byte{'a', 0xff}})
	for text, want := range map[string]string{
		"\xff":                      "1:1",
		"version: 1\nx: \"\xff\"\n": "2:5",
		"version: 1\r\nx: \"é€\xe2\x82\" # \xff\n": "2:7",
		"x: \uFFFD \xc3": "1:6", // U+FFFD itself is a character like others
		"x: 1\n\xc0\xaf": "2:1",
	} {
		_, diags, _ := LoadFiles([]File{{Name: "bad.yaml", Data: []byte(text)}})
		if len(diags) != 1 || diags[0].Pos.String() != "bad.yaml:"+want || diags[0].Suggestion == "" || diags[0].Line == "" {
			t.Errorf("%q: %+v, want it at %s with help and its line", text, diags, want)
		}
	}
	mustRefuse(t, "empty", File{Name: "none.yaml", Data: []byte("# nothing\n")})
}

func TestRenderShowsLongLinesAndNoControlCharacters(t *testing.T) {
	line := strings.Repeat("a", 200) + "HERE\x1b[31m" + strings.Repeat("b", 200)
	d := Diagnostic{Pos: Position{File: "x.yaml", Line: 3, Col: 201}, End: 204, Message: "bad\x1b[0m", Line: line}
	got := d.render()
	if strings.Contains(got, "\x1b") {
		t.Errorf("control characters in %q", got)
	}
	lines := strings.Split(got, "\n")
	at := strings.Index(lines[2], "^^^^")
	if at < 0 || lines[1][at:at+4] != "HERE" {
		t.Errorf("carets are not below HERE:\n%s", got)
	}
}

// A small file may not ask for a large plan: {entity} times windows times
// definitions, and repeats of tests, end at a named bound.
func TestBoundsOfWhatIsMultipliedOut(t *testing.T) {
	var fields, entities, names, definitions, windows strings.Builder
	for i := range 300 {
		n := itoa(i)
		fields.WriteString("      k" + n + ": {type: string}\n")
		entities.WriteString("  e" + n + ": {key: k" + n + "}\n")
		names.WriteString("e" + n + ",")
		definitions.WriteString("      d" + n + ": {aggregation: count, windows: [" + strings.TrimSuffix(windows.String(), ",") + "]}\n")
		if i < 60 {
			windows.WriteString(itoa(i+1) + "m,")
		}
	}
	text := string(viewsOnly(t, "n: {aggregation: count}", "7d").Data)
	text = strings.Replace(text, "    fields:\n", "    fields:\n"+fields.String(), 1)
	text = strings.Replace(text, "entities:\n", "entities:\n"+entities.String(), 1)
	text = strings.Replace(text, "  velocity:\n", "  \"{entity}_velocity\":\n", 1)
	text = strings.Replace(text, "    entity: card\n", "    entities: ["+strings.TrimSuffix(names.String(), ",")+"]\n", 1)
	text = strings.Replace(text, "      n: {aggregation: count}\n", definitions.String()[len("      d0: {aggregation: count, windows: []}\n"):], 1)
	mustRefuse(t, "more than 2000 features", File{Name: "bomb.yaml", Data: []byte(text)})
	mustRefuse(t, "hold at most 50000 events", base(t, "{at: 1m, id: p2}", `{repeat: 50000, every: 1s, id: "p{i}"}`))
	mustRefuse(t, "more findings are not shown", base(t, "owner: risk@example.com\n", manyUnknownKeys(2000)))
}

func manyUnknownKeys(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString("unknown_" + itoa(i) + ": 1\n")
	}
	return b.String()
}
