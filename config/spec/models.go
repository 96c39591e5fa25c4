package spec

import (
	"regexp"
	"slices"
	"strings"
)

// The bounds of a model.
const (
	MaxRules = 256
	MaxBands = 32
)

var runtimes = []string{"expr", "logistic", "xgboost", "lightgbm", "onnx", "http", "grpc"}

var codeForm = regexp.MustCompile(`^[A-Z][A-Z0-9_]*$`)

func (r *resolver) models() {
	for _, in := range r.kinds[modelKind] {
		x := &Model{Index: len(r.spec.Models), Name: in.name, Pos: in.key.pos()}
		r.name(in.key, in.name, "model")
		r.spec.Models = append(r.spec.Models, x)
		r.model(x, in)
	}
}

func (r *resolver) model(x *Model, in raw) {
	m := r.object(in.value, modelBlock, "model "+x.Name)
	m.about(in.inherited)
	x.Version = m.whole("version", 1)
	if n, ok := m.need("feature_service", "feature_service: "+strings.Join(namesOf(r.spec.Services, serviceName), " or ")); ok {
		name, _ := r.text(n, "`feature_service`")
		if x.Service, ok = r.spec.Service(name); !ok {
			r.unknown(n, "feature service", name, namesOf(r.spec.Services, serviceName))
		}
	}
	x.Runtime = "expr"
	if _, ok := m.need("runtime", "runtime: expr"); ok {
		x.Runtime = m.word("runtime", "expr")
	}
	x.Shadow = m.boolean("shadow")
	r.artifact(x, m)
	env := r.riskEnv(x.Service) // not the service's derived values (S28)
	if n, ok := m.get("score"); ok {
		if x.Score = r.expression(env, n, "`score` of model "+x.Name, Double); x.Score != nil {
			r.readable(n, x.Score, x.Service)
		}
		if x.Runtime != "expr" {
			r.errorf(n, "leave it out", "`score` is for runtime: expr")
		}
	}
	if n, ok := m.get("reason_codes"); ok {
		r.reasonCodes(x, n, env)
	}
	r.scored(x, m)
	if n, ok := m.get("bands"); ok {
		r.bands(x, n)
		m.need("on_error", "on_error: {band: review}")
	}
	if n, ok := m.get("on_error"); ok {
		r.onError(x, n, m.has("bands") && len(x.Bands) == 0)
	}
	m.finish()
}

// artifact reads what only trained models have.
func (r *resolver) artifact(x *Model, m *mapping) {
	x.Artifact = m.text("artifact")
	sum := m.text("sha256")
	if n, ok := m.nullable("sha256"); ok && sum != "" && !regexp.MustCompile(`^[0-9a-f]{64}$`).MatchString(sum) {
		r.errorf(n, "", "`sha256` of model %s must be 64 hex digits", x.Name)
	}
	m.word("missing", "nan")
	m.duration("timeout", 0)
	if x.Runtime != "expr" {
		m.need("artifact", "artifact: models/"+x.Name+".txt")
		return
	}
	for _, key := range []string{"artifact", "sha256", "missing", "timeout"} {
		if n, ok := m.nullable(key); ok {
			r.errorf(n, "leave it out", "`%s` is for trained models; this one is runtime: expr", key)
		}
	}
}

func (r *resolver) reasonCodes(x *Model, n node, env *Env) {
	m := r.object(n, reasonsBlock, "`reason_codes` of model "+x.Name)
	x.MaxReasons = m.whole("max", 0)
	if rules, ok := m.need("rules", "rules: {CODE: {when: 'view.feature > 5'}}"); ok {
		entries := r.mapping(rules, "`rules` of model "+x.Name).entries
		if len(entries) > MaxRules {
			r.errorf(rules, "", "model %s has more than %d rules", x.Name, MaxRules)
		}
		for _, e := range entries {
			x.Rules = append(x.Rules, r.rule(x, e, env))
		}
	}
	m.finish()
}

func (r *resolver) rule(x *Model, e entry, env *Env) *Rule {
	rule := &Rule{Code: e.name, Pos: e.key.pos()}
	if !codeForm.MatchString(e.name) || len(e.name) > MaxNamePart {
		r.errorf(e.key, "write "+strings.ToUpper(snake(e.name)), "reason code `%s` must be capitals, digits and _, at most %d of them", e.name, MaxNamePart)
	}
	m := r.object(e.value, ruleBlock, "rule "+e.name)
	rule.Text = m.text("text")
	m.text("description")
	if n, ok := m.need("when", "when: 'view.feature > 5'"); ok {
		if rule.When = r.expression(env, n, "rule "+e.name, Bool); rule.When != nil {
			r.readable(n, rule.When, x.Service)
		}
	}
	var at node
	if rule.Weight, at, rule.HasWeight = m.number("weight"); rule.HasWeight {
		if x.Runtime != "expr" || m.l == nil {
			r.errorf(at, "leave it out", "the weights of rules are the score of runtime: expr only")
		}
	}
	rule.HasWeight = m.has("weight") // one that is no number was reported: it is no lack of weights
	m.finish()
	return rule
}

// scored checks that a model of plain rules has a score, and one only (S34).
func (r *resolver) scored(x *Model, m *mapping) {
	if x.Runtime != "expr" {
		return
	}
	weighted := slices.ContainsFunc(x.Rules, func(rule *Rule) bool { return rule.HasWeight })
	switch {
	case m.has("score") && weighted:
		n, _ := m.nullable("score")
		r.errorf(n, "remove one of them", "model %s has a `score` and weights on its rules", x.Name)
	case !m.has("score") && !weighted:
		r.errorf(m.at, "write score: 'EXPR', or a weight on each rule", "model %s has nothing to make a score of", x.Name)
	}
}

func (r *resolver) bands(x *Model, n node) {
	items, _ := r.list(n, "`bands` of model "+x.Name)
	if len(items) > MaxBands {
		r.errorf(n, "", "model %s has more than %d bands", x.Name, MaxBands)
	}
	for i, item := range items {
		m := r.object(item, bandBlock, "a band")
		b := Band{Name: m.text("name")}
		m.need("name", "name: review")
		_, hasMin := m.need("min", "min: 0.7")
		v, at, ok := m.number("min")
		b.Min = v
		m.finish()
		if !hasMin || !ok {
			continue
		}
		switch {
		case v < 0 || v > 1:
			r.errorf(at, "write a number from 0 to 1", "`min` of band %s is outside the range of scores", b.Name)
		case i == 0 && v != 0:
			r.errorf(at, "write min: 0", "the first band must begin at 0: lower scores would have none")
		case len(x.Bands) > 0 && v <= x.Bands[len(x.Bands)-1].Min:
			r.errorf(at, "write them in rising order", "band %s does not begin above band %s", b.Name, x.Bands[len(x.Bands)-1].Name)
		}
		if x.band(b.Name) {
			r.errorf(item, "rename one of them", "two bands of model %s are called %s", x.Name, b.Name)
		}
		x.Bands = append(x.Bands, b)
	}
}

func (x *Model) band(name string) bool {
	return slices.ContainsFunc(x.Bands, func(b Band) bool { return b.Name == name })
}

func (x *Model) bandNames() []string {
	names := make([]string, len(x.Bands))
	for i, b := range x.Bands {
		names[i] = b.Name
	}
	return names
}

// onError reads the band of what has no score; bandsUnknown: what the bands are
// could not be read, which was reported.
func (r *resolver) onError(x *Model, n node, bandsUnknown bool) {
	m := r.object(n, onErrorBlock, "`on_error` of model "+x.Name)
	if at, ok := m.need("band", "band: review"); ok {
		if x.OnError, ok = r.text(at, "`band`"); ok && !bandsUnknown && !x.band(x.OnError) {
			r.unknown(at, "band", x.OnError, x.bandNames())
		}
	}
	m.finish()
}
