package spec

import (
	"testing"
	"time"
)

// Keys whose engine comes later are parsed all the same.
func TestEveryKeyReachesTheModel(t *testing.T) {
	specs, diags, err := Load([]string{"testdata/every-key.good.yaml"})
	if err != nil || len(specs) != 1 {
		t.Fatalf("%v %v", diags, err)
	}
	s := specs[0]
	src := s.Sources[0]
	if src.Retracts == nil || src.RetractsTimeField == nil || src.AllowedLateness != 36*time.Hour || src.Output.Key.Name != "pair" ||
		!src.Output.PIIRaw || src.Output.Topic != "scored" || src.Topic != "payments" || src.Connection["brokers"] != "localhost:9092" {
		t.Errorf("source %+v", src)
	}
	if s.Tables[0].Path != "bins.csv" || s.Tables[0].Columns[1].Type != Int || s.Tables[0].Reload != time.Hour {
		t.Errorf("table %+v", s.Tables[0])
	}
	var computed []string
	for i, f := range src.Fields {
		if f.Index != i {
			t.Errorf("field %s has index %d at %d", f.Name, f.Index, i)
		}
		if f.Expr != nil || f.Table != "" {
			computed = append(computed, f.Name)
		}
	}
	if computed[0] != "tax" || computed[1] != "double_tax" {
		t.Errorf("computed fields in the order %v", computed)
	}
	at, _ := src.Field("at")
	if at.TimeUnit != "us" || len(at.Path) != 2 {
		t.Errorf("field %+v", at)
	}
	for name, want := range map[string]Window{
		"money.lately_last20": {Kind: Last, N: 20, Text: "20"}, "money.sitting": {Kind: Session, Length: 30 * time.Minute, Text: "30m"},
		"money.decayed_hl1d": {Kind: HalfLife, Length: 24 * time.Hour, Text: "1d"}, "money.streak": {Kind: Lifetime},
		"money.n_24h": {Kind: Sliding, Length: 24 * time.Hour, Text: "24h"},
	} {
		if f := feature(t, s, name); f.Window != want {
			t.Errorf("%s: %+v", name, f.Window)
		}
	}
	d := func(name string) *Definition { return feature(t, s, name).Def }
	if x := d("money.n_1h"); x.Delay != 7*24*time.Hour {
		t.Errorf("delay %v", x.Delay)
	}
	if x := d("money.by_bin_24h"); x.By == nil || x.Top != 8 {
		t.Errorf("by %+v", x)
	}
	if x := d("money.slope_60d"); x.Per != 30*24*time.Hour || x.MinCount != 3 || !x.HasDefault {
		t.Errorf("slope %+v", x)
	}
	if d("money.rate_1h").Per != time.Second || d("money.lag").N != 3 || d("money.list_1h").Limit != 10 ||
		d("money.best_24h").OrderBy == nil || d("money.idle").Unit != time.Minute {
		t.Error("parameters")
	}
	service := s.Services[0]
	if len(service.Features) != 6 || service.Categories[1] != OfCategory("4111") || service.Categories[2] != OfCategory("other") || service.Features[4].View.Version != 1 {
		t.Errorf("vector of %d: %v", len(service.Features), service.Categories)
	}
	if v, _ := s.View("shop_pairs"); v == nil || !v.RefreshOff || v.Features[0].Served {
		t.Error("shop_pairs is listed nowhere")
	}
	if m := s.Models[0]; m.Score == nil || !m.Shadow || m.MaxReasons != 2 || s.Models[1].Runtime != "lightgbm" {
		t.Errorf("model %+v", m)
	}
	if e := s.Tests[0].Expect[0]; len(e.Features) != 5 || len(e.Scores) != 2 || len(e.Key) != 2 || e.Reasons[0].Codes != nil {
		t.Errorf("expectation %+v", e)
	}
}
