package main

import (
	"fmt"
	"strings"
)

// plainSpec is the yardstick of performance.md: 5 entities x 6 windows x count,
// sum, mean, stddev = 120 features over one source.
func plainSpec() string {
	var b strings.Builder
	b.WriteString(`version: 1
namespace: plain
owner: bench@example.com
sources:
  transactions:
    type: kafka
    topic: plain.transactions
    format: json
    timestamp_field: ts
    id_field: event_id
    allowed_lateness: 1h
    fields:
      event_id:    {type: string}
      ts:          {type: timestamp}
      card_id:     {type: string}
      user_id:     {type: string}
      device_id:   {type: string}
      ip:          {type: string}
      merchant_id: {type: string}
      amount:      {type: decimal(2)}
      status:      {type: string}
entities:
  card:     {key: card_id}
  user:     {key: user_id}
  device:   {key: device_id}
  ip:       {key: ip}
  merchant: {key: merchant_id}
feature_views:
  "{entity}_plain":
    version: 1
    source: transactions
    entities: [card, user, device, ip, merchant]
    ttl: 31d
    features:
`)
	for _, a := range []struct{ name, rest string }{
		{"n", "aggregation: count"}, {"amount_sum", "aggregation: sum, field: amount"},
		{"amount_mean", "aggregation: mean, field: amount"}, {"amount_stddev", "aggregation: stddev, field: amount"},
	} {
		fmt.Fprintf(&b, "      %s: {%s, windows: [1m, 10m, 1h, 6h, 24h, 7d]}\n", a.name, a.rest)
	}
	return b.String()
}
