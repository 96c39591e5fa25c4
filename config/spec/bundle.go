package spec

import (
	"slices"

	"go.yaml.in/yaml/v4"
)

// bundle is what the files of one namespace say, before names are bound.
type bundle struct {
	namespace string
	owner     string
	tags      []string
	files     []string
	lines     map[string][]string // by file
	kinds     [len(kindNames)][]raw
	testTexts []raw
}

// raw is one named entry of a file and what it inherits.
type raw struct {
	entry
	inherited defaults
}

// defaults is what the top of a file hands down to its entries.
type defaults struct {
	owner string
	tags  []string
}

// The kinds of named entries at the top of a file.
const (
	sourceKind = iota
	tableKind
	entityKind
	viewKind
	serviceKind
	modelKind
)

var kindKeys = [...]string{"sources", "tables", "entities", "feature_views", "feature_services", "models"}
var kindNames = [...]string{"source", "table", "entity", "feature view", "feature service", "model"}

// top reads the top of one file into the bundle of its namespace. It reports
// false where a misspelt key hides what the file declares.
func (l *loader) top(root node) (whole bool) {
	m := l.object(root, fileBlock, "the file")
	if root.Kind != yaml.MappingNode {
		return false
	}
	if n, ok := m.need("version", "version: 1"); ok && n.Value != "1" {
		l.errorf(n, "write version: 1; the version of features stands in their view", "this build reads specs of format 1 only")
	}
	namespace := ""
	if n, ok := m.need("namespace", "namespace: payments"); ok {
		if s, ok := l.text(n, "`namespace`"); ok && l.name(n, s, "namespace") {
			namespace = s
		}
	}
	b := l.bundleOf(namespace)
	b.files = append(b.files, root.file.name)
	b.lines[root.file.name] = root.file.lines
	inherited := defaults{owner: m.text("owner"), tags: m.texts("tags")}
	if b.owner == "" {
		b.owner = inherited.owner
	}
	b.tags = append(b.tags, inherited.tags...)
	m.text("description")
	m.nullable("meta")
	known := true
	for kind, key := range kindKeys {
		n, ok := m.get(key)
		if !ok {
			continue
		}
		known = known && n.Kind == yaml.MappingNode
		for _, e := range l.bounded(l.mapping(n, "`"+key+"`").entries, MaxEntries, n, "`"+key+"`") {
			l.add(b, kind, raw{e, inherited})
		}
	}
	if n, ok := m.get("tests"); ok {
		elements, _ := l.list(n, "`tests`")
		if len(elements) > MaxEntries {
			l.errorf(n, "split the namespace", "`tests`: %d of them, at most %d are allowed", len(elements), MaxEntries)
			elements = elements[:MaxEntries]
		}
		for _, e := range elements {
			b.testTexts = append(b.testTexts, raw{entry{value: e, key: e}, inherited})
		}
	}
	m.finish()
	return known && !slices.ContainsFunc(m.entries, func(e entry) bool {
		return fileBlock.key(e.name) == nil && slices.Contains(kindKeys[:], nearest(e.name, fileBlock.names()))
	})
}

func (l *loader) bundleOf(namespace string) *bundle {
	for _, b := range l.bundles {
		if b.namespace == namespace {
			return b
		}
	}
	b := &bundle{namespace: namespace, lines: map[string][]string{}}
	l.bundles = append(l.bundles, b)
	return b
}

// add keeps an entry unless one of its name is there already.
func (l *loader) add(b *bundle, kind int, r raw) {
	for _, other := range b.kinds[kind] {
		if other.name == r.name {
			l.errorf(r.key, "remove or rename one of them", "%s %s is declared twice: first at %s", kindNames[kind], r.name, other.key.pos())
			return
		}
	}
	b.kinds[kind] = append(b.kinds[kind], r)
}

// resolver binds the names of one bundle.
type resolver struct {
	*loader
	*bundle
	spec *Spec

	sourceKeys map[*Source]raw
	viewKeys   map[*View]node
	fieldEnvs  map[*Source]*Env
	defKeys    map[*Definition]node
	riskEnvs   map[*Service]*Env
	featureEnv *Env // all features of the namespace, for rules and services
	features   int  // generated and derived so far
	testEvents int  // given so far
}

func (l *loader) resolve(b *bundle) *Spec {
	r := &resolver{loader: l, bundle: b,
		spec:       &Spec{Namespace: b.namespace, Owner: b.owner, Tags: b.tags, Files: b.files, lines: b.lines},
		sourceKeys: map[*Source]raw{}, viewKeys: map[*View]node{}, fieldEnvs: map[*Source]*Env{},
		defKeys: map[*Definition]node{}, riskEnvs: map[*Service]*Env{}}
	r.tables()
	r.sources()
	r.entities()
	r.views()
	r.outputs()
	r.lateness()
	r.services()
	r.models()
	r.served()
	r.defaultKeys()
	r.readTests()
	if !l.diags.HasErrors() {
		r.lint()
		r.spec.Hash = hashOf(r.spec)
	}
	return r.spec
}
