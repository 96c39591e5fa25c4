package features_test

import (
	"strings"
	"testing"

	"github.com/freshet-dev/freshet/features/event"
)

const withTables = `version: 1
namespace: test
tables:
  bins:  {path: bins.csv, key: bin, fields: {issuer: {type: string}, risk: {type: double}}}
  zones: {path: zones.csv, key: code, fields: {code: {type: int}, far: {type: bool}, closed: {type: bool}}}
sources:
  pay:
    type: kafka
    topic: pay
    timestamp_field: at
    id_field: id
    filter: '!present(closed)'
    fields:
      at:   {type: timestamp}
      id:   {type: string}
      card: {type: string}
      pan:  {type: string, optional: true}
      zone: {type: int, optional: true}
    computed_fields:
      doubled: {type: double, expr: 'risk * 2'}
      issuer:  {type: string, table: bins, key: bin, column: issuer}
      risk:    {type: double, table: bins, key: bin, column: risk}
      bin:     {type: string, expr: 'pan + "0"'}
      far:     {type: bool, table: zones, key: zone, column: far}
      closed:  {type: bool, table: zones, key: zone, column: closed}
entities:
  card: {key: card}
feature_views:
  v:
    version: 1
    source: pay
    entity: card
    ttl: 1h
    online: all
    features:
      issuers: {aggregation: count_distinct, field: issuer, windows: [10m]}
      risk:    {aggregation: sum, field: risk, windows: [10m]}
      double:  {aggregation: last, field: doubled, windows: [10m]}
      far:     {aggregation: count, filter: 'far', windows: [10m]}
      newest:  {aggregation: last, field: issuer, windows: [10m]}
`

func tablesOf(t *testing.T, r *run, rows map[string][]string) []*event.Table {
	t.Helper()
	var tables []*event.Table
	for _, declared := range r.plan.Spec().Tables {
		table := event.NewTable(declared)
		for _, row := range rows[declared.Name] {
			if rej := table.AddJSON([]byte(row)); rej != nil {
				t.Fatal(rej)
			}
		}
		tables = append(tables, table)
	}
	return tables
}

func TestLookupsAreComputedFields(t *testing.T) {
	r := newRun(t, withTables)
	r.readers[0].SetTables(tablesOf(t, r, map[string][]string{
		"bins": {`{"bin":"10","issuer":"One","risk":1.5}`, `{"bin":"20","issuer":"Two"}`,
			`{"bin":"40","risk":2e15}`},
		"zones": {`{"code":7,"far":true}`, `{"code":8,"far":false}`, `{"code":5,"closed":true}`},
	}))
	r.pay("1s", `"card":"a","pan":"1","zone":7`)
	r.want("v.issuers_10m", "1", "v.risk_10m", "1.5", "v.double_10m", "3", "v.far_10m", "1", "v.newest_10m", "One")
	r.pay("2s", `"card":"a","pan":"2","zone":8`) // risk has no cell
	r.want("v.issuers_10m", "2", "v.risk_10m", "1.5", "v.double_10m", "3", "v.far_10m", "1", "v.newest_10m", "Two")
	r.pay("3s", `"card":"a","pan":"9","zone":9`) // no row in either
	r.want("v.issuers_10m", "2", "v.far_10m", "1")
	r.pay("4s", `"card":"a"`) // no key: not counted as without a row
	r.want("v.issuers_10m", "2")
	if got := r.record("pay", 0, "5s", `"card":"a","pan":"1","zone":5`); got != "filtered" {
		t.Errorf("the source's filter sees looked-up values: %s", got)
	}
	if got := r.record("pay", 0, "5s", `"card":"a","pan":"4"`); got != "schema" {
		t.Errorf("a looked-up double beyond 1e15 that is summed: %s, want schema (S20)", got)
	}
	counts := r.readers[0].Counts()
	if counts.Unmatched["issuer"] != 1 || counts.Unmatched["risk"] != 1 || counts.Unmatched["far"] != 1 {
		t.Errorf("without a row: %v", counts.Unmatched)
	}
}

func TestLookupsWithoutTablesHaveNoValue(t *testing.T) {
	r := newRun(t, withTables)
	r.pay("1s", `"card":"a","pan":"1","zone":7`)
	r.want("v.issuers_10m", "0", "v.far_10m", "0")
	r.readers[0].SetTables(tablesOf(t, r, map[string][]string{"bins": {`{"bin":"10","issuer":"One"}`}}))
	r.pay("2s", `"card":"a","pan":"1"`)
	r.want("v.issuers_10m", "1")
}

func TestWarmLookupAllocatesNothing(t *testing.T) {
	r := newRun(t, strings.Replace(withTables, `'pan + "0"'`, `'pan'`, 1))
	r.readers[0].SetTables(tablesOf(t, r, map[string][]string{"bins": {`{"bin":"10","issuer":"One"}`}, "zones": {`{"code":7,"far":true}`}}))
	ev := &event.Event{RecordTime: event.NoTime}
	raw := []byte(`{"at":1767607200000,"id":"x","card":"a","pan":"10","zone":7}`)
	if n := testing.AllocsPerRun(100, func() {
		if rej := r.readers[0].Read(raw, ev); rej != nil {
			t.Fatal(rej)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
