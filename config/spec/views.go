package spec

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// The bounds and defaults of a view (spec-language.md 1.11).
const (
	DefaultEventBudget    = 65536
	DefaultDistinctBudget = 65536
	maxBudget             = 1 << 24
	maxVersion            = 1_000_000

	refreshShare = 60 // a window is refreshed this many times within its length
	minRefresh   = time.Second

	defaultTiles = 60   // of one window, past the event budget
	maxTiles     = 1440 // each reading of such an entity merges them, of every window
)

const entityPlace = "{entity}"

// viewText is a view as written, before `{entity}` is expanded.
type viewText struct {
	in          raw
	m           *mapping
	source      *Source
	entities    []*Entity
	version     int
	definitions []*Definition
	derived     []derivedText
	broken      bool // something about its features was reported
}

func (r *resolver) views() {
	for _, in := range r.kinds[viewKind] {
		r.view(in)
	}
	r.latest()
	for _, v := range r.spec.Views {
		r.twins(v)
	}
}

func (r *resolver) view(in raw) {
	t := &viewText{in: in, m: r.object(in.value, viewBlock, "view "+in.name)}
	pattern, pinned, isPinned := strings.Cut(in.name, "@")
	model := &View{Pos: in.key.pos()}
	model.Description, model.Owner, model.Tags = t.m.about(in.inherited)
	r.viewVersion(t, pinned, isPinned)
	if n, ok := t.m.need("source", "source: "+strings.Join(namesOf(r.spec.Sources, sourceName), " or ")); ok {
		t.source = r.sourceOf(n)
	}
	r.viewEntities(t, pattern)
	r.viewSettings(model, t)
	before := len(r.diags)
	if t.source != nil {
		r.viewFeatures(t, model)
	}
	t.broken = r.diags[before:].HasErrors() || t.source == nil || len(t.entities) == 0
	for _, e := range r.spec.Entities {
		r.broken[strings.ReplaceAll(pattern, entityPlace, e.Name)] = t.broken
	}
	t.m.finish()
	if t.source == nil {
		return
	}
	before = len(r.diags)
	for _, e := range t.entities {
		if len(r.diags) > before && r.diags[before:].HasErrors() {
			return // the others would only repeat it
		}
		r.expandView(t, model, pattern, e)
	}
}

func (r *resolver) sourceOf(n node) *Source {
	name, ok := r.text(n, "a source's name")
	if !ok {
		return nil
	}
	s, ok := r.spec.Source(name)
	if !ok {
		r.unknown(n, "source", name, namesOf(r.spec.Sources, sourceName))
		return nil
	}
	return s
}

func (r *resolver) viewVersion(t *viewText, pinned string, isPinned bool) {
	t.version = t.m.whole("version", 1)
	if !isPinned {
		return
	}
	n, err := strconv.Atoi(pinned)
	switch {
	case err != nil || n < 1:
		r.errorf(t.in.key, "write name@1", "`%s` is not a name and a version", t.in.name)
	case !t.m.has("version"):
		t.version = n
	case n != t.version:
		at, _ := t.m.nullable("version")
		r.errorf(at, "write version: "+pinned, "view %s has the version %d in its name and %d in `version`", t.in.name, n, t.version)
	}
}

// viewEntities reads `entity`, or `entities` for a name with `{entity}`.
func (r *resolver) viewEntities(t *viewText, pattern string) {
	one, hasOne := t.m.get("entity")
	several, hasSeveral := t.m.get("entities")
	templated := strings.Contains(pattern, entityPlace)
	switch {
	case hasOne && hasSeveral:
		r.errorf(several, "remove one of them", "view %s has both `entity` and `entities`", t.in.name)
	case hasSeveral && !templated:
		r.errorf(t.in.key, `write "{entity}_`+pattern+`"`, "view %s has `entities`, so its name needs the place {entity}", t.in.name)
		return
	case hasOne && templated:
		r.errorf(one, "write entities: [card, user]", "view %s has {entity} in its name, so it needs `entities`", t.in.name)
		return
	case !hasOne && !hasSeveral:
		t.m.need("entity", "entity: "+strings.Join(namesOf(r.spec.Entities, entityName), " or "))
		return
	}
	nodes := []node{one}
	if hasSeveral {
		nodes, _ = r.list(several, "`entities`")
	}
	for _, n := range nodes {
		name, ok := r.text(n, "an entity's name")
		if !ok {
			continue
		}
		e, ok := r.spec.Entity(name)
		switch {
		case !ok:
			r.unknown(n, "entity", name, namesOf(r.spec.Entities, entityName))
		case slices.Contains(t.entities, e):
			r.errorf(n, "remove one of them", "entity %s stands twice in `entities`", name)
		case t.source != nil && !t.source.HasKey(e):
			r.errorf(n, "choose an entity whose key the source has", "source %s has no field %s, the key of entity %s", t.source.Name, strings.Join(e.Key, ", "), name)
		default:
			t.entities = append(t.entities, e)
		}
	}
}

// viewSettings reads what is no feature.
func (r *resolver) viewSettings(v *View, t *viewText) {
	if n, ok := t.m.need("ttl", "ttl: 31d"); ok {
		v.TTL, _ = r.duration(n, "`ttl` of "+t.m.what)
	}
	v.Online = t.m.word("online", "served")
	if n, ok := t.m.get("refresh"); ok {
		switch n.Value {
		case "off":
			v.RefreshOff = true
		case "never", "none", "false", "no", "0", "0s":
			r.errorf(n, "write refresh: off", "`refresh` of %s must be a duration, or off", t.m.what)
		default:
			v.Refresh, v.RefreshPos = t.m.duration("refresh", 0), n.pos()
		}
	}
	v.Granularity = t.m.duration("granularity", 0)
	v.EventBudget = t.m.whole("event_budget", DefaultEventBudget)
	v.DistinctBudget = t.m.whole("distinct_budget", DefaultDistinctBudget)
	v.FreshnessSLO = t.m.duration("freshness_slo", 0)
}

// viewFeatures reads the filter, the definitions and the derived of a view.
func (r *resolver) viewFeatures(t *viewText, v *View) {
	v.Source = t.source
	if n, ok := t.m.get("filter"); ok {
		v.Filter = r.expression(r.fieldEnv(t.source), n, "`filter` of "+t.m.what, Bool)
	}
	n, ok := t.m.need("features", "features: {txn_count: {aggregation: count, windows: [1h]}}")
	if !ok {
		return
	}
	for _, e := range r.bounded(r.mapping(n, "`features` of "+t.m.what).entries, MaxViewFeatures, n, "features of "+t.m.what) {
		r.name(e.key, e.name, "feature")
		if suffixForm.MatchString(e.name) {
			r.errorf(e.key, "write `"+suffixForm.ReplaceAllString(e.name, "")+"`: `windows`, `half_lives` and `last` make the suffix",
				"feature name `%s` ends like a generated suffix", e.name)
		}
		d := r.definition(e, t.source)
		r.defKeys[d] = e.key
		t.definitions = append(t.definitions, d)
		r.coveredByTTL(d, v, t)
	}
	r.coarseEnough(v, t)
	if n, ok := t.m.get("derived"); ok {
		t.derived = r.derivedTexts(n, t)
	}
}

// need is how long state must be kept for d, whatever the ttl is.
func (d *Definition) need() (span time.Duration, bounded bool) {
	for _, w := range d.Windows {
		switch w.Kind {
		case Sliding:
			span, bounded = max(span, d.Delay+w.Length), true
		case Session:
			span = max(span, w.Length)
		case Lifetime, Last, HalfLife:
			span = max(span, d.Delay)
		}
	}
	return span, bounded
}

// coveredByTTL refuses a ttl that ends a life before a window does (S36).
func (r *resolver) coveredByTTL(d *Definition, v *View, t *viewText) {
	span, _ := d.need()
	if v.TTL == 0 || span <= v.TTL {
		return
	}
	n, _ := t.m.nullable("ttl")
	r.errorf(n, "write ttl: "+FormatDuration(span)+" or more", "`ttl` %s is shorter than the longest %s of %s, %s",
		FormatDuration(v.TTL), reachWord(d), d.Name, FormatDuration(span))
}

func reachWord(d *Definition) string {
	if d.Delay > 0 {
		return "delay and window"
	}
	return "window"
}

// coarseEnough refuses a granularity that makes more tiles than a reading may
// merge (S26).
func (r *resolver) coarseEnough(v *View, t *viewText) {
	longest, of, what := time.Duration(0), "", ""
	for _, d := range t.definitions {
		for _, w := range d.Windows {
			if w.Kind == Sliding && d.Delay+w.Length > longest {
				longest, of, what = d.Delay+w.Length, d.Name, reachWord(d)
			}
		}
	}
	if v.Granularity == 0 || (longest-1)/v.Granularity < maxTiles {
		return
	}
	n, _ := t.m.nullable("granularity")
	r.errorf(n, "write granularity: "+FormatDuration(leastTile(longest))+" or more, or leave it out: then each window has "+itoa(defaultTiles),
		"`granularity` %s cuts the longest %s of %s, %s, into %d tiles, and %d is the most: past `event_budget` each reading merges them all",
		FormatDuration(v.Granularity), what, of, FormatDuration(longest), longest/v.Granularity, maxTiles)
}

// leastTile is the finest granularity of a window that reaches so far back, in
// whole seconds, or in ms below one.
func leastTile(reach time.Duration) time.Duration {
	least, step := (reach+maxTiles-1)/maxTiles, time.Millisecond
	if least > time.Second {
		step = time.Second
	}
	return (least + step - 1) / step * step
}

// expandView makes the view of one entity.
func (r *resolver) expandView(t *viewText, model *View, pattern string, e *Entity) {
	v := *model
	v.Index, v.Entity, v.Version = len(r.spec.Views), e, t.version
	v.Name = strings.ReplaceAll(pattern, entityPlace, e.Name)
	if !r.name(t.in.key, v.Name, "view") {
		return
	}
	for _, other := range r.spec.Views {
		if other.Name == v.Name && other.Version == v.Version {
			r.errorf(t.in.key, "rename one of them, or raise its version", "view %s is declared twice: first at %s", v.Pinned(), other.Pos)
			return
		}
	}
	if len(r.spec.Views) == MaxViews {
		r.errorf(t.in.key, "split the namespace", "the namespace has more than %d views", MaxViews)
		return
	}
	r.spec.Views = append(r.spec.Views, &v)
	r.viewKeys[&v] = t.in.key
	for _, d := range t.definitions {
		own := *d
		v.Definitions = append(v.Definitions, &own)
		r.defKeys[&own] = r.defKeys[d]
		r.generate(&v, &own)
	}
	if v.Refresh == 0 && !v.RefreshOff {
		v.Refresh = defaultRefresh(&v)
	}
	r.derive(&v, t)
}

// defaultRefresh is a share of the shortest window.
func defaultRefresh(v *View) time.Duration {
	shortest := time.Duration(0)
	for _, d := range v.Definitions {
		for _, w := range d.Windows {
			if w.Kind == Sliding && (shortest == 0 || w.Length < shortest) {
				shortest = w.Length
			}
		}
	}
	return max(shortest/refreshShare, minRefresh)
}

// generate multiplies a definition out over its windows.
func (r *resolver) generate(v *View, d *Definition) {
	agg, _ := AggregationOf(d.Aggregation)
	t, scale := resultOf(agg, d)
	for _, w := range d.Windows {
		f := &Feature{View: v, Short: d.Name + w.suffix(), Def: d, Window: w, Description: d.Description,
			Type: t, Scale: scale, HasDefault: d.HasDefault, Default: d.Default, Hidden: d.Hidden,
			EventBound: agg.EventBound, Pos: d.Pos}
		r.addFeature(v, f, r.defKeys[d])
	}
}

// resultOf is the type of a definition's features. The scale is that of the
// decimals in them, of a list or map too.
func resultOf(agg Aggregation, d *Definition) (t Type, scale int) {
	t, scale = itemOf(agg, d)
	switch {
	case d.By != nil:
		return Map, scale
	case agg.Result == ListResult:
		return List, scale
	}
	return t, scale
}

// itemOf is the type of one value: of a category's, or of a list's items.
func itemOf(agg Aggregation, d *Definition) (t Type, scale int) {
	switch {
	case agg.Result == BoolResult:
		return Bool, 0
	case agg.Result == DoubleResult:
	case d.Field != nil:
		return d.Field.Type, d.Field.Scale
	case d.Value != nil:
		return d.Value.Type, 0
	}
	return Double, 0
}

// Item is the type of one value of a List or Map feature: of a list's items,
// of what a category maps to. Of all others it is the feature's own.
func (f *Feature) Item() Type {
	if f.Def == nil || (f.Type != List && f.Type != Map) {
		return f.Type
	}
	agg, _ := AggregationOf(f.Def.Aggregation)
	t, _ := itemOf(agg, f.Def)
	return t
}

// listed reports whether the feature is of lists: one, or one for each category.
func (f *Feature) listed() bool {
	agg, _ := AggregationOf(f.Def.Aggregation)
	return agg.Result == ListResult
}

func (r *resolver) addFeature(v *View, f *Feature, key node) {
	f.Index = len(v.Features)
	switch {
	case len(v.Features) == MaxViewFeatures:
		r.errorf(key, "split the view", "view %s has more than %d features", v.Name, MaxViewFeatures)
		return
	case r.features == MaxFeatures:
		r.errorf(key, "split the namespace", "the namespace has more than %d features", MaxFeatures)
		return
	}
	r.features++
	if other, taken := v.Feature(f.Short); taken {
		r.errorf(key, "rename one of them", "two features of view %s are called %s: see line %d", v.Name, f.Short, other.Pos.Line)
		return
	}
	if len(f.Short) > MaxNamePart {
		r.errorf(key, "shorten it", "feature name `%s` is longer than %d characters", f.Short, MaxNamePart)
	} else if len(v.Pinned())+1+len(f.Short) > MaxFullName {
		r.errorf(key, "shorten it", "feature name `%s.%s` is longer than %d characters", v.Pinned(), f.Short, MaxFullName)
	}
	v.Features = append(v.Features, f)
}

// twins refuses a name that the store needs for a value's own time (S27, S28).
func (r *resolver) twins(v *View) {
	for _, f := range v.Features {
		if f.Def == nil {
			continue
		}
		if agg, _ := AggregationOf(f.Def.Aggregation); !agg.Moves {
			continue
		}
		if taken, ok := v.Feature(f.Short + "_at"); ok {
			key := r.viewKeys[v]
			r.at(key.file, taken.Pos.Line, taken.Pos.Col, "rename it",
				"feature name `%s` is taken: the time of %s (line %d) is kept under it", taken.Short, f.Short, f.Pos.Line)
		}
	}
}

// latest finds what a bare name means: the highest version (S29).
func (r *resolver) latest() {
	for _, v := range r.spec.Views {
		v.Latest = !slices.ContainsFunc(r.spec.Views, func(o *View) bool { return o.Name == v.Name && o.Version > v.Version })
		key := r.viewKeys[v]
		if !v.Latest && !strings.Contains(key.Value, "@") {
			r.errorf(key, "write \""+key.Value+"@"+strconv.Itoa(v.Version)+"\": for it, or raise its version",
				"the bare name %s is that of the highest version, and this is version %d of several", key.Value, v.Version)
		}
	}
}
